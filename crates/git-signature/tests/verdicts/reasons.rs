//! The closed list of reasons, `docs/verdict-reasons.md`, is written from the enums themselves.
//!
//! Each list below is a chain: a value names the one that comes next. Whoever adds a variant cannot compile before
//! it has its place in the chain, and so in the document.

use std::fmt::Write as _;

use git_signature::{
    ArmorError, CertificateProblem, CollisionAttack, KeyName, KindTrust, MalformedSignature, Moment,
    ObjectError, ObjectId, ObjectIdError, ObjectKind, Refusal, SignerKind, Validity,
};
use jiff::Timestamp;

use crate::docs;

#[test]
fn the_list_of_reasons_in_the_documentation_is_current() {
    docs::check("verdict-reasons.md", "verdict-reasons", &document());
}

#[test]
fn no_two_refusals_share_a_reason() {
    let mut reasons: Vec<_> = reasons().collect();
    reasons.sort_unstable();
    let count = reasons.len();
    reasons.dedup();
    assert_eq!(reasons.len(), count);
}

#[test]
fn a_refusal_shows_its_explanation_and_its_remedy() {
    for refusal in all(next_refusal) {
        assert_eq!(
            refusal.to_string(),
            format!("{}; {}", refusal.explanation(), refusal.remedy())
        );
    }
}

/// Every word that a refusal can have.
pub(crate) fn reasons() -> impl Iterator<Item = &'static str> {
    all(next_refusal).into_iter().map(|refusal| refusal.reason())
}

fn document() -> String {
    let mut text = "| Reason | What it says, for example | What to do next |\n|---|---|---|\n".to_owned();
    for refusal in all(next_refusal) {
        let (reason, explanation) = (refusal.reason(), refusal.explanation());
        writeln!(text, "| `{reason}` | {explanation} | {} |", refusal.remedy()).unwrap();
    }
    list(&mut text, "MalformedObject", &all(next_object_error));
    list(&mut text, "MalformedSignature", &all(next_malformed_signature));
    list(&mut text, "CertificateRefused", &all(next_certificate_problem));
    text
}

/// What a reason says after its colon.
fn list(text: &mut String, reason: &str, details: &[impl std::error::Error]) {
    writeln!(text, "\nWhat `{reason}` can say in particular:\n").unwrap();
    for detail in details {
        let because = detail.source().map(|source| format!(": {source}"));
        writeln!(text, "- {detail}{}", because.unwrap_or_default()).unwrap();
    }
}

fn all<T>(next: fn(Option<&T>) -> Option<T>) -> Vec<T> {
    std::iter::successors(next(None), |value| next(Some(value))).collect()
}

