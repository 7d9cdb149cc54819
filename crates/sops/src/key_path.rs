//! Where in a document a value is.

use std::fmt;

/// The way from the root of a document to a value. It holds keys, never values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPath(Vec<PathStep>);

/// One step of a [`KeyPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathStep {
    /// Into a map.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

impl KeyPath {
    /// The steps from the root.
    pub fn steps(&self) -> &[PathStep] {
        &self.0
    }
}

impl FromIterator<PathStep> for KeyPath {
    fn from_iter<I: IntoIterator<Item = PathStep>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

/// `spec.items[3]["tls.crt"]`; the root itself is `.`.
impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str(".");
        }
        for (index, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Index(item) => write!(formatter, "[{item}]")?,
                PathStep::Key(key) if !is_simple(key) => write!(formatter, "[{key:?}]")?,
                PathStep::Key(key) if index == 0 => formatter.write_str(key)?,
                PathStep::Key(key) => write!(formatter, ".{key}")?,
            }
        }
        Ok(())
    }
}

fn is_simple(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_path() {
        let key = |key: &str| PathStep::Key(key.to_owned());
        let table = [
            (vec![], "."),
            (vec![key("data"), key("password")], "data.password"),
            (vec![key("data"), key("tls.crt")], "data[\"tls.crt\"]"),
            (vec![key("a\n\"b")], "[\"a\\n\\\"b\"]"),
            (vec![key("items"), PathStep::Index(3), key("x")], "items[3].x"),
        ];
        for (steps, expected) in table {
            assert_eq!(KeyPath::from_iter(steps).to_string(), expected);
        }
    }
}
