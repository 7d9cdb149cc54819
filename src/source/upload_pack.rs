//! The client's side of `git upload-pack`: which references there are, and the objects of one of them.
//!
//! Protocol 2 (gitprotocol-v2(5)) is asked for, since there the server lists only what was asked about. A server
//! that does not know it answers in the first protocol (gitprotocol-pack(5)). Negotiation is one round in both:
//! wants, a bounded number of haves, done. A server that has none of the haves sends more than it had to, never
//! too little.

use git2::Oid;

use super::clock::{Clock, Step};
use super::error::FetchError;
use super::pkt_line::{Incoming, Line, Lines, Request};
use super::reference::parse_oid;

/// The most references that a remote may list.
pub const MAX_REFERENCES: usize = 500_000;
/// How much of a server's message is shown, in characters.
pub const MAX_MESSAGE: usize = 200;
/// How fluxops names itself to servers.
const AGENT: &str = concat!("agent=fluxops/", env!("CARGO_PKG_VERSION"));

/// A reference of the remote and what it points at: a commit, or a tag object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteReference {
    pub(super) name: String,
    pub(super) target: Oid,
}

/// A repository that can be fetched from.
pub(super) trait Remote {
    /// The references whose name begins with one of the prefixes given when connecting.
    fn references(&self) -> &[RemoteReference];

    /// Hands a pack with `want` and all that these lead to, less what `have` leads to, to `sink` in pieces.
    fn objects(&mut self, want: &[Oid], have: &[Oid], sink: &mut Sink<'_>) -> Result<(), FetchError>;
}

/// Takes a pack piece by piece.
pub(super) type Sink<'sink> = dyn FnMut(&[u8]) -> Result<(), FetchError> + 'sink;

/// How requests reach an upload-pack, and its answers us.
pub(super) trait Transport {
    /// Starts it; what it says first.
    fn open(&mut self, clock: &Clock) -> Result<Box<dyn Incoming + '_>, FetchError>;

    /// Sends a request; what it answers.
    fn ask(
        &mut self,
        request: Vec<u8>,
        clock: &Clock,
        step: Step,
    ) -> Result<Box<dyn Incoming + '_>, FetchError>;

    /// Whether what the server says may be shown.
    fn discretion(&self) -> Discretion;
}

/// Whether what a server says may be shown: it could quote the password that it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Discretion {
    Quote,
    Withhold,
}

impl Incoming for Box<dyn Incoming + '_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
        self.as_mut().read(buffer)
    }
}

/// A connection to an upload-pack that has listed its references.
pub(super) struct UploadPack<T> {
    transport: T,
    clock: Clock,
    dialect: Dialect,
    references: Vec<RemoteReference>,
}

#[derive(Debug, PartialEq, Eq)]
enum Dialect {
    /// With the capabilities that the server announced.
    V0(Vec<String>),
    V2,
}

impl<T: Transport> UploadPack<T> {
    /// Connects and asks for the references that begin with one of `prefixes`.
    pub(super) fn connect(mut transport: T, prefixes: &[&str], clock: &Clock) -> Result<Self, FetchError> {
        let listing = clock.one_step();
        let discretion = transport.discretion();
        let greeting = read_greeting(&mut Lines::new(transport.open(&listing)?), prefixes, discretion)?;
        let (dialect, references) = match greeting {
            Greeting::V0 {
                capabilities,
                references,
            } => (Dialect::V0(capabilities), references),
            Greeting::V2 => {
                let request = Request::default()
                    .line("command=ls-refs")
                    .line(AGENT)
                    .line("object-format=sha1")
                    .delimiter()
                    .lines(prefixes.iter().map(|prefix| format!("ref-prefix {prefix}")))
                    .flush();
                let answer = transport.ask(request.into_bytes(), &listing, Step::References)?;
                (
                    Dialect::V2,
                    read_references(&mut Lines::new(answer), prefixes, discretion)?,
                )
            }
        };
        Ok(Self {
            transport,
            clock: clock.clone(),
            dialect,
            references,
        })
    }
}

