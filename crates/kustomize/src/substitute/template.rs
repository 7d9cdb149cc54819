//! Reading texts with variables in them.

/// A text, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template(pub(super) Vec<Piece>);

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// It stays as it is.
    Text(String),
    /// A variable, and what is done to its value.
    Variable {
        name: String,
        function: Function<Template>,
    },
}

/// What is done to the value of a variable. Patterns are those of shells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Function<Argument> {
    /// `${v}`: nothing.
    Value,
    /// `${#v}`: its length in bytes.
    Length,
    /// `${v,}`
    LowerFirst,
    /// `${v,,}`
    Lower,
    /// `${v^}`
    UpperFirst,
    /// `${v^^}`
    Upper,
    /// `${v-d}`, `${v:-d}`, `${v=d}`, `${v:=d}`: another text if it is empty or missing.
    Default(Argument),
    /// `${v:n}`, `${v:n:len}`
    Substring(Argument, Option<Argument>),
    /// `${v#p}`
    TrimShortestPrefix(Argument),
    /// `${v##p}`
    TrimLongestPrefix(Argument),
    /// `${v%p}`
    TrimShortestSuffix(Argument),
    /// `${v%%p}`
    TrimLongestSuffix(Argument),
    /// `${v/p/r}`: the text `p`, which is no pattern, by `r`.
    ReplaceFirst(Argument, Argument),
    /// `${v//p/r}`
    ReplaceAll(Argument, Argument),
    /// `${v/#p/r}`
    ReplacePrefix(Argument, Argument),
    /// `${v/%p/r}`
    ReplaceSuffix(Argument, Argument),
}

/// How deep functions may stand in the arguments of others.
const MAX_DEPTH: usize = 32;

impl Template {
    /// Whether a text has something to substitute: a variable, or an escaped dollar.
    pub(super) fn is_in(text: &str) -> bool {
        text.contains("${") || text.contains("$$")
    }

    /// Takes a text apart (the grammar of fluxcd/pkg/envsubst). `$$` is a dollar, and `$v` without braces a text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text, depth: 0 };
        let mut pieces = Vec::new();
        while !reader.rest.is_empty() {
            pieces.push(if reader.take("${") {
                reader.variable()?
            } else {
                Piece::Text(reader.text())
            });
        }
        Ok(Self(pieces))
    }
}

/// What backslashes and dollars mean in an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    /// `\/`, `\\` and `$$`.
    All,
}

struct Reader<'text> {
    rest: &'text str,
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = self.rest.get(character.len_utf8()..).unwrap_or_default();
        Some(character)
    }

    /// What is outside of variables, up to the next of them.
    fn text(&mut self) -> String {
        let mut text = String::new();
        while !self.rest.starts_with("${") {
            if self.take("$$") {
                text.push('$');
                continue;
            }
            match self.next() {
                Some(character) => text.push(character),
                None => break,
            }
        }
        text
    }

    fn name(&mut self) -> Result<String, String> {
        let ends = |character: char| !(character.is_alphanumeric() || character == '_');
        let (name, rest) = self
            .rest
            .split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        if name.is_empty() {
            return Err("${ is followed by no name; write $${ for the characters themselves".to_owned());
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    /// A variable, behind its `${`.
    fn variable(&mut self) -> Result<Piece, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} variables stand in one another"));
        }
        let is_length = self.take("#");
        let name = self.name()?;
        let function = if is_length {
            Function::Length
        } else {
            self.function(&name)?
        };
        self.close(&name)?;
        self.depth -= 1;
        Ok(Piece::Variable { name, function })
    }

    fn close(&mut self, name: &str) -> Result<(), String> {
        if self.take("}") {
            return Ok(());
        }
        Err(format!(
            "${{{name} is not closed, or followed by something that is no function"
        ))
    }

    fn function(&mut self, name: &str) -> Result<Function<Template>, String> {
        for refused in [":+", "+", ":?", "?"] {
            if self.rest.starts_with(refused) {
                return Err(format!("${{{name}{refused}…}} is not supported, as in Flux"));
            }
        }
        if [":-", ":=", "-", "="].iter().any(|token| self.take(token)) {
            return self.argument("}", Escapes::None).map(Function::Default);
        }
        for (token, make) in TRIMS {
            if self.take(token) {
                return self.argument("}", Escapes::None).map(make);
            }
        }
        for (token, make) in REPLACEMENTS {
            if self.take(token) {
                let pattern = self.argument("/", Escapes::All)?;
                if !self.take("/") {
                    return Err(format!(
                        "${{{name}{token}… has no replacement: a second / is missing"
                    ));
                }
                let replacement = self.argument("}", Escapes::All)?;
                if replacement.0.is_empty() && matches!(token, "/#" | "/%") {
                    return Err(format!(
                        "${{{name}{token}… has an empty replacement, which has no effect in Flux; use # or % in place of {token}"
                    ));
                }
                return Ok(make(pattern, replacement));
            }
        }
        if self.take(":") {
            let offset = self.argument(":}", Escapes::None)?;
            if offset.0.is_empty() {
                return Err(format!("${{{name}: has no offset"));
            }
            let length = if self.take(":") {
                Some(self.argument("}", Escapes::None)?)
            } else {
                None
            };
            return Ok(Function::Substring(offset, length));
        }
        for (token, function) in [
            (",,", Function::Lower),
            (",", Function::LowerFirst),
            ("^^", Function::Upper),
            ("^", Function::UpperFirst),
        ] {
            if self.take(token) {
                return Ok(function);
            }
        }
        Ok(Function::Value)
    }

    /// An argument, up to one of some characters, which stays. It can hold variables.
    fn argument(&mut self, ends: &str, escapes: Escapes) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        loop {
            if escapes == Escapes::All
                && let Some((escaped, rest)) = escaped(self.rest)
            {
                text.push(escaped);
                self.rest = rest;
                continue;
            }
            if self.rest.starts_with(|character| ends.contains(character)) || self.rest.is_empty() {
                break;
            }
            if self.take("${") {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(self.variable()?);
                continue;
            }
            text.extend(self.next());
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Template(pieces))
    }
}

/// A character with a backslash or a dollar before it, and what follows.
fn escaped(text: &str) -> Option<(char, &str)> {
    [("\\/", '/'), ("\\\\", '\\'), ("$$", '$')]
        .into_iter()
        .find_map(|(token, character)| Some((character, text.strip_prefix(token)?)))
}

type Trim = fn(Template) -> Function<Template>;
type Replace = fn(Template, Template) -> Function<Template>;

/// Longer tokens come first.
const TRIMS: [(&str, Trim); 4] = [
    ("##", Function::TrimLongestPrefix),
    ("#", Function::TrimShortestPrefix),
    ("%%", Function::TrimLongestSuffix),
    ("%", Function::TrimShortestSuffix),
];
const REPLACEMENTS: [(&str, Replace); 4] = [
    ("//", Function::ReplaceAll),
    ("/#", Function::ReplacePrefix),
    ("/%", Function::ReplaceSuffix),
    ("/", Function::ReplaceFirst),
];
