//! Text with the little markup that messages need, before it becomes mrkdwn or HTML.

use super::forge::Link;

/// A piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Span {
    /// As it is.
    Text(String),
    /// A name or a command.
    Code(String),
    /// Something that leads somewhere.
    Link(String, Link),
}

/// Pieces, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rich(Vec<Span>);

impl Rich {
    /// Begins with a text.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self::default().text(text)
    }

    /// Goes on with a text.
    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Text(text.into()));
        self
    }

    /// Goes on with a name or a command.
    pub(super) fn code(mut self, code: impl Into<String>) -> Self {
        self.0.push(Span::Code(code.into()));
        self
    }

    /// Goes on with a text that leads somewhere, if it does.
    pub(super) fn link(mut self, text: impl Into<String>, link: Option<&Link>) -> Self {
        let text = text.into();
        self.0.push(match link {
            Some(link) => Span::Link(text, link.clone()),
            None => Span::Code(text),
        });
        self
    }

    /// The pieces.
    pub(super) fn spans(&self) -> &[Span] {
        &self.0
    }
}
