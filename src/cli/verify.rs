//! `fluxops verify`: verdicts on the commits or a tag of a local repository.

mod judge;
mod policy;
mod pre_receive;
mod repository;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use git_signature::ObjectId;
use jiff::Timestamp;

use self::judge::{Approved, Explain, Verdict, approved, commits, head, tag};
use self::repository::Local;
use super::{CommandError, Console, Exit, Format, trust};
use crate::api::GitReference;
use crate::verify::{Allowed, HistoryError, PolicyError, Rules, Trust, all, since, store};

#[derive(Args)]
#[command(
    after_help = "The trust folder holds allowed_signers, *.sshpub, *.asc and revoked_keys; `fluxops trust init` makes one.\n\
        Exit code: 0 trusted, 1 refused, 2 unusable: a revision that does not exist, trust that cannot be read\n\n\
        Examples:\n  \
        fluxops verify --trust keys/                             all of the history of HEAD\n  \
        fluxops verify --trust keys/ --since v1.0 main           what came since v1.0, which is taken as trusted\n  \
        fluxops verify --trust keys/ --mode head HEAD            one commit\n  \
        fluxops verify --trust keys/ --forge web-flow.asc        merges by a button count if they are clean\n  \
exec fluxops verify --trust /etc/git/keys --pre-receive  as hooks/pre-receive of a repository"
)]
pub(super) struct Arguments {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// A folder with the trusted keys
    #[arg(long, value_name = "DIR")]
    trust: PathBuf,
    /// A folder with the forge's keys, or one file of such a folder: they count for its clean merges alone
    #[arg(long, value_name = "DIR|FILE")]
    forge: Option<PathBuf>,
    /// A file with a `GitSource`, whose spec.verify says who may be named and who has to sign what (allowed, rules)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What has to be signed
    #[arg(long, value_enum, default_value_t = Mode::History)]
    mode: Mode,
    /// A revision that is taken as trusted; REV has to be it, or to descend from it
    #[arg(long, value_name = "REV")]
    since: Option<String>,
    /// Say which rule decided
    #[arg(long)]
    explain: bool,
    /// Judge what is pushed: a git hook, which reads `old new ref` lines from standard input
    #[arg(long, conflicts_with_all = ["since", "mode", "revision"])]
    pre_receive: bool,
    /// How verdicts are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// A revision; in tag mode the name of the tag
    #[arg(value_name = "REV", default_value = "HEAD")]
    revision: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Every commit since a trusted one, over all parents.
    History,
    /// The commit.
    Head,
    /// The annotated tag.
    Tag,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let material = trust::folder::read(&arguments.trust)?;
    let people = store(&material).map_err(CommandError::unusable)?;
    let forge = match &arguments.forge {
        Some(path) => {
            let material = trust::folder::read_either(path)?;
            Some(store(&material).map_err(|error| CommandError::unusable(PolicyError::Forge(error)))?)
        }
        None => None,
    };
    let spec = arguments.policy.as_deref().map(policy::read).transpose()?;
    let verify = spec.as_ref().map(|spec| &spec.verify);
    let allowed = Allowed::new(verify.and_then(|verify| verify.allowed.as_ref()));
    let rules = verify.map_or_else(|| Ok(Rules::default()), |verify| Rules::parse(&verify.rules));
    let trust = Trust::new(people, forge, allowed, rules.map_err(CommandError::unusable)?);
    let now = Timestamp::now();
    let verdicts = if arguments.pre_receive {
        let followed = spec.as_ref().and_then(|spec| followed(spec.reference.as_ref()));
        pre_receive::judge(
            &Local::of_hook(&arguments.repo)?,
            &trust,
            followed.as_deref(),
            now,
        )?
    } else {
        judge(&Local::open(&arguments.repo)?, &trust, arguments, now)?
    };
    print(&verdicts, arguments, console)?;
    Ok(if verdicts.iter().all(Verdict::is_trusted) {
        Exit::Success
    } else {
        Exit::Negative
    })
}

fn judge(
    local: &Local,
    trust: &Trust,
    arguments: &Arguments,
    now: Timestamp,
) -> Result<Vec<Verdict>, CommandError> {
    if arguments.since.is_some() && arguments.mode != Mode::History {
        return Err(CommandError::new(Exit::Unusable, "--since is for mode history"));
    }
    if arguments.mode == Mode::Tag {
        let verdict = tag(local, trust, &arguments.revision, now)?;
        let commit = local.commit_id(&format!("refs/tags/{}", arguments.revision))?;
        return approved(
            local,
            trust,
            &Approved::new(commit, None, local.approvals()?),
            vec![verdict],
            now,
        );
    }
    let id = local.commit_id(&arguments.revision)?;
    if arguments.mode == Mode::Head {
        let verdict = head(local, trust, id, now)?;
        return approved(
            local,
            trust,
            &Approved::new(id, None, local.approvals()?),
            vec![verdict],
            now,
        );
    }
    let start = arguments
        .since
        .as_deref()
        .map(|start| local.commit_id(start))
        .transpose()?;
    let ids = match start {
        Some(start) => since(local, start, id),
        None => all(local, id),
    };
    let verdicts = history(local, trust, id, ids, now)?;
    approved(
        local,
        trust,
        &Approved::new(id, start, local.approvals()?),
        verdicts,
        now,
    )
}

/// The branch that a source follows, as a reference; none where it follows tags or a commit.
fn followed(reference: Option<&GitReference>) -> Option<String> {
    match reference {
        None => Some("refs/heads/master".to_owned()),
        Some(GitReference { name: Some(name), .. }) => Some(name.clone()),
        Some(GitReference {
            branch: Some(branch), ..
        }) => Some(format!("refs/heads/{branch}")),
        Some(_) => None,
    }
}

/// The verdicts on a history; on its head alone where there is no way to it.
fn history(
    local: &Local,
    trust: &Trust,
    head: ObjectId,
    ids: Result<Vec<ObjectId>, HistoryError>,
    now: Timestamp,
) -> Result<Vec<Verdict>, CommandError> {
    match ids {
        Ok(ids) => commits(local, trust, &ids, now),
        Err(HistoryError::Object(error)) => Err(CommandError::unusable(error)),
        Err(error) => Ok(vec![Verdict::no_way(head, &error)]),
    }
}

fn print(verdicts: &[Verdict], arguments: &Arguments, console: &mut Console<'_>) -> Result<(), CommandError> {
    match arguments.output {
        Format::Json => writeln!(console.output, "{}", serde_json::json!(verdicts))?,
        Format::Text => {
            let explain = if arguments.explain {
                Explain::Rules
            } else {
                Explain::Nothing
            };
            for verdict in verdicts {
                verdict.print(explain, console.output)?;
            }
            let refused = verdicts.iter().filter(|verdict| !verdict.is_trusted()).count();
            if verdicts.len() > 1 {
                let trusted = verdicts.len() - refused;
                writeln!(console.errors, "{trusted} trusted, {refused} refused")?;
            } else if verdicts.is_empty() {
                writeln!(console.errors, "nothing is new")?;
            }
        }
    }
    Ok(())
}