fn key() -> KeyName {
    KeyName {
        kind: SignerKind::Ssh,
        fingerprint: "SHA256:…".to_owned(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

fn object(digit: u8) -> ObjectId {
    ObjectId::from_bytes([digit * 0x11; 20])
}

fn next_refusal(refusal: Option<&Refusal>) -> Option<Refusal> {
    use Refusal as R;
    Some(match refusal {
        None => R::MalformedObject(ObjectError::Nul),
        Some(R::MalformedObject(_)) => R::UnsupportedObjectFormat,
        Some(R::UnsupportedObjectFormat) => R::Unsigned,
        Some(R::Unsigned) => R::MultipleSignatures,
        Some(R::MultipleSignatures) => R::UnsupportedSignatureType {
            found: "an X.509 certificate (gpgsm, gitsign)",
        },
        Some(R::UnsupportedSignatureType { .. }) => R::MalformedSignature(MalformedSignature::Sshsig),
        Some(R::MalformedSignature(_)) => R::UnsupportedAlgorithm {
            algorithm: "ssh-dss".to_owned(),
        },
        Some(R::UnsupportedAlgorithm { .. }) => R::UnknownKey {
            key: key(),
            authority: None,
            kind_is_trusted: KindTrust::Some,
        },
        Some(R::UnknownKey { .. }) => R::BadSignature { key: key() },
        Some(R::BadSignature { .. }) => R::WrongNamespace {
            found: "file".to_owned(),
        },
        Some(R::WrongNamespace { .. }) => R::NamespaceNotAllowed { key: key() },
        Some(R::NamespaceNotAllowed { .. }) => R::UserNotPresent { key: key() },
        Some(R::UserNotPresent { .. }) => R::CertificateRefused {
            key: key(),
            problem: CertificateProblem::Host,
        },
        Some(R::CertificateRefused { .. }) => R::NotYetValid {
            what: Validity::Line(key()),
            moment: Moment::Committed(at(0)),
            from: at(60),
        },
        Some(R::NotYetValid { .. }) => R::Expired {
            what: Validity::Key(key()),
            moment: Moment::Now(at(60)),
            until: at(0),
        },
        Some(R::Expired { .. }) => R::SignatureExpired {
            key: key(),
            until: at(0),
        },
        Some(R::SignatureExpired { .. }) => R::Revoked {
            key: key(),
            by: "listed in revoked_keys".to_owned(),
        },
        Some(R::Revoked { .. }) => R::WeakKey {
            key: key(),
            why: "RSA with 1024 bits, and 2048 to 8192 are accepted".to_owned(),
        },
        Some(R::WeakKey { .. }) => R::WeakHash {
            algorithm: "SHA1".to_owned(),
        },
        Some(R::WeakHash { .. }) => R::UnusableKey {
            key: key(),
            why: "the key that signed is not meant for signing data".to_owned(),
        },
        Some(R::UnusableKey { .. }) => R::FromTheFuture {
            moment: Moment::Committed(at(3600)),
            now: at(0),
        },
        Some(R::FromTheFuture { .. }) => R::TagNameMismatch {
            signed: "v1".to_owned(),
            found: "v2".to_owned(),
        },
        Some(R::TagNameMismatch { .. }) => R::TagTarget {
            kind: ObjectKind::Tree,
            object: object(1),
        },
        Some(R::TagTarget { .. }) => return None,
    })
}

fn next_object_error(error: Option<&ObjectError>) -> Option<ObjectError> {
    use ObjectError as E;
    let line = 3;
    Some(match error {
        None => E::TooLarge { bytes: 2_000_000 },
        Some(E::TooLarge { .. }) => E::IdMismatch {
            expected: object(1),
            actual: object(2),
        },
        Some(E::IdMismatch { .. }) => E::CollisionAttack(CollisionAttack),
        Some(E::CollisionAttack(_)) => E::Nul,
        Some(E::Nul) => E::CarriageReturn { line },
        Some(E::CarriageReturn { .. }) => E::NoBody,
        Some(E::NoBody) => E::NotAHeader { line },
        Some(E::NotAHeader { .. }) => E::HeaderExpected {
            line,
            expected: "author",
        },
        Some(E::HeaderExpected { .. }) => E::HeaderMisplaced {
            line,
            name: "gpgsig-foo".to_owned(),
        },
        Some(E::HeaderMisplaced { .. }) => E::HeaderContinued {
            line,
            name: "tree".to_owned(),
        },
        Some(E::HeaderContinued { .. }) => E::UnterminatedSignature,
        Some(E::UnterminatedSignature) => E::ObjectName {
            line,
            name: "tree",
            source: ObjectIdError::NotLowerHex,
        },
        Some(E::ObjectName { .. }) => E::Person { line, name: "author" },
        Some(E::Person { .. }) => E::Kind { line },
        Some(E::Kind { .. }) => E::TagName { line },
        // Two that become reasons of their own: MultipleSignatures and UnsupportedObjectFormat.
        Some(E::TagName { .. } | E::MultipleSignatures | E::Sha256Signature { .. }) => return None,
    })
}

fn next_malformed_signature(problem: Option<&MalformedSignature>) -> Option<MalformedSignature> {
    use MalformedSignature as M;
    Some(match problem {
        None => M::Armor(ArmorError::Begin),
        Some(M::Armor(error)) => next_armor_error(*error).map_or(M::Sshsig, M::Armor),
        Some(M::Sshsig) => M::SshsigNotCanonical,
        Some(M::SshsigNotCanonical) => M::SshsigReserved,
        Some(M::SshsigReserved) => M::OpenPgpPacket,
        Some(M::OpenPgpPacket) => M::OpenPgpNotCanonical,
        Some(M::OpenPgpNotCanonical) => M::OpenPgpUnprotected,
        Some(M::OpenPgpUnprotected) => M::OpenPgpType(0x01),
        Some(M::OpenPgpType(_)) => M::OpenPgpContent("does not say when it was made".to_owned()),
        Some(M::OpenPgpContent(_)) => return None,
    })
}

fn next_armor_error(error: ArmorError) -> Option<ArmorError> {
    use ArmorError as A;
    Some(match error {
        A::Begin => A::End,
        A::End => A::Trailing,
        A::Trailing => A::Headers,
        A::Headers => A::Base64,
        A::Base64 => A::Checksum,
        // The second becomes a reason of its own: MultipleSignatures.
        A::Checksum | A::SecondBlock => return None,
    })
}

fn next_certificate_problem(problem: Option<&CertificateProblem>) -> Option<CertificateProblem> {
    use CertificateProblem as C;
    Some(match problem {
        None => C::Signature,
        Some(C::Signature) => C::Host,
        Some(C::Host) => C::NoPrincipals,
        Some(C::NoPrincipals) => C::PrincipalMismatch("ada@example.org".to_owned()),
        Some(C::PrincipalMismatch(_)) => C::CriticalOption("force-command".to_owned()),
        Some(C::CriticalOption(_)) => return None,
    })
}
