//! Base64 as kustomize writes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Characters in a line (`encodeBase64` of kyaml's datamap.go).
const LINE: usize = 70;

/// The bytes in base64: in one line if they fit, in lines that each end in a line feed if they do not.
pub(crate) fn base64_lines(bytes: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(bytes));
    if encoded.len() < LINE {
        return encoded;
    }
    let mut lines = Zeroizing::new(String::with_capacity(encoded.len() + encoded.len() / LINE + 1));
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_lines_as_kustomize_does() {
        assert_eq!(*base64_lines(b""), "");
        assert_eq!(base64_lines(&[0; 51]).len(), 68);
        assert!(!base64_lines(&[0; 51]).contains('\n'));
        let two = base64_lines(&[0; 52]);
        assert_eq!(two.lines().map(str::len).collect::<Vec<_>>(), [70, 2]);
        assert!(two.ends_with('\n'));
    }
}
