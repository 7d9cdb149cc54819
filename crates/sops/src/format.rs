//! The file formats that hold sealed values.

use manifest_yaml::syntax::{Stream, parse_json, parse_yaml};
use manifest_yaml::{Limits, ParseError};

/// How a sealed file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML, several documents included.
    Yaml,
    /// JSON: one object.
    Json,
}

impl Format {
    /// The format of a file by its name (`FormatForPath` in cmd/sops/formats); `None` where sops would take the file
    /// as dotenv, ini or binary.
    pub fn of_path(path: &str) -> Option<Self> {
        let (_, extension) = path.rsplit_once('.')?;
        match extension {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    pub(crate) fn parse(self, text: &str, limits: &Limits) -> Result<Stream, ParseError> {
        match self {
            Self::Yaml => parse_yaml(text, limits),
            Self::Json => parse_json(text, limits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_known_by_the_extension() {
        for (path, expected) in [
            ("a/b.yaml", Some(Format::Yaml)),
            ("b.enc.yml", Some(Format::Yaml)),
            ("b.json", Some(Format::Json)),
            ("b.YAML", None),
            ("b.env", None),
            ("yaml", None),
        ] {
            assert_eq!(Format::of_path(path), expected, "{path}");
        }
    }
}