impl<T: Transport> Remote for UploadPack<T> {
    fn references(&self) -> &[RemoteReference] {
        &self.references
    }

    fn objects(&mut self, want: &[Oid], have: &[Oid], sink: &mut Sink<'_>) -> Result<(), FetchError> {
        let request = match &self.dialect {
            Dialect::V0(capabilities) => v0_request(want, have, capabilities),
            Dialect::V2 => v2_request(want, have),
        };
        let discretion = self.transport.discretion();
        let answer = self
            .transport
            .ask(request.into_bytes(), &self.clock, Step::Objects)?;
        let mut lines = Lines::new(answer);
        match self.dialect {
            Dialect::V0(_) => skip_acknowledgements(&mut lines, sink, discretion)?,
            Dialect::V2 => find_pack(&mut lines, discretion)?,
        }
        read_pack(&mut lines, sink, discretion)
    }
}

enum Greeting {
    V0 {
        capabilities: Vec<String>,
        references: Vec<RemoteReference>,
    },
    V2,
}

fn read_greeting<I: Incoming>(
    lines: &mut Lines<I>,
    prefixes: &[&str],
    discretion: Discretion,
) -> Result<Greeting, FetchError> {
    let mut first = text(lines.next()?, discretion)?;
    // Over HTTP, the service may be named first (gitprotocol-http(5), "Smart Server Response").
    if first.as_deref() == Some("# service=git-upload-pack") {
        if lines.next()? != Line::Flush {
            return Err(FetchError::Protocol("there is no flush after the service's name"));
        }
        first = text(lines.next()?, discretion)?;
    }
    match first.as_deref() {
        Some("version 2") => read_v2_capabilities(lines, discretion).map(|()| Greeting::V2),
        Some("version 1") => {
            let first = text(lines.next()?, discretion)?;
            read_v0_references(lines, first, prefixes, discretion)
        }
        _ => read_v0_references(lines, first, prefixes, discretion),
    }
}

fn read_v2_capabilities<I: Incoming>(lines: &mut Lines<I>, discretion: Discretion) -> Result<(), FetchError> {
    for _ in 0..MAX_REFERENCES {
        match text(lines.next()?, discretion)? {
            Some(capability) => check_object_format(&capability)?,
            None => return Ok(()),
        }
    }
    Err(FetchError::Protocol("the list of capabilities has no end"))
}

fn read_v0_references<I: Incoming>(
    lines: &mut Lines<I>,
    first: Option<String>,
    prefixes: &[&str],
    discretion: Discretion,
) -> Result<Greeting, FetchError> {
    let mut capabilities = Vec::new();
    let mut references = Vec::new();
    let mut line = first;
    for _ in 0..MAX_REFERENCES {
        let Some(text_line) = line else {
            return Ok(Greeting::V0 {
                capabilities,
                references,
            });
        };
        let mut listed = text_line.as_str();
        // Capabilities follow the first reference, behind a NUL.
        if let Some((reference, announced)) = listed.split_once('\0') {
            listed = reference;
            capabilities.extend(announced.split(' ').map(str::to_owned));
            capabilities
                .iter()
                .try_for_each(|capability| check_object_format(capability))?;
        }
        // An empty repository lists `capabilities^{}` with an id of zeros, which is no id.
        let is_placeholder = listed.ends_with(" capabilities^{}");
        if !is_placeholder {
            references
                .extend(reference(listed)?.filter(|reference| begins_with_one(&reference.name, prefixes)));
        }
        line = text(lines.next()?, discretion)?;
    }
    Err(FetchError::TooLarge {
        what: "references",
        limit: MAX_REFERENCES as u64,
    })
}

