//! Label selectors as text: `app=web,tier in (front, back),!legacy`.

use manifest_yaml::{Mapping, Value};

/// The longest name of a key, and the longest value, in characters (apimachinery's validation.go).
const MAX_LABEL: usize = 63;

/// The longest prefix of a key, in characters: that of a DNS name.
const MAX_PREFIX: usize = 253;

/// What has to hold of the labels or annotations of an object; all of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Requirements(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, PartialEq, Eq)]
enum Operator {
    Exists,
    DoesNotExist,
    In(Vec<String>),
    /// Also where there is no such key.
    NotIn(Vec<String>),
    GreaterThan(i64),
    LessThan(i64),
}

impl Requirements {
    /// Reads a selector (`Parse` of apimachinery's labels/selector.go). An empty one selects everything.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            tokens: tokens(text),
            next: 0,
        };
        let mut requirements = Vec::new();
        if parser.peek() == Token::End {
            return Ok(Self(requirements));
        }
        loop {
            requirements.push(parser.requirement()?);
            match parser.take() {
                Token::End => return Ok(Self(requirements)),
                Token::Symbol(",") => {}
                token => return Err(format!("has {token} where a comma or the end is expected")),
            }
        }
    }

    /// Whether labels or annotations are as they have to be. A sensitive value is like none that can be named.
    pub(crate) fn select(&self, labels: Option<&Mapping>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key));
            requirement.operator.holds(value)
        })
    }
}

impl Operator {
    fn holds(&self, value: Option<&Value>) -> bool {
        let text = value.and_then(Value::as_str);
        let number = || text.and_then(|text| text.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
            Self::In(values) => text.is_some_and(|text| values.iter().any(|value| value == text)),
            Self::NotIn(values) => !text.is_some_and(|text| values.iter().any(|value| value == text)),
            Self::GreaterThan(limit) => number().is_some_and(|number| number > *limit),
            Self::LessThan(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'text> {
    Symbol(&'text str),
    Word(&'text str),
    End,
}

impl std::fmt::Display for Token<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Symbol(text) | Self::Word(text) => write!(formatter, "{text:?}"),
            Self::End => formatter.write_str("its end"),
        }
    }
}

const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", ",", "(", ")", ">", "<"];

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let symbol = SYMBOLS
            .iter()
            .find_map(|symbol| Some((*symbol, rest.strip_prefix(symbol)?)));
        let (token, behind) = if let Some((symbol, behind)) = symbol {
            (Token::Symbol(symbol), behind)
        } else {
            let ends = |character: char| is_space(character) || "=!,()><".contains(character);
            let (word, behind) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
            (Token::Word(word), behind)
        };
        rest = behind.trim_start_matches(is_space);
        tokens.push(token);
    }
    tokens
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

struct Parser<'text> {
    tokens: Vec<Token<'text>>,
    next: usize,
}

impl<'text> Parser<'text> {
    fn peek(&self) -> Token<'text> {
        self.tokens.get(self.next).copied().unwrap_or(Token::End)
    }

    fn take(&mut self) -> Token<'text> {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        if self.peek() == Token::Symbol("!") {
            self.take();
            let key = self.key()?;
            return Ok(Requirement {
                key,
                operator: Operator::DoesNotExist,
            });
        }
        let key = self.key()?;
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            let operator = Operator::Exists;
            return Ok(Requirement { key, operator });
        }
        let operator = match self.take() {
            Token::Symbol("=" | "==") => Operator::In(vec![self.value()?]),
            Token::Symbol("!=") => Operator::NotIn(vec![self.value()?]),
            Token::Word("in") => Operator::In(self.values()?),
            Token::Word("notin") => Operator::NotIn(self.values()?),
            Token::Symbol(">") => Operator::GreaterThan(self.number()?),
            Token::Symbol("<") => Operator::LessThan(self.number()?),
            token => return Err(format!("has {token} where an operator is expected")),
        };
        Ok(Requirement { key, operator })
    }

    fn key(&mut self) -> Result<String, String> {
        match self.take() {
            Token::Word(word) if is_key(word) => Ok(word.to_owned()),
            token => Err(format!("has {token} where a key is expected")),
        }
    }

    /// One value; nothing is the empty one.
    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(String::new()),
            Token::Word(word) if is_value(word) => {
                self.take();
                Ok(word.to_owned())
            }
            token => Err(format!("has {token} where a value is expected")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.take() {
            Token::Symbol("(") => {}
            token => return Err(format!("has {token} where an opening parenthesis is expected")),
        }
        let mut values = Vec::new();
        loop {
            match self.peek() {
                Token::Symbol("," | ")") => values.push(String::new()),
                Token::Word(word) if is_value(word) => {
                    self.take();
                    values.push(word.to_owned());
                }
                token => return Err(format!("has {token} where a value is expected")),
            }
            match self.take() {
                Token::Symbol(",") => {}
                Token::Symbol(")") => return Ok(values),
                token => return Err(format!("has {token} where a comma or a parenthesis is expected")),
            }
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        match self.take() {
            Token::Word(word) => word
                .parse()
                .map_err(|_| format!("has {word:?} where a number is expected")),
            token => Err(format!("has {token} where a number is expected")),
        }
    }
}

/// A name with an optional DNS prefix (`IsQualifiedName`).
fn is_key(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let is_dns = |prefix: &str| {
        prefix.len() <= MAX_PREFIX
            && prefix.split('.').all(|label| {
                is_framed(label)
                    && label
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            })
    };
    prefix.is_none_or(is_dns) && !name.is_empty() && is_value(name)
}

/// A value of a label (`IsValidLabelValue`).
fn is_value(text: &str) -> bool {
    text.is_empty()
        || text.len() <= MAX_LABEL
            && is_framed(text)
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Whether it begins and ends with a letter or digit.
fn is_framed(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Mapping {
        [("app", "web"), ("tier", "front"), ("weight", "5")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect()
    }

    #[test]
    fn select_as_documented() {
        for (selector, expected) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("! other", true),
            ("app=web", true),
            ("app = web", true),
            ("app==api", false),
            ("app!=api", true),
            ("other!=api", true),
            ("app in (api, web)", true),
            ("app notin (api, web)", false),
            ("other notin (a)", true),
            ("app=web,tier=back", false),
            ("app=web, tier in (front)", true),
            ("weight>4", true),
            ("weight<5", false),
            ("other=", false),
        ] {
            let requirements = Requirements::parse(selector).unwrap();
            assert_eq!(requirements.select(Some(&labels())), expected, "{selector}");
        }
        assert!(!Requirements::parse("app").unwrap().select(None));
    }

    #[test]
    fn refuse_what_is_none() {
        for selector in [
            ",",
            "app=",
            "=web",
            "app in web",
            "app in (web",
            "app>x",
            "a b",
            "app=web,",
            "-a",
            "a/b/c",
            "app=-web",
        ] {
            let accepted = matches!(selector, "app=");
            assert_eq!(Requirements::parse(selector).is_ok(), accepted, "{selector}");
        }
    }
}
