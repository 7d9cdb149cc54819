//! The `allowed_signers` file (ssh-keygen(1), ALLOWED SIGNERS; sshsig.c).
//!
//! A line is `principals [options] keytype base64-key [comment]`. OpenSSH skips a line that it cannot read,
//! which turns a typing error into a signer who is not found; here the file is refused.

use jiff::Timestamp;

use super::authorized_keys::lines;
use super::key::{KeyError, PublicKey};
use super::pattern::PatternList;
use super::window::{Window, parse_time};
use super::{Entry, Grant, Identity, Role};

/// Why a line of `allowed_signers` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowedSignersError {
    /// The principals field is empty, has an empty pattern, or only excludes.
    #[error("the principals {0:?} name nobody; write patterns separated by commas, at least one without `!`")]
    Principals(String),
    /// A quotation mark is not closed.
    #[error("a quotation mark is not closed")]
    Quote,
    /// An option is not one of those that ssh-keygen knows.
    #[error("unknown option {0:?}; known are cert-authority, namespaces, valid-after and valid-before")]
    UnknownOption(String),
    /// An option is given twice.
    #[error("the option {0:?} is given twice")]
    RepeatedOption(&'static str),
    /// The value of an option is not in quotation marks.
    #[error("the value of the option {0:?} must stand in quotation marks, right after the equals sign")]
    Unquoted(&'static str),
    /// A list of namespaces that can match nothing.
    #[error("the namespaces {0:?} match nothing")]
    Namespaces(String),
    /// A time that is not `YYYYMMDD[HHMM[SS]][Z]`.
    #[error("the time {0:?} is not of the form YYYYMMDD[HHMM[SS]][Z]")]
    Time(String),
    /// The end of validity is not after its beginning.
    #[error("valid-before is not after valid-after")]
    EmptyWindow,
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Reads a file's lines, counted from 1.
pub(crate) fn read(text: &str) -> impl Iterator<Item = (usize, Result<Entry, AllowedSignersError>)> {
    lines(text).map(|(number, line)| (number, read_line(line)))
}

fn read_line(line: &str) -> Result<Entry, AllowedSignersError> {
    let (principals, rest) = split_principals(line)?;
    let patterns = PatternList::parse(principals)
        .ok_or_else(|| AllowedSignersError::Principals(principals.to_owned()))?;

    let first_word = rest.split([' ', '\t']).next().unwrap_or_default();
    let (options, rest) = if PublicKey::is_type(first_word) {
        (Options::default(), rest)
    } else {
        Options::parse(rest)?
    };
    let mut fields = rest.split_ascii_whitespace();
    let (Some(key_type), Some(base64)) = (fields.next(), fields.next()) else {
        return Err(KeyError::Missing.into());
    };
    let key = PublicKey::from_fields(key_type, base64)?;

    Ok(Entry {
        key,
        role: match options.authority {
            Some(CertAuthority) => Role::Authority,
            None => Role::Signer,
        },
        grant: Grant {
            identity: Identity::Principals(patterns),
            namespaces: options.namespaces,
            window: Window::of_line(options.valid_after, options.valid_before)
                .ok_or(AllowedSignersError::EmptyWindow)?,
        },
    })
}

/// The first field, which may stand in quotation marks.
fn split_principals(line: &str) -> Result<(&str, &str), AllowedSignersError> {
    let (principals, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or(AllowedSignersError::Quote)?,
        None => line.split_once([' ', '\t']).unwrap_or((line, "")),
    };
    Ok((principals, rest.trim_start_matches([' ', '\t'])))
}

/// The line speaks for the keys that its key certifies, not for the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CertAuthority;

#[derive(Debug, Default)]
struct Options {
    authority: Option<CertAuthority>,
    namespaces: Option<PatternList>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

impl Options {
    const CERT_AUTHORITY: &'static str = "cert-authority";
    const NAMESPACES: &'static str = "namespaces";
    const VALID_AFTER: &'static str = "valid-after";
    const VALID_BEFORE: &'static str = "valid-before";

    /// Reads `option[="value"],…` up to the white space that ends them; returns what follows.
    fn parse(text: &str) -> Result<(Self, &str), AllowedSignersError> {
        let mut options = Self::default();
        let mut rest = text;
        loop {
            let end = rest.find(['=', ',', ' ', '\t']).unwrap_or(rest.len());
            let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let known = [
                Self::CERT_AUTHORITY,
                Self::NAMESPACES,
                Self::VALID_AFTER,
                Self::VALID_BEFORE,
            ]
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(name))
            .ok_or_else(|| AllowedSignersError::UnknownOption(name.to_owned()))?;
            rest = if known == Self::CERT_AUTHORITY {
                set(&mut options.authority, CertAuthority, known)?;
                after
            } else {
                let (value, after) = quoted_value(after, known)?;
                options.set_value(known, &value)?;
                after
            };
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None if rest.is_empty() || rest.starts_with([' ', '\t']) => {
                    return Ok((options, rest.trim_start_matches([' ', '\t'])));
                }
                None => return Err(AllowedSignersError::UnknownOption(first_word(text).to_owned())),
            }
        }
    }

    fn set_value(&mut self, name: &'static str, value: &str) -> Result<(), AllowedSignersError> {
        if name == Self::NAMESPACES {
            let list =
                PatternList::parse(value).ok_or_else(|| AllowedSignersError::Namespaces(value.to_owned()))?;
            return set(&mut self.namespaces, list, name);
        }
        let time = parse_time(value).ok_or_else(|| AllowedSignersError::Time(value.to_owned()))?;
        let slot = if name == Self::VALID_AFTER {
            &mut self.valid_after
        } else {
            &mut self.valid_before
        };
        set(slot, time, name)
    }
}

fn set<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), AllowedSignersError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(AllowedSignersError::RepeatedOption(name)),
    }
}

