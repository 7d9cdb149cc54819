//! Files of all sorts from a seed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, dead_code)] // a test that fails, fails here; no test uses all of it

use std::fmt::Write as _;

pub(crate) mod lines;

/// Numbers that follow from a seed (splitmix64).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    pub(crate) fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = self.next().to_le_bytes()[0];
        }
    }
}

const KEYS: [&str; 13] = [
    "data",
    "stringData",
    "metadata",
    "spec",
    "password",
    "token_secret",
    "name_unencrypted",
    "tls.crt",
    "a",
    "'with:colon'",
    "\"quoted key\"",
    "clé",
    "yes",
];

const SCALARS: [&str; 49] = [
    "plain",
    "two words",
    "yes",
    "no",
    "on",
    "true",
    "False",
    "null",
    "~",
    "0",
    "42",
    "-7",
    "+12",
    "0777",
    "0o777",
    "0x1F",
    "1_000",
    "08",
    "1.5",
    "1e3",
    "1e21",
    "1e-7",
    ".5",
    "1.",
    "9223372036854775807",
    "2024-01-01",
    "2024-01-01T10:00:00.50+02:00",
    "2024-01-01 10:00:00.5 +02:00",
    "190:20:30",
    "1e400",
    "''",
    "\"\"",
    "'single ''s'",
    "\"double\\n\\t\\\"\\u00e9\"",
    "!!str 123",
    "!!float 1",
    "!!binary aGVsbG8=",
    "ünïcödé",
    "'#no comment'",
    "a#b",
    "\"[brackets]\"",
    "'{braces}'",
    "a: b",
    "x, y",
    "' leading'",
    "\"trailing \"",
    "'*star'",
    "=",
    "\"ENC[like]\"",
];

/// Scalars that may stand between brackets as they are.
const FLOW_SCALARS: [&str; 12] = [
    "plain",
    "yes",
    "true",
    "null",
    "42",
    "1.5",
    "0777",
    "2024-01-01",
    "''",
    "\"a, b\"",
    "'x'",
    "1e3",
];

const JSON_SCALARS: [&str; 16] = [
    "\"text\"",
    "\"\"",
    "\"a\\nb\"",
    "\"\\u00e9\\\"\\\\\"",
    "\"true\"",
    "\"2024-01-01\"",
    "true",
    "false",
    "null",
    "0",
    "-12",
    "1.5",
    "1e3",
    "9007199254740993",
    "-0.25",
    "\"ENC[like]\"",
];

/// A YAML file of one to three documents, with comments, block scalars, lists in lists, and CRLF now and then.
pub(crate) fn yaml(numbers: &mut Numbers) -> String {
    let mut text = String::new();
    let indent = if numbers.one_in(2) { 2 } else { 4 };
    for document in 0..=numbers.below(3) {
        if document > 0 || numbers.one_in(4) {
            text.push_str("---\n");
        }
        let mut writer = YamlWriter {
            numbers,
            text: &mut text,
            step: indent,
        };
        writer.map(0, 3);
    }
    if numbers.one_in(8) {
        let _ = text.pop();
    }
    if numbers.one_in(5) {
        text.replace('\n', "\r\n")
    } else {
        text
    }
}

struct YamlWriter<'a> {
    numbers: &'a mut Numbers,
    text: &'a mut String,
    step: usize,
}

