//! The wording: what a message says, before it is Slack's or Matrix's.

use jiff::Timestamp;

use super::advice::{advice, state};
use super::dedup::{News, PastFailure};
use super::event::{
    Action, Change, Changes, CommitFacts, Event, Failure, ObjectFailure, Outcome, Retry, STALE, Signature,
    Step, Success,
};
use super::rich::Rich;
use super::text::{Public, shorten};
use crate::api::GoDuration;
use crate::name::Kind;

/// The most objects that a message names.
pub(super) const MAX_NAMED_OBJECTS: usize = 15;
/// The most characters of the text that says what is wrong with one of several objects.
const MAX_OBJECT_CHARS: usize = 300;
/// The most characters of what stands in one line: a subject, a name, a signer.
const MAX_LINE_CHARS: usize = 200;
/// The most characters of the sentence that says what failed.
const MAX_MESSAGE_CHARS: usize = 1_200;
/// The most characters of the cluster's name in the headline.
const MAX_CLUSTER_CHARS: usize = 30;
/// How much of the audit log's head is shown; the rest of it is in the status.
const AUDIT_HEAD_CHARS: usize = 16;

/// Whether somebody has to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Something is wrong.
    Alarm,
    /// Something is as it should be.
    Notice,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) mood: Mood,
    /// What a lock screen shows.
    pub(super) headline: String,
    /// Label and value: which commit, who signed it, what changed or failed.
    pub(super) facts: Vec<(&'static str, Rich)>,
    /// What failed, in the words of the step.
    pub(super) sentence: Option<String>,
    /// The objects it is about.
    pub(super) objects: Option<Objects>,
    /// What to do next.
    pub(super) advice: Option<Rich>,
    /// Small print.
    pub(super) footer: String,
}

/// Some objects, and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objects {
    pub(super) named: Vec<Rich>,
    pub(super) more: usize,
}

impl Objects {
    /// The first `named` of them; the others join those that are only counted.
    pub(super) fn more_than(&self, named: usize) -> Option<String> {
        let more = self.more + self.named.len().saturating_sub(named);
        (more > 0).then(|| format!("… and {more} more"))
    }
}

impl Message {
    /// What is said about an event.
    pub(super) fn new(event: &Event, news: &News) -> Self {
        match (&event.outcome, news) {
            (Outcome::Failed(failure), _) => failed(event, failure),
            (Outcome::Succeeded(success), News::Recovery(past)) => succeeded(event, success, Some(past)),
            (Outcome::Succeeded(success), _) => succeeded(event, success, None),
        }
    }
}

fn failed(event: &Event, failure: &Failure) -> Message {
    let mut facts = identity(event);
    facts.push((
        "Failed at",
        Rich::new(failure.step.as_str())
            .text(": ")
            .code(failure.reason.as_str()),
    ));
    let state = state(event.object.kind, failure.step, failure.running.as_ref());
    if !state.is_empty() {
        facts.push(("Now", Rich::new(state)));
    }
    facts.push((
        "Next try",
        Rich::new(match failure.retry {
            Retry::After(wait) => format!("by itself in {}", rounded(wait)),
            Retry::OnChange => "when the commit or the configuration changes".to_owned(),
        }),
    ));
    let named = failure.objects.first();
    Message {
        mood: Mood::Alarm,
        headline: headline("🔴", event, &failure_words(event, failure)),
        facts,
        sentence: (!failure.message.is_empty()).then(|| cut(failure.message.as_str(), MAX_MESSAGE_CHARS)),
        objects: (!failure.objects.is_empty()).then(|| Objects {
            named: named.iter().take(MAX_NAMED_OBJECTS).map(object_failure).collect(),
            more: failure.objects.more() + named.len().saturating_sub(MAX_NAMED_OBJECTS),
        }),
        advice: Some(advice(event, failure)),
        footer: footer(event),
    }
}

fn succeeded(event: &Event, success: &Success, past: Option<&PastFailure>) -> Message {
    let mut facts = identity(event);
    if let Some(past) = past {
        facts.push(("Had failed", Rich::new(past_words(past, event.time))));
    }
    if event.object.kind == Kind::Delivery {
        facts.push(("Changed", Rich::new(change_counts(&success.changes, success))));
    }
    let listed = success.changes.listed();
    let short = event.commit.as_ref().map(|commit| commit.id.short());
    let did = if event.object.kind == Kind::Delivery {
        "applied"
    } else {
        "verified"
    };
    let what = match (past, short) {
        (None, Some(short)) => format!("{did} {short}"),
        (None, None) => did.to_owned(),
        (Some(_), Some(short)) => format!("works again, {did} {short}"),
        (Some(_), None) => "works again".to_owned(),
    };
    let mark = if past.is_some() { "🟢" } else { "✅" };
    Message {
        mood: Mood::Notice,
        headline: headline(mark, event, &what),
        facts,
        sentence: None,
        objects: (!listed.is_empty()).then(|| Objects {
            named: listed
                .first()
                .iter()
                .take(MAX_NAMED_OBJECTS)
                .map(change)
                .collect(),
            more: listed.more() + listed.first().len().saturating_sub(MAX_NAMED_OBJECTS),
        }),
        advice: None,
        footer: footer(event),
    }
}

/// `🔴 web on prod: failed to apply 3f2a1b9`: what matters first, since a lock screen shows no more.
fn headline(mark: &str, event: &Event, what: &str) -> String {
    let cluster = cut(event.cluster.as_str(), MAX_CLUSTER_CHARS);
    let on = if cluster.is_empty() {
        String::new()
    } else {
        format!(" on {cluster}")
    };
    one_line(&format!("{mark} {}{on}: {what}", cut(&event.object.key.name, 63)))
}