fn read_references<I: Incoming>(
    lines: &mut Lines<I>,
    prefixes: &[&str],
    discretion: Discretion,
) -> Result<Vec<RemoteReference>, FetchError> {
    let mut references = Vec::new();
    for _ in 0..MAX_REFERENCES {
        match text(lines.next()?, discretion)? {
            None => return Ok(references),
            // A server may ignore the prefix.
            Some(line) => {
                references
                    .extend(reference(&line)?.filter(|reference| begins_with_one(&reference.name, prefixes)));
            }
        }
    }
    Err(FetchError::TooLarge {
        what: "references",
        limit: MAX_REFERENCES as u64,
    })
}

fn begins_with_one(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// A line `<id> <name>`; None for what a tag peels to, which is looked up in the objects themselves.
fn reference(line: &str) -> Result<Option<RemoteReference>, FetchError> {
    if line.starts_with("shallow ") {
        return Err(FetchError::Protocol(
            "it is a shallow clone; use the repository that it was cloned from",
        ));
    }
    let mut words = line.split(' ');
    let target = words.next().and_then(parse_oid);
    match (target, words.next()) {
        (Some(target), Some(name)) if !name.is_empty() => {
            let reference = RemoteReference {
                name: name.to_owned(),
                target,
            };
            Ok(Some(reference).filter(|reference| !reference.name.ends_with("^{}")))
        }
        _ => Err(FetchError::Protocol(
            "a line of the list of references has no id and name",
        )),
    }
}

fn check_object_format(capability: &str) -> Result<(), FetchError> {
    match capability.strip_prefix("object-format=") {
        None | Some("sha1") => Ok(()),
        Some(format) => Err(FetchError::ObjectFormat(shown(format.as_bytes()))),
    }
}

fn v0_request(want: &[Oid], have: &[Oid], capabilities: &[String]) -> Request {
    // Some servers insist on multi_ack_detailed; what it adds to the answer is skipped.
    let wishes = ["multi_ack_detailed", "side-band-64k", "ofs-delta", "no-progress"];
    let chosen = wishes
        .iter()
        .filter(|wish| capabilities.iter().any(|capability| capability == *wish));
    let chosen: Vec<&str> = chosen.copied().chain([AGENT]).collect();
    // Capabilities stand behind the first want.
    let mut wants = want.iter().map(|id| format!("want {id}"));
    let first = wants.next().map(|first| format!("{first} {}", chosen.join(" ")));
    Request::default()
        .lines(first.into_iter().chain(wants))
        .flush()
        .lines(have.iter().map(|id| format!("have {id}")))
        .line("done")
}

fn v2_request(want: &[Oid], have: &[Oid]) -> Request {
    Request::default()
        .line("command=fetch")
        .line(AGENT)
        .line("object-format=sha1")
        .delimiter()
        .line("ofs-delta")
        .line("no-progress")
        .lines(want.iter().map(|id| format!("want {id}")))
        .lines(have.iter().map(|id| format!("have {id}")))
        .line("done")
        .flush()
}

/// Reads up to the section `packfile`. Others than that are not asked for.
fn find_pack<I: Incoming>(lines: &mut Lines<I>, discretion: Discretion) -> Result<(), FetchError> {
    match text(lines.next()?, discretion)?.as_deref() {
        Some("packfile") => Ok(()),
        _ => Err(FetchError::Protocol("the answer to a fetch has no pack")),
    }
}

/// Reads the `ACK` and `NAK` lines of the first protocol. The first line that is none belongs to the pack.
fn skip_acknowledgements<I: Incoming>(
    lines: &mut Lines<I>,
    sink: &mut Sink<'_>,
    discretion: Discretion,
) -> Result<(), FetchError> {
    loop {
        match lines.next()? {
            Line::Data(data) if data.starts_with(b"ACK ") || data.starts_with(b"NAK") => {}
            Line::Data(data) => return take_piece(&data, sink, discretion),
            _ => return Err(FetchError::Protocol("the answer to a fetch has no pack")),
        }
    }
}

fn read_pack<I: Incoming>(
    lines: &mut Lines<I>,
    sink: &mut Sink<'_>,
    discretion: Discretion,
) -> Result<(), FetchError> {
    loop {
        match lines.next()? {
            Line::Data(data) => take_piece(&data, sink, discretion)?,
            Line::Flush | Line::ResponseEnd => return Ok(()),
            Line::Delimiter => return Err(FetchError::Protocol("there is something after the pack")),
        }
    }
}

/// One line of the side band (gitprotocol-pack(5), "Packfile Data").
fn take_piece(data: &[u8], sink: &mut Sink<'_>, discretion: Discretion) -> Result<(), FetchError> {
    match data.split_first() {
        Some((1, piece)) => sink(piece),
        Some((2, _progress)) => Ok(()),
        Some((3, message)) => Err(refused(message, discretion)),
        _ if data.starts_with(b"ERR ") => text(Line::Data(data.to_vec()), discretion).map(|_| ()),
        _ => Err(FetchError::Protocol("a piece of the pack has no side band")),
    }
}

/// A line of text without its newline; None for a flush.
fn text(line: Line, discretion: Discretion) -> Result<Option<String>, FetchError> {
    match line {
        Line::Flush => Ok(None),
        Line::Data(data) => {
            if let Some(message) = data.strip_prefix(b"ERR ") {
                return Err(refused(message, discretion));
            }
            let data = data.strip_suffix(b"\n").unwrap_or(&data);
            // A name that is not UTF-8 cannot be one that a spec asks for.
            Ok(Some(String::from_utf8_lossy(data).into_owned()))
        }
        Line::Delimiter | Line::ResponseEnd => {
            Err(FetchError::Protocol("a section ends where there is none"))
        }
    }
}

/// What a server says, as an error.
pub(super) fn refused(message: &[u8], discretion: Discretion) -> FetchError {
    FetchError::Refused(match discretion {
        Discretion::Quote => shown(message),
        Discretion::Withhold => "(not shown: it could quote the credentials)".to_owned(),
    })
}

/// Text of a server for a message: one line, bounded, without anything that a terminal obeys.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let printable = text
        .trim()
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char });
    printable.take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    /// Answers from memory, one after another.
    struct Script {
        answers: Vec<Vec<u8>>,
        discretion: Discretion,
    }

    impl Transport for Script {
        fn open(&mut self, clock: &Clock) -> Result<Box<dyn Incoming + '_>, FetchError> {
            self.ask(Vec::new(), clock, Step::Connect)
        }

        fn ask(&mut self, _: Vec<u8>, _: &Clock, _: Step) -> Result<Box<dyn Incoming + '_>, FetchError> {
            struct Owned(std::io::Cursor<Vec<u8>>);
            impl Incoming for Owned {
                fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
                    Ok(std::io::Read::read(&mut self.0, buffer).unwrap())
                }
            }
            Ok(Box::new(Owned(std::io::Cursor::new(self.answers.remove(0)))))
        }

        fn discretion(&self) -> Discretion {
            self.discretion
        }
    }

    fn connect(answers: Vec<Vec<u8>>, discretion: Discretion) -> Result<UploadPack<Script>, FetchError> {
        let clock = Clock::start(Duration::from_secs(1), CancellationToken::new());
        UploadPack::connect(Script { answers, discretion }, &["refs/heads/"], &clock)
    }

    fn v0(lines: &[&str]) -> Vec<u8> {
        lines
            .iter()
            .fold(Request::default(), |request, line| request.line(line))
            .flush()
            .into_bytes()
    }

    fn pack(remote: &mut UploadPack<Script>) -> Result<Vec<u8>, FetchError> {
        let mut bytes = Vec::new();
        remote.objects(&[ONE.parse().unwrap()], &[], &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    #[test]
    fn the_first_protocol_is_understood() {
        let greeting = v0(&[
            &format!("{ONE} HEAD\0side-band-64k object-format=sha1"),
            &format!("{ONE} refs/heads/main"),
            &format!("{TWO} refs/tags/v1"),
            &format!("{ONE} refs/tags/v1^{{}}"),
        ]);
        let fetched = v0(&["NAK", "\u{1}PACK", "\u{2}progress", "\u{1}rest"]);
        let mut remote = connect(vec![greeting, fetched], Discretion::Quote).unwrap();
        let main = RemoteReference {
            name: "refs/heads/main".into(),
            target: ONE.parse().unwrap(),
        };
        assert_eq!(remote.references(), [main]);
        assert_eq!(pack(&mut remote).unwrap(), b"PACK\nrest\n");
    }

    #[test]
    fn the_second_protocol_is_understood() {
        let greeting = [
            v0(&["# service=git-upload-pack"]),
            v0(&["version 2", "ls-refs=unborn", "fetch=shallow"]),
        ]
        .concat();
        let listed = v0(&[
            &format!("{ONE} refs/heads/main"),
            &format!("{TWO} refs/tags/unasked"),
        ]);
        let fetched = v0(&["packfile", "\u{1}PACK"]);
        let mut remote = connect(vec![greeting, listed, fetched], Discretion::Quote).unwrap();
        assert_eq!(remote.references().len(), 1);
        assert_eq!(pack(&mut remote).unwrap(), b"PACK\n");
    }

    #[test]
    fn an_empty_repository_has_no_references() {
        let zeros = "0".repeat(40);
        let greeting = v0(&[&format!("{zeros} capabilities^{{}}\0side-band-64k")]);
        assert_eq!(
            connect(vec![greeting], Discretion::Quote).unwrap().references(),
            []
        );
    }

    #[test]
    fn other_repositories_and_answers_are_refused() {
        for (greeting, wanted) in [
            (v0(&["version 2", "object-format=sha256"]), "sha256"),
            (v0(&[&format!("{ONE} HEAD\0object-format=sha256")]), "sha256"),
            (v0(&[&format!("shallow {ONE}")]), "shallow"),
            (v0(&["ERR access denied\u{1b}[31m"]), "access denied [31m"),
            (v0(&["hello"]), "no id"),
            (b"<html>".to_vec(), "no length"),
            (Vec::new(), "ends"),
        ] {
            let error = connect(vec![greeting], Discretion::Quote)
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_server_that_was_sent_a_password_is_not_quoted() {
        let error = connect(vec![v0(&["ERR no such user ada:secret"])], Discretion::Withhold)
            .err()
            .unwrap();
        assert!(!format!("{error} {error:?}").contains("secret"));
        let long = refused(&[b'x'; MAX_MESSAGE + 1], Discretion::Quote).to_string();
        assert!(long.len() < MAX_MESSAGE + 60);
    }

    #[test]
    fn an_error_in_the_pack_is_told() {
        for (fetched, wanted) in [
            (v0(&["packfile", "\u{3}out of memory"]), "out of memory"),
            (v0(&["packfile", "\u{7}"]), "side band"),
            (v0(&["shallow-info"]), "no pack"),
        ] {
            let greeting = v0(&["version 2"]);
            let mut remote = connect(vec![greeting, v0(&[]), fetched], Discretion::Quote).unwrap();
            let error = pack(&mut remote).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_list_without_end_is_refused() {
        struct Endless(Vec<u8>, usize);
        impl Incoming for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
                let byte = self.0[self.1 % self.0.len()];
                self.1 += 1;
                buffer[0] = byte;
                Ok(1)
            }
        }
        let line = Request::default()
            .line(&format!("{ONE} refs/tags/x"))
            .into_bytes();
        let error = read_references(
            &mut Lines::new(Endless(line, 0)),
            &["refs/heads/"],
            Discretion::Quote,
        )
        .unwrap_err();
        assert!(matches!(
            error,
            FetchError::TooLarge {
                what: "references",
                ..
            }
        ));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), pack_bytes in "[ -~\u{1}-\u{3}]{0,80}") {
            let _ = connect(vec![bytes], Discretion::Quote);
            let mut remote = connect(vec![v0(&["version 2"]), v0(&[])], Discretion::Quote).unwrap();
            remote.transport.answers = vec![v0(&["packfile", &pack_bytes])];
            let _ = pack(&mut remote);
        }
    }
}
