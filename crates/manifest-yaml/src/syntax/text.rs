//! The text before it is parsed: size and characters.

use crate::{Limits, ParseError, Position};

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Refuses a text that is too large, or has characters that a reader may refuse or take for something else.
///
/// The set is that of go-yaml (`yaml_parser_update_buffer` in readerc.go, for both v2 and v3), without the C1
/// control NEL and the separators LS and PS: those are line breaks to go-yaml (`is_break` in yamlprivateh.go,
/// YAML 1.1) and ordinary characters to readers of YAML 1.2.
pub(super) fn check_yaml(text: &str, limits: &Limits) -> Result<(), ParseError> {
    check_size(text.len(), limits)?;
    let offender = text.char_indices().find(|&(offset, character)| match character {
        '\t' | '\n' | '\r' => false,
        BYTE_ORDER_MARK => offset != 0,
        '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}' => true,
        _ => character.is_control(),
    });
    match offender {
        None => Ok(()),
        Some((offset, character @ ('\u{85}' | '\u{2028}' | '\u{2029}'))) => {
            Err(ParseError::AmbiguousLineBreak {
                position: Position::of_offset(text, offset),
                code: u32::from(character),
            })
        }
        Some((offset, character)) => Err(ParseError::ControlCharacter {
            position: Position::of_offset(text, offset),
            code: u32::from(character),
        }),
    }
}

pub(crate) fn check_size(bytes: usize, limits: &Limits) -> Result<(), ParseError> {
    if bytes > limits.max_bytes {
        return Err(ParseError::TooLarge {
            position: Position::START,
            bytes,
            limit: limits.max_bytes,
        });
    }
    Ok(())
}