impl YamlWriter<'_> {
    fn map(&mut self, column: usize, depth: usize) {
        let mut keys: Vec<&str> = KEYS.to_vec();
        for _ in 0..=self.numbers.below(5) {
            let key = keys.remove(self.numbers.below(keys.len()));
            self.comment_above(column);
            self.pad(column);
            let _ = write!(self.text, "{key}:");
            self.value(column, depth);
        }
    }

    fn list(&mut self, column: usize, depth: usize) {
        for _ in 0..=self.numbers.below(4) {
            self.comment_above(column);
            self.pad(column);
            self.text.push('-');
            let form = if depth > 0 { self.numbers.below(8) } else { 7 };
            if form < 2 {
                self.text.push_str(" - ");
                let inner = self.scalar();
                let _ = writeln!(self.text, "{inner}");
            } else if form < 4 {
                let value = self.scalar();
                let _ = writeln!(self.text, " k: {value}");
                self.pad(column + 2);
                self.text.push_str("l:");
                self.value(column + 2, 0);
            } else {
                self.value(column, 0);
            }
        }
    }

    fn value(&mut self, column: usize, depth: usize) {
        match self.numbers.below(if depth == 0 { 6 } else { 11 }) {
            0 => self.block_scalar(column),
            1 => self.flow(),
            2..=5 => {
                let scalar = self.scalar();
                let _ = write!(self.text, " {scalar}");
                self.comment_beside();
            }
            6..=8 => {
                self.text.push('\n');
                self.map(column + self.step, depth - 1);
            }
            _ => {
                self.text.push('\n');
                self.list(column + self.step, depth - 1);
            }
        }
    }

    fn scalar(&mut self) -> String {
        let scalar = self.numbers.pick(&SCALARS);
        match scalar {
            "a: b" => "'a: b'".to_owned(),
            other => other.to_owned(),
        }
    }

    fn block_scalar(&mut self, column: usize) {
        let header = self.numbers.pick(&["|", "|-", ">", ">-"]);
        let _ = write!(self.text, " {header}");
        self.comment_beside();
        for line in ["first line", "second: line", "", "# fourth"]
            .iter()
            .take(1 + self.numbers.below(4))
        {
            if !line.is_empty() {
                self.pad(column + self.step);
            }
            let _ = writeln!(self.text, "{line}");
        }
        if self.text.ends_with("\n\n") {
            let _ = self.text.pop();
        }
    }

    fn flow(&mut self) {
        let (a, b) = (self.numbers.pick(&FLOW_SCALARS), self.numbers.pick(&FLOW_SCALARS));
        let _ = match self.numbers.below(4) {
            0 => writeln!(self.text, " []"),
            1 => writeln!(self.text, " {{}}"),
            2 => writeln!(self.text, " [{a}, [{b}]]"),
            _ => writeln!(self.text, " {{k: {a}, data: {b}}}"),
        };
    }

    fn comment_above(&mut self, column: usize) {
        if self.numbers.one_in(4) {
            self.pad(column);
            let text = self.numbers.pick(&[" above", "tight", " ünïcödé: x", " ENC[no]"]);
            let _ = writeln!(self.text, "#{text}");
        }
    }

    fn comment_beside(&mut self) {
        if self.numbers.one_in(5) {
            self.text.push_str(" # beside");
        }
        self.text.push('\n');
    }

    fn pad(&mut self, column: usize) {
        self.text.extend(std::iter::repeat_n(' ', column));
    }
}

/// A JSON object, on one line or on several.
pub(crate) fn json(numbers: &mut Numbers) -> String {
    let mut text = String::new();
    let unit = numbers.pick(&["", "  ", "\t"]);
    json_map(numbers, &mut text, unit, 1, 3);
    if numbers.one_in(2) {
        text.push('\n');
    }
    text
}

fn json_map(numbers: &mut Numbers, text: &mut String, unit: &str, level: usize, depth: usize) {
    let mut keys = vec![
        "data",
        "stringData",
        "password",
        "token_secret",
        "name_unencrypted",
        "with:colon",
        "a",
    ];
    text.push('{');
    for index in 0..numbers.below(5) {
        let key = keys.remove(numbers.below(keys.len()));
        json_separator(text, unit, level, index);
        let _ = write!(text, "\"{key}\": ");
        json_value(numbers, text, unit, level, depth);
    }
    json_end(text, unit, level - 1, '{', '}');
}

fn json_value(numbers: &mut Numbers, text: &mut String, unit: &str, level: usize, depth: usize) {
    match numbers.below(if depth == 0 { 4 } else { 7 }) {
        0..=3 => text.push_str(numbers.pick(&JSON_SCALARS)),
        4 => {
            text.push('[');
            for index in 0..numbers.below(4) {
                json_separator(text, unit, level + 1, index);
                json_value(numbers, text, unit, level + 1, depth - 1);
            }
            json_end(text, unit, level, '[', ']');
        }
        _ => json_map(numbers, text, unit, level + 1, depth - 1),
    }
}

fn json_separator(text: &mut String, unit: &str, level: usize, index: usize) {
    if index > 0 {
        text.push(',');
    }
    if !unit.is_empty() {
        text.push('\n');
        text.push_str(&unit.repeat(level));
    }
}

fn json_end(text: &mut String, unit: &str, level: usize, opening: char, closing: char) {
    if !unit.is_empty() && !text.ends_with(opening) {
        text.push('\n');
        text.push_str(&unit.repeat(level));
    }
    text.push(closing);
}
