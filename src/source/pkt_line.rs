//! The lines of Git's wire protocol (gitprotocol-common(5), "pkt-line Format"; gitprotocol-v2(5), "Packet-Line
//! Framing"): four hexadecimal digits that count themselves, and the payload.

use super::error::FetchError;

/// The longest line, its length included (gitprotocol-common(5)).
pub(super) const MAX_LINE: usize = 65520;
const LENGTH_DIGITS: usize = 4;

/// Bytes from the remote.
pub(super) trait Incoming {
    /// Reads some bytes into `buffer`; 0 at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Data(Vec<u8>),
    /// `0000`: the end of a message.
    Flush,
    /// `0001`: the end of a section.
    Delimiter,
    /// `0002`: the end of a response.
    ResponseEnd,
}

/// Reads lines.
pub(super) struct Lines<I> {
    incoming: I,
}

impl<I: Incoming> Lines<I> {
    pub(super) fn new(incoming: I) -> Self {
        Self { incoming }
    }

    /// The next line; an error at the end, which only `Flush` announces properly.
    pub(super) fn next(&mut self) -> Result<Line, FetchError> {
        let mut digits = [0; LENGTH_DIGITS];
        self.fill(&mut digits)?;
        let length = std::str::from_utf8(&digits)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
            .ok_or(FetchError::Protocol("a line has no length"))?;
        match length {
            0 => Ok(Line::Flush),
            1 => Ok(Line::Delimiter),
            2 => Ok(Line::ResponseEnd),
            // A line may be empty, but not shorter than its own length.
            LENGTH_DIGITS..=MAX_LINE => {
                let mut data = vec![0; length - LENGTH_DIGITS];
                self.fill(&mut data)?;
                Ok(Line::Data(data))
            }
            _ => Err(FetchError::Protocol("a line has an impossible length")),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FetchError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.incoming.read(rest)? {
                0 => return Err(FetchError::Protocol("the answer ends in the middle")),
                count => filled += count,
            }
        }
        Ok(())
    }
}

/// Puts lines together for sending.
#[derive(Default)]
pub(super) struct Request(Vec<u8>);

impl Request {
    pub(super) fn line(mut self, text: &str) -> Self {
        let length = text.len() + LENGTH_DIGITS + 1;
        self.0
            .extend_from_slice(format!("{length:04x}{text}\n").as_bytes());
        self
    }

    pub(super) fn lines(self, texts: impl IntoIterator<Item = String>) -> Self {
        texts.into_iter().fold(self, |request, text| request.line(&text))
    }

    pub(super) fn flush(mut self) -> Self {
        self.0.extend_from_slice(b"0000");
        self
    }

    pub(super) fn delimiter(mut self) -> Self {
        self.0.extend_from_slice(b"0001");
        self
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
impl Incoming for &[u8] {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
        Ok(std::io::Read::read(self, buffer).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_written_and_read_as_git_does() {
        let bytes = Request::default()
            .line("command=ls-refs")
            .delimiter()
            .line("peel")
            .flush()
            .into_bytes();
        assert_eq!(bytes, b"0014command=ls-refs\n00010009peel\n0000");
        let mut lines = Lines::new(&bytes[..]);
        assert_eq!(lines.next().unwrap(), Line::Data(b"command=ls-refs\n".to_vec()));
        assert_eq!(lines.next().unwrap(), Line::Delimiter);
        assert_eq!(lines.next().unwrap(), Line::Data(b"peel\n".to_vec()));
        assert_eq!(lines.next().unwrap(), Line::Flush);
        assert!(lines.next().is_err());
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for bytes in [
            "", "00", "0003", "fff1", "ffff", "+010abc", "zzzz", "<htm", "0008abc",
        ] {
            assert!(Lines::new(bytes.as_bytes()).next().is_err(), "{bytes}");
        }
        assert_eq!(Lines::new(&b"0004"[..]).next().unwrap(), Line::Data(Vec::new()));
        let longest = [b"fff0".to_vec(), vec![7; MAX_LINE - LENGTH_DIGITS]].concat();
        assert!(Lines::new(&longest[..]).next().is_ok());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut lines = Lines::new(&bytes[..]);
            while lines.next().is_ok() {}
        }
    }
}