/// Reads `="value"`, in which `\"` stands for a quotation mark (misc.c, `opt_dequote`).
fn quoted_value<'a>(text: &'a str, name: &'static str) -> Result<(String, &'a str), AllowedSignersError> {
    let quoted = text
        .strip_prefix("=\"")
        .ok_or(AllowedSignersError::Unquoted(name))?;
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, quoted.get(at + 1..).unwrap_or_default())),
            '\\' if characters.next_if(|&(_, next)| next == '"').is_some() => value.push('"'),
            other => value.push(other),
        }
    }
    Err(AllowedSignersError::Quote)
}

fn first_word(text: &str) -> &str {
    text.split([' ', '\t']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn lines_in_every_form_of_the_manual_are_read() {
        for line in [
            format!("alice@example.org {KEY}"),
            format!("  alice@example.org\t{KEY} a comment"),
            format!("alice,bob,!eve,*@example.org {KEY}"),
            format!("\"alice smith,bob\" {KEY}"),
            format!("alice namespaces=\"git\" {KEY}"),
            format!(
                "alice Namespaces=\"git,file*\",valid-after=\"20240101\",valid-before=\"20250101Z\"  {KEY}"
            ),
        ] {
            let entry = read_line(line.trim()).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(entry.role, Role::Signer, "{line}");
        }
        let line = format!("*@example.org cert-authority,namespaces=\"git\" {KEY}");
        assert_eq!(read_line(&line).unwrap().role, Role::Authority);
        assert_eq!(read("# comment\n\n  # another\n\t\n").count(), 0);
    }

    #[test]
    fn lines_that_cannot_be_meant_are_refused() {
        use AllowedSignersError as E;
        let unknown = |option: &str| E::UnknownOption(option.to_owned());
        for (line, error) in [
            ("alice".to_owned(), unknown("")),
            (format!("alice nonsense {KEY}"), unknown("nonsense")),
            (
                format!("alice no-touch-required {KEY}"),
                unknown("no-touch-required"),
            ),
            (
                format!("alice cert-authority,cert-authority {KEY}"),
                E::RepeatedOption("cert-authority"),
            ),
            (
                format!("alice namespaces=\"a\",namespaces=\"b\" {KEY}"),
                E::RepeatedOption("namespaces"),
            ),
            (
                format!("alice valid-after=\"20240101\",valid-after=\"20240101\" {KEY}"),
                E::RepeatedOption("valid-after"),
            ),
            (format!("alice namespaces=git {KEY}"), E::Unquoted("namespaces")),
            (format!("alice namespaces {KEY}"), E::Unquoted("namespaces")),
            (format!("alice namespaces=\"git {KEY}"), E::Quote),
            (
                format!("alice namespaces=\"\" {KEY}"),
                E::Namespaces(String::new()),
            ),
            (
                format!("alice namespaces=\"!git\" {KEY}"),
                E::Namespaces("!git".to_owned()),
            ),
            (
                format!("alice valid-after=\"tomorrow\" {KEY}"),
                E::Time("tomorrow".to_owned()),
            ),
            (
                format!("alice valid-after=\"20250101\",valid-before=\"20240101\" {KEY}"),
                E::EmptyWindow,
            ),
            (
                format!("alice valid-after=\"20240101\"x {KEY}"),
                unknown("valid-after=\"20240101\"x"),
            ),
            (
                format!("alice cert-authority=\"x\" {KEY}"),
                unknown("cert-authority=\"x\""),
            ),
            (format!("!alice {KEY}"), E::Principals("!alice".to_owned())),
            (
                format!("alice,,bob {KEY}"),
                E::Principals("alice,,bob".to_owned()),
            ),
            (format!("\"alice {KEY}"), E::Quote),
            (
                KEY.to_owned(),
                unknown("AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti"),
            ),
            ("alice ssh-ed25519".to_owned(), E::Key(KeyError::Missing)),
            ("alice ssh-ed25519 AAAA".to_owned(), E::Key(KeyError::Malformed)),
            ("alice ssh-ed25519 A=AA".to_owned(), E::Key(KeyError::Base64)),
            (
                format!("alice {}", KEY.replace("ssh-ed25519", "ssh-rsa")),
                E::Key(KeyError::TypeMismatch {
                    written: "ssh-rsa".to_owned(),
                    actual: "ssh-ed25519".to_owned(),
                }),
            ),
        ] {
            assert_eq!(read_line(&line).err(), Some(error), "{line}");
        }
    }

    #[test]
    fn every_line_is_read_with_its_number() {
        let text = format!("# who\nalice {KEY}\nbob\n\n  carol {KEY}\n");
        let lines: Vec<_> = read(&text)
            .map(|(number, entry)| (number, entry.is_ok()))
            .collect();
        assert_eq!(lines, [(2, true), (3, false), (5, true)]);
    }
}
