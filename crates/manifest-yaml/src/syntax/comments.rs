//! Comments whose collection is not known yet.

use super::Comment;

/// Comments on lines of their own, waiting for what comes next: a comment belongs to the collection whose entries
/// start at its column, and what that is, is often decided only by the next entry.
#[derive(Default)]
pub(super) struct PendingComments(Vec<Comment>);

impl PendingComments {
    pub(super) fn push(&mut self, comment: Comment) {
        self.0.push(comment);
    }

    pub(super) fn take_all(&mut self) -> Vec<Comment> {
        std::mem::take(&mut self.0)
    }

    /// Those that start left of a column.
    pub(super) fn take_left_of(&mut self, column: u32) -> Vec<Comment> {
        self.0
            .extract_if(.., |comment| comment.position.column < column)
            .collect()
    }

    /// Those that start at a column or to the right of it.
    pub(super) fn take_from(&mut self, column: u32) -> Vec<Comment> {
        self.0
            .extract_if(.., |comment| comment.position.column >= column)
            .collect()
    }
}
