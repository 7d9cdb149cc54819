//! What a template comes to (fluxcd/pkg/envsubst, funcs.go and template.go).

use zeroize::Zeroizing;

use super::glob::Glob;
use super::template::{Function, Piece, Template};
use super::{MissingVariable, Variables};
use crate::scalar::{Text, Visibility};

/// Why a template comes to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// A variable has no value.
    Missing(String),
    /// What is asked of one cannot be done.
    Problem(&'static str),
}

impl Template {
    /// The text with the values of the variables.
    pub(super) fn evaluate(&self, variables: &Variables, missing: MissingVariable) -> Result<Text, Failure> {
        let mut all = Text::plain("");
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => all.text.push_str(text),
                Piece::Variable { name, function } => {
                    let value = evaluate(name, function, variables, missing)?;
                    all.text.push_str(&value.text);
                    all.visibility = all.visibility.and(value.visibility);
                }
            }
        }
        Ok(all)
    }
}

fn evaluate(
    name: &str,
    function: &Function<Template>,
    variables: &Variables,
    missing: MissingVariable,
) -> Result<Text, Failure> {
    let argument = |template: &Template| template.evaluate(variables, missing);
    let value = match (variables.get(name), function, missing) {
        (Some(value), _, _) => Text {
            text: value.text.clone(),
            visibility: value.visibility,
        },
        (None, Function::Default(_), _) | (None, _, MissingVariable::Empty) => Text::plain(""),
        (None, _, MissingVariable::Refuse) => return Err(Failure::Missing(name.to_owned())),
    };
    let text = value.text.as_str();
    let one = |template: &Template, apply: fn(&str, &str) -> String| {
        let argument = argument(template)?;
        Ok(made(apply(text, &argument.text), &[&value, &argument]))
    };
    let two = |first: &Template, second: &Template, apply: fn(&str, &str, &str) -> String| {
        let (first, second) = (argument(first)?, argument(second)?);
        let applied = apply(text, &first.text, &second.text);
        Ok(made(applied, &[&value, &first, &second]))
    };
    match function {
        Function::Value => Ok(value),
        // As in Flux the default has to make sense even where it is not needed.
        Function::Default(default) => match (argument(default)?, text.is_empty()) {
            (_, false) => Ok(value),
            (default, true) => Ok(Text {
                visibility: default.visibility.and(value.visibility),
                text: default.text,
            }),
        },
        Function::Length => Ok(made(text.len().to_string(), &[&value])),
        Function::Lower => Ok(made(text.to_lowercase(), &[&value])),
        Function::Upper => Ok(made(text.to_uppercase(), &[&value])),
        Function::LowerFirst => Ok(made(
            change_first(text, |first| first.to_lowercase().collect()),
            &[&value],
        )),
        Function::UpperFirst => Ok(made(
            change_first(text, |first| first.to_uppercase().collect()),
            &[&value],
        )),
        Function::Substring(offset, length) => {
            let offset = argument(offset)?;
            let length = length.as_ref().map(argument).transpose()?;
            let taken = substring(text, &offset.text, length.as_ref().map(|it| it.text.as_str()))
                .ok_or(Failure::Problem("the offset or length cuts a character in two"))?;
            let mut of = vec![&value, &offset];
            of.extend(&length);
            Ok(made(taken.to_owned(), &of))
        }
        Function::TrimShortestPrefix(pattern) => {
            one(pattern, |text, pattern| trim(text, pattern, Match::Shortest))
        }
        Function::TrimLongestPrefix(pattern) => {
            one(pattern, |text, pattern| trim(text, pattern, Match::Longest))
        }
        Function::TrimShortestSuffix(pattern) => one(pattern, |text, pattern| {
            reversed(&trim(&reversed(text), &reversed(pattern), Match::Shortest))
        }),
        Function::TrimLongestSuffix(pattern) => one(pattern, |text, pattern| {
            reversed(&trim(&reversed(text), &reversed(pattern), Match::Longest))
        }),
        Function::ReplaceFirst(old, new) => two(old, new, |text, old, new| text.replacen(old, new, 1)),
        Function::ReplaceAll(old, new) => two(old, new, |text, old, new| text.replace(old, new)),
        Function::ReplacePrefix(old, new) => two(old, new, |text, old, new| match text.strip_prefix(old) {
            Some(rest) => format!("{new}{rest}"),
            None => text.to_owned(),
        }),
        Function::ReplaceSuffix(old, new) => two(old, new, |text, old, new| match text.strip_suffix(old) {
            Some(rest) => format!("{rest}{new}"),
            None => text.to_owned(),
        }),
    }
}

/// A text that was made of others.
fn made(text: String, of: &[&Text]) -> Text {
    Text {
        text: Zeroizing::new(text),
        visibility: of
            .iter()
            .fold(Visibility::Plain, |all, text| all.and(text.visibility)),
    }
}

fn change_first(text: &str, change: fn(char) -> String) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => change(first) + characters.as_str(),
        None => String::new(),
    }
}

/// Some bytes of a text. Below zero, the offset and the length count from the end; what is no number leaves the text
/// as it is, and what is beyond its end is empty. Nothing where a character would be cut.
fn substring<'text>(text: &'text str, offset: &str, length: Option<&str>) -> Option<&'text str> {
    let size = i64::try_from(text.len()).ok()?;
    let Ok(offset) = offset.parse::<i64>() else {
        return Some(text);
    };
    let start = if offset < 0 {
        size.saturating_add(offset).max(0)
    } else {
        offset
    };
    let end = match length.map(str::parse::<i64>) {
        None => size,
        Some(Err(_)) => return Some(text),
        Some(Ok(length)) if length < 0 => size.saturating_add(length),
        Some(Ok(length)) => start.saturating_add(length).min(size),
    };
    if start >= size || end < start {
        return Some("");
    }
    text.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

#[derive(Clone, Copy)]
enum Match {
    Shortest,
    Longest,
}

/// The text without the beginning that a pattern matches; a pattern that is none matches nothing.
fn trim(text: &str, pattern: &str, wanted: Match) -> String {
    let Some(glob) = Glob::parse(pattern) else {
        return text.to_owned();
    };
    let mut ends = text
        .char_indices()
        .map(|(start, character)| start + character.len_utf8());
    let matches = |end: &usize| text.get(..*end).is_some_and(|prefix| glob.matches(prefix));
    let end = match wanted {
        Match::Shortest => ends.find(matches),
        Match::Longest => ends.rfind(matches),
    };
    end.and_then(|end| text.get(end..)).unwrap_or(text).to_owned()
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}
