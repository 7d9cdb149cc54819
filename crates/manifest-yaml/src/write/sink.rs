//! Where the writers write.

use std::fmt::{self, Display, Write as _};

use zeroize::Zeroizing;

const FIRST_CAPACITY: usize = 1024;

/// A text that leaves no copies behind when it grows.
#[derive(Default)]
pub(super) struct Sink(Zeroizing<String>);

impl Sink {
    pub(super) fn push(&mut self, text: &str) {
        let needed = self.0.len().saturating_add(text.len());
        if needed > self.0.capacity() {
            // `String` would reallocate and leave the old bytes to the allocator.
            let capacity = needed
                .max(self.0.capacity().saturating_mul(2))
                .max(FIRST_CAPACITY);
            let mut larger = Zeroizing::new(String::with_capacity(capacity));
            larger.push_str(&self.0);
            self.0 = larger;
        }
        self.0.push_str(text);
    }

    pub(super) fn push_display(&mut self, value: impl Display) {
        // `Sink` never fails to write.
        let _ = write!(self, "{value}");
    }

    pub(super) fn into_string(mut self) -> String {
        std::mem::take(&mut *self.0)
    }
}

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}