fn failure_words(event: &Event, failure: &Failure) -> String {
    let commit = event.commit.as_ref().map(|commit| commit.id.short());
    let the_commit = commit.unwrap_or("the commit");
    match (failure.step, event.object.kind) {
        _ if failure.reason.as_str() == STALE => format!("nothing new since {the_commit} for too long"),
        (Step::Configure, kind) => format!("the {kind} can not be used as it is written"),
        (Step::Fetch, _) => "can not be fetched".to_owned(),
        (Step::Verify, _) => format!("{the_commit} refused, its signature is not trusted"),
        (Step::Open, _) => format!("can not open a sealed file of {the_commit}"),
        (Step::Render, _) => format!("can not render {the_commit}"),
        (Step::Plan, _) => format!("{the_commit} would not apply"),
        (Step::Record, _) => "the audit log can not be written".to_owned(),
        (Step::Apply, _) => format!("failed to apply {the_commit}"),
        (Step::Health, _) => format!("{the_commit} does not become healthy"),
    }
}

/// Which object on which cluster, which commit, who signed it.
fn identity(event: &Event) -> Vec<(&'static str, Rich)> {
    let label = event.object.kind.as_str();
    let object = Rich::default().code(event.object.key.to_string());
    let object = if event.cluster.is_empty() {
        object
    } else {
        object.text(" on ").code(line(&event.cluster))
    };
    let mut facts = vec![(label, object)];
    facts.extend(
        event
            .commit
            .as_ref()
            .map(|commit| ("Commit", commit_words(commit))),
    );
    facts.extend(
        event
            .signature
            .as_ref()
            .map(|signature| ("Signed by", signature_words(signature))),
    );
    facts
}

fn commit_words(commit: &CommitFacts) -> Rich {
    let mut words = Rich::default().link(commit.id.short(), commit.link.as_ref());
    if let Some(subject) = &commit.subject {
        words = words.text(" ").text(line(subject));
    }
    if let Some(author) = &commit.author {
        words = words.text(", by ").text(line(author));
    }
    if let Some(reference) = &commit.reference {
        words = words.text(", on ").code(line(reference));
    }
    words
}

fn signature_words(signature: &Signature) -> Rich {
    match signature {
        Signature::Signed {
            key,
            identity,
            fingerprint,
        } => Rich::new(line(identity))
            .text(format!(", {} key ", key.as_str()))
            .code(line(fingerprint)),
        Signature::Named => {
            Rich::new("not checked: this source takes the commit as trusted (verify.startFrom)")
        }
        Signature::Waived => Rich::new("not checked: this source asks for no signature (verify.mode: None)"),
        Signature::Refused => Rich::new("nobody we trust"),
    }
}

fn object_failure(failed: &ObjectFailure) -> Rich {
    let object = cut(&one_line(&failed.object.to_string()), MAX_LINE_CHARS);
    let words = Rich::default()
        .code(object)
        .text(" ")
        .text(failed.reason.as_str());
    if failed.message.is_empty() {
        words
    } else {
        words
            .text(": ")
            .text(cut(&one_line(failed.message.as_str()), MAX_OBJECT_CHARS))
    }
}

fn change(change: &Change) -> Rich {
    let did = match change.action {
        Action::Created => "created ",
        Action::Configured => "configured ",
        Action::Recreated => "deleted and made anew ",
        Action::Deleted => "deleted ",
    };
    Rich::new(did).code(cut(&one_line(&change.object.to_string()), MAX_LINE_CHARS))
}

fn change_counts(changes: &Changes, success: &Success) -> String {
    let counts: Vec<String> = [
        (changes.created(), "created"),
        (changes.configured(), "configured"),
        (changes.recreated(), "deleted and made anew"),
        (changes.deleted(), "deleted"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    let counts = if counts.is_empty() {
        "nothing, the cluster was like this already".to_owned()
    } else {
        counts.join(", ")
    };
    format!("{counts} (took {})", precise(success.duration))
}

fn past_words(past: &PastFailure, now: Timestamp) -> String {
    let lasted = std::time::Duration::try_from(now.duration_since(past.since)).unwrap_or_default();
    format!(
        "at {} ({}), for {} since {}",
        past.step.as_str(),
        past.reason,
        rounded(lasted),
        utc(past.since)
    )
}

fn footer(event: &Event) -> String {
    let time = utc(event.time);
    match event.audit_head.as_ref().filter(|head| !head.is_empty()) {
        Some(head) => {
            let head: String = head.as_str().chars().take(AUDIT_HEAD_CHARS).collect();
            format!("{time} · fluxops · audit log {head}")
        }
        None => format!("{time} · fluxops"),
    }
}

fn utc(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Whole seconds: nobody plans by milliseconds.
fn rounded(duration: std::time::Duration) -> String {
    let seconds = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_millis() >= 500));
    if seconds == 0 {
        "less than a second".to_owned()
    } else {
        GoDuration(std::time::Duration::from_secs(seconds)).to_string()
    }
}

/// Tenths of a second below ten seconds, whole seconds above.
fn precise(duration: std::time::Duration) -> String {
    if duration.as_secs() >= 10 {
        rounded(duration)
    } else {
        format!("{:.1}s", duration.as_secs_f64())
    }
}

fn line(text: &Public) -> String {
    cut(&one_line(text.as_str()), MAX_LINE_CHARS)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cut(text: &str, limit: usize) -> String {
    shorten(text.chars(), limit, |_| 1)
}
