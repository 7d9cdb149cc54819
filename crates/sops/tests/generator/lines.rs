//! Files of the formats that are read line by line.

use std::fmt::Write as _;

use super::Numbers;

const KEYS: [&str; 12] = [
    "PASSWORD",
    "token_secret",
    "NAME_unencrypted",
    "data",
    "a.b",
    "with space",
    "sops",
    "clé",
    "x-y",
    "UPPER",
    "export Z",
    "_",
];

const DOTENV_VALUES: [&str; 14] = [
    "",
    "plain",
    "42",
    "true",
    "two words",
    " around ",
    "'single'",
    "\"double\"",
    "a=b=c",
    "first\\nsecond\\n",
    "#no comment",
    "ünïcödé",
    "back\\slash",
    "ENC[like]",
];

/// Values of ini files as they are written, some of them over several lines.
const INI_VALUES: [&str; 22] = [
    "",
    "plain",
    "42",
    "true",
    "two words",
    "'single'",
    "\"double\"",
    "\"  blanks around \"",
    "\"a\" b \"c\"",
    "a=b:c",
    "`with ; and #`",
    "`\"`",
    "\"\"\"two\nlines\"\"\"",
    "`three\n\n  lines`",
    "continued \\\n  here",
    "continued \\\n  here ; no comment \\\n",
    "v ; behind",
    "v#tight",
    "ünïcödé",
    "back\\slash",
    "%(interpolated)s",
    "ENC[like]",
];

/// Lines of `KEY=value` with comments and blank lines.
pub(crate) fn dotenv(numbers: &mut Numbers) -> String {
    let mut text = String::new();
    let mut keys = KEYS.to_vec();
    for _ in 0..=numbers.below(8) {
        match numbers.below(6) {
            0 => text.push('\n'),
            1 => {
                let comment = numbers.pick(&[" a comment", "tight", " ünïcödé=x", "", "#"]);
                let _ = writeln!(text, "#{comment}");
            }
            _ => {}
        }
        let key = keys.remove(numbers.below(keys.len()));
        let _ = writeln!(text, "{key}={}", numbers.pick(&DOTENV_VALUES));
    }
    if numbers.one_in(6) {
        let _ = text.pop();
    }
    if numbers.one_in(8) {
        return text
            .split_inclusive('\n')
            .filter(|line| *line != "\n")
            .map(|line| line.replace('\n', "\r\n"))
            .collect();
    }
    text
}

/// Sections with keys, comments, quotes and continuations; now and then a section twice.
pub(crate) fn ini(numbers: &mut Numbers) -> String {
    let mut text = String::new();
    if numbers.one_in(3) {
        section(numbers, &mut text);
    }
    let mut names = vec!["a", "b c", "data", "x_unencrypted", "peer", "d.e"];
    for _ in 0..=numbers.below(4) {
        if names.is_empty() {
            break;
        }
        ini_comment(numbers, &mut text);
        let name = names.remove(numbers.below(names.len()));
        let _ = writeln!(text, "[{name}]");
        section(numbers, &mut text);
    }
    if numbers.one_in(6) {
        let _ = text.pop();
    }
    if numbers.one_in(6) {
        return text.replace('\n', "\r\n");
    }
    text
}

fn section(numbers: &mut Numbers, text: &mut String) {
    let mut keys: Vec<&str> = KEYS.to_vec();
    keys.push("\"quo:ted\"");
    keys.push("`tick=ed`");
    for _ in 0..numbers.below(5) {
        ini_comment(numbers, text);
        let key = keys.remove(numbers.below(keys.len()));
        let delimiter = numbers.pick(&[" = ", "=", ":", "   =  "]);
        let _ = writeln!(text, "{key}{delimiter}{}", numbers.pick(&INI_VALUES));
    }
    if numbers.one_in(2) {
        text.push('\n');
    }
}

fn ini_comment(numbers: &mut Numbers, text: &mut String) {
    for _ in 0..numbers.below(6).saturating_sub(3) {
        let comment = numbers.pick(&["; one", "# two", ";tight", "  ; indented", ";; twice"]);
        let _ = writeln!(text, "{comment}");
    }
}
