//! The two forms of a message: plain text, and HTML.

use crate::notify::rich::Span;

/// One of the two forms of a message.
pub(super) trait Form {
    /// What a character costs in bytes, once it is escaped here and in JSON.
    fn cost(character: char) -> usize;
    /// A text, escaped.
    fn escaped(text: &str) -> String;
    /// A piece of text with its markup, around the escaped text, and what the markup costs.
    fn around(span: &Span) -> (String, String);
    /// Strong text.
    fn strong(escaped: &str) -> String;
    /// Lines that belong together.
    fn paragraph(lines: &[String]) -> String;
    /// A list.
    fn list(items: &[String]) -> String;
}

pub(super) struct Plain;
pub(super) struct Html;

impl Form for Plain {
    fn cost(character: char) -> usize {
        match character {
            '"' | '\\' | '\n' => 2,
            other => other.len_utf8(),
        }
    }

    fn escaped(text: &str) -> String {
        text.to_owned()
    }

    fn around(span: &Span) -> (String, String) {
        match span {
            Span::Text(_) => (String::new(), String::new()),
            Span::Code(_) => ("`".to_owned(), "`".to_owned()),
            Span::Link(_, link) => (String::new(), format!(" ({})", link.as_str())),
        }
    }

    fn strong(escaped: &str) -> String {
        escaped.to_owned()
    }

    fn paragraph(lines: &[String]) -> String {
        lines.join("\n") + "\n\n"
    }

    fn list(items: &[String]) -> String {
        format!("• {}\n\n", items.join("\n• "))
    }
}

impl Form for Html {
    fn cost(character: char) -> usize {
        match character {
            '"' => "&quot;".len(),
            '\'' => "&#39;".len(),
            '&' => "&amp;".len(),
            '<' | '>' => "&lt;".len(),
            '\n' => "<br/>".len(),
            '\\' => 2,
            other => other.len_utf8(),
        }
    }

    fn escaped(text: &str) -> String {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;")
            .replace('\n', "<br/>")
    }

    fn around(span: &Span) -> (String, String) {
        match span {
            Span::Text(_) => (String::new(), String::new()),
            Span::Code(_) => ("<code>".to_owned(), "</code>".to_owned()),
            Span::Link(_, link) => (
                format!("<a href=\"{}\">", Self::escaped(link.as_str())),
                "</a>".to_owned(),
            ),
        }
    }

    fn strong(escaped: &str) -> String {
        format!("<strong>{escaped}</strong>")
    }

    fn paragraph(lines: &[String]) -> String {
        format!("<p>{}</p>", lines.join("<br/>"))
    }

    fn list(items: &[String]) -> String {
        format!("<ul><li>{}</li></ul>", items.join("</li><li>"))
    }
}
