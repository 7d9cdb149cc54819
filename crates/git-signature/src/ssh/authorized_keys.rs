//! `*.sshpub`: keys one a line, as in `authorized_keys` and in the `.pub` files of ssh-keygen (sshd(8)).

use super::key::{KeyError, PublicKey};
use super::window::Window;
use super::{Entry, Grant, Identity, Role};

/// Reads a file's lines, counted from 1.
///
/// The signer's identity is the comment of the line, or the fingerprint where there is none. Options in
/// front of a key limit logins and mean nothing for signatures; rather than guess, they are refused.
pub(crate) fn read(text: &str) -> impl Iterator<Item = (usize, Result<Entry, AuthorizedKeysError>)> {
    lines(text).map(|(number, line)| (number, read_line(line).map(entry)))
}

fn entry((key, comment): (PublicKey, &str)) -> Entry {
    let label = if comment.is_empty() {
        key.fingerprint()
    } else {
        comment.to_owned()
    };
    Entry {
        key,
        role: Role::Signer,
        grant: Grant {
            identity: Identity::Label(label),
            namespaces: None,
            window: Window::default(),
        },
    }
}

/// Why a line of keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizedKeysError {
    /// Something stands in front of the key type.
    #[error(
        "the line starts with {0:?}, not with a key type; options are not supported here, use allowed_signers"
    )]
    Options(String),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

fn read_line(line: &str) -> Result<(PublicKey, &str), AuthorizedKeysError> {
    let (key_type, rest) = split_field(line);
    if !PublicKey::is_type(key_type) {
        let option = key_type.split(['=', ',']).next().unwrap_or_default();
        return Err(AuthorizedKeysError::Options(option.to_owned()));
    }
    let (base64, comment) = split_field(rest);
    if base64.is_empty() {
        return Err(KeyError::Missing.into());
    }
    Ok((PublicKey::from_fields(key_type, base64)?, comment))
}

/// The lines of a list that say something, with their numbers, counted from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .map(|line| line.trim_matches([' ', '\t']))
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| (index + 1, line))
}

/// The first field of a line, and what follows the white space after it.
pub(super) fn split_field(line: &str) -> (&str, &str) {
    let (field, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    (field, rest.trim_start_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn a_line_s_comment_is_the_identity() {
        let comment = |line: &str| read_line(line).map(|(_, comment)| comment.to_owned());
        assert_eq!(comment(&format!("{KEY} alice at work")).unwrap(), "alice at work");
        assert_eq!(comment(KEY).unwrap(), "");
    }

    #[test]
    fn options_are_refused_by_name() {
        let refused = |line: &str| read_line(line).unwrap_err();
        let options = |name: &str| AuthorizedKeysError::Options(name.to_owned());
        assert_eq!(refused(&format!("restrict {KEY}")), options("restrict"));
        assert_eq!(
            refused(&format!("command=\"x y\",no-pty {KEY}")),
            options("command")
        );
        assert_eq!(
            refused(&format!("cert-authority {KEY}")),
            options("cert-authority")
        );
        assert_eq!(
            refused("ssh-ed25519"),
            AuthorizedKeysError::Key(KeyError::Missing)
        );
    }
}
