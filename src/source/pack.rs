//! The format of a pack (gitformat-pack(5)), read as it arrives, so that what it stands for is bounded before any
//! of it is unpacked.
//!
//! A pack can stand for far more than its own bytes: zlib makes a thousand bytes of one, and a delta of ten bytes
//! can claim a result of any size. So each object is inflated here once, piece by piece and into nowhere, and is
//! held against the sizes that it declares. Of a delta, the sizes of its base and its result are the first that
//! its data says; nothing has to be put together to know them.
//!
//! A base that is named by its id, not by its place in the pack, is only known once objects are put together. Of
//! such a delta the result is bounded here, and the time that goes into its base by the clock of the fetch.

use std::ops::ControlFlow;

use flate2::{Decompress, FlushDecompress, Status};

use super::error::FetchError;

/// The most bytes of a pack.
pub const MAX_PACK_BYTES: u64 = 1 << 30;
/// The most objects in a pack.
pub const MAX_PACK_OBJECTS: u64 = 2_000_000;
/// The most bytes of one object, unpacked; to apply a delta takes three times that in memory. Forges refuse files
/// of more than 100 MiB.
pub const MAX_UNPACKED_OBJECT: u64 = 128 << 20;
/// The most bytes of all objects of a pack together, unpacked, and of their deltas. They are hashed and not kept,
/// so this bounds time: a minute or two.
pub const MAX_UNPACKED_PACK: u64 = 32 << 30;
/// The most deltas upon each other. Git makes 50 (`pack.depth`), and once made 250 in `git gc --aggressive`.
pub const MAX_DELTA_DEPTH: u16 = 250;

/// "PACK", a version and the number of objects.
const HEADER: usize = 12;
/// The SHA-1 of all that comes before it.
const TRAILER: usize = 20;
/// The id of an object.
const ID: usize = 20;
/// How much is inflated at once.
const SCRATCH: usize = 32 * 1024;
/// Two numbers of 64 bits at the beginning of a delta, seven bits in a byte.
const MAX_DELTA_HEAD: usize = 20;

/// Reads a pack and keeps nothing of it but sizes.
pub(super) struct PackReader {
    /// How many bytes were read.
    at: u64,
    expected: Expected,
    objects: Option<u32>,
    /// What was read, in the order of the pack, which is that of the places.
    read: Vec<Unpacked>,
    /// The bytes of all that was read, unpacked.
    unpacked: u64,
    inflater: Decompress,
    scratch: Vec<u8>,
}

/// What the next byte belongs to.
enum Expected {
    Header(Vec<u8>),
    /// The kind and size of an object.
    Kind(KindAndSize),
    /// How far before a delta its base is; nothing before the first byte.
    Distance {
        delta: Entry,
        read: Option<u64>,
    },
    /// The id of a delta's base, of which so many bytes are missing.
    BaseId {
        delta: Entry,
        missing: usize,
    },
    /// Deflated data.
    Data(Entry),
    /// So many bytes of the trailer.
    Trailer(usize),
    Nothing,
}

/// The beginning of an object: three bits of kind, and a size with its lowest bits first.
#[derive(Default)]
struct KindAndSize {
    start: u64,
    kind: u8,
    size: u64,
    /// How many bits of the size were read; none before the first byte.
    bits: u32,
}

/// An object that is being read.
struct Entry {
    start: u64,
    size: u64,
    form: Form,
    inflated: u64,
}

/// How an object is written.
enum Form {
    Whole,
    /// As what changes of a base, which is known if it is named by its place. With the beginning of its data.
    Delta {
        base: Option<Unpacked>,
        head: Vec<u8>,
    },
}

/// What an object is when it is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unpacked {
    start: u32,
    size: u32,
    /// How many deltas are upon each other, as far as their bases are known.
    depth: u16,
}

impl PackReader {
    pub(super) fn new() -> Self {
        Self {
            at: 0,
            expected: Expected::Header(Vec::with_capacity(HEADER)),
            objects: None,
            read: Vec::new(),
            unpacked: 0,
            inflater: Decompress::new(true),
            scratch: vec![0; SCRATCH],
        }
    }

    /// How many objects the header announces, once it was read.
    pub(super) fn objects(&self) -> Option<u32> {
        self.objects
    }

    /// Reads a piece; the pieces of a pack may be cut anywhere.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<(), FetchError> {
        if self.at.saturating_add(piece.len() as u64) > MAX_PACK_BYTES {
            return Err(too_large("bytes", MAX_PACK_BYTES));
        }
        let mut rest = piece;
        while let Some((&byte, behind)) = rest.split_first() {
            let expected = std::mem::replace(&mut self.expected, Expected::Nothing);
            if let Expected::Data(entry) = expected {
                rest = self.inflate(entry, rest)?;
            } else {
                self.at += 1;
                self.expected = self.step(expected, byte)?;
                rest = behind;
            }
        }
        Ok(())
    }

    /// Says whether the pack was whole.
    pub(super) fn finish(&self) -> Result<(), FetchError> {
        match self.expected {
            Expected::Nothing => Ok(()),
            _ => Err(bad_pack("it ends in the middle")),
        }
    }

    /// Takes one byte of what is not deflated.
    fn step(&mut self, expected: Expected, byte: u8) -> Result<Expected, FetchError> {
        Ok(match expected {
            Expected::Header(mut header) => {
                header.push(byte);
                if header.len() < HEADER {
                    return Ok(Expected::Header(header));
                }
                self.objects = Some(announced_objects(&header)?);
                self.next()
            }
            Expected::Kind(kind) => match kind.step(byte)? {
                ControlFlow::Break(whole) => self.begin(&whole)?,
                ControlFlow::Continue(unfinished) => Expected::Kind(unfinished),
            },
            Expected::Distance { delta, read } => {
                let bits = u64::from(byte & 0x7f);
                // Each byte after the first stands for one more than its bits ("offset encoding").
                let distance = match read {
                    None => Some(bits),
                    Some(read) => read
                        .checked_add(1)
                        .and_then(|read| read.checked_mul(1 << 7))
                        .map(|read| read | bits),
                };
                let distance = distance.ok_or_else(|| delta.bad("has no base"))?;
                if byte & 0x80 != 0 {
                    let read = Some(distance);
                    return Ok(Expected::Distance { delta, read });
                }
                let base = self.before(&delta, distance)?;
                Expected::Data(Entry {
                    form: Form::delta(Some(base)),
                    ..delta
                })
            }
            Expected::BaseId { delta, missing } => match missing.saturating_sub(1) {
                0 => Expected::Data(delta),
                missing => Expected::BaseId { delta, missing },
            },
            Expected::Trailer(missing) => match missing.saturating_sub(1) {
                0 => Expected::Nothing,
                missing => Expected::Trailer(missing),
            },
            Expected::Data(_) | Expected::Nothing => {
                return Err(bad_pack("there is something behind its end"));
            }
        })
    }

    /// What comes when the header or an object is at its end.
    fn next(&self) -> Expected {
        if self
            .objects
            .is_some_and(|objects| self.read.len() < objects as usize)
        {
            Expected::Kind(KindAndSize {
                start: self.at,
                ..KindAndSize::default()
            })
        } else {
            Expected::Trailer(TRAILER)
        }
    }

    /// What comes behind the kind and size of an object (gitformat-pack(5), "Object types").
    fn begin(&mut self, head: &KindAndSize) -> Result<Expected, FetchError> {
        if head.size > MAX_UNPACKED_OBJECT {
            return Err(too_large("bytes in one object", MAX_UNPACKED_OBJECT));
        }
        self.inflater.reset(true);
        let entry = |form| Entry {
            start: head.start,
            size: head.size,
            form,
            inflated: 0,
        };
        match head.kind {
            1..=4 => Ok(Expected::Data(entry(Form::Whole))),
            6 => Ok(Expected::Distance {
                delta: entry(Form::delta(None)),
                read: None,
            }),
            7 => Ok(Expected::BaseId {
                delta: entry(Form::delta(None)),
                missing: ID,
            }),
            _ => Err(entry(Form::Whole).bad("is of no kind that Git has")),
        }
    }

    /// The object that begins so many bytes before another one.
    fn before(&self, delta: &Entry, distance: u64) -> Result<Unpacked, FetchError> {
        let start = delta
            .start
            .checked_sub(distance)
            .and_then(|start| u32::try_from(start).ok());
        let found = start.and_then(|start| {
            let index = self
                .read
                .binary_search_by_key(&start, |object| object.start)
                .ok()?;
            self.read.get(index)
        });
        found.copied().ok_or_else(|| delta.bad("has no base"))
    }

    /// Inflates what belongs to an object; what comes behind it is left.
    fn inflate<'piece>(&mut self, mut entry: Entry, piece: &'piece [u8]) -> Result<&'piece [u8], FetchError> {
        let mut rest = piece;
        loop {
            let (read, made) = (self.inflater.total_in(), self.inflater.total_out());
            let status = self
                .inflater
                .decompress(rest, &mut self.scratch, FlushDecompress::None)
                .map_err(|_| entry.bad("cannot be inflated"))?;
            let read = usize::try_from(self.inflater.total_in() - read).unwrap_or(usize::MAX);
            let made = self.inflater.total_out() - made;
            rest = rest.get(read..).unwrap_or_default();
            self.at += read as u64;
            entry.inflated += made;
            if entry.inflated > entry.size {
                return Err(entry.bad("inflates to more than it says"));
            }
            entry.keep_head(
                self.scratch
                    .iter()
                    .take(usize::try_from(made).unwrap_or(usize::MAX)),
            );
            if status == Status::StreamEnd {
                let object = entry.unpacked()?;
                self.unpacked = self.unpacked.saturating_add(entry.cost(object));
                if self.unpacked > MAX_UNPACKED_PACK {
                    return Err(too_large("bytes in all objects of a pack", MAX_UNPACKED_PACK));
                }
                self.read.push(object);
                self.expected = self.next();
                return Ok(rest);
            }
            if read == 0 && made == 0 {
                if !rest.is_empty() {
                    return Err(entry.bad("cannot be inflated"));
                }
                self.expected = Expected::Data(entry);
                return Ok(rest);
            }
        }
    }
}

impl KindAndSize {
    /// Takes a byte; the last one breaks.
    fn step(self, byte: u8) -> Result<ControlFlow<Self, Self>, FetchError> {
        let (kind, more, width) = match self.bits {
            0 => ((byte >> 4) & 0x7, u64::from(byte & 0x0f), 4),
            _ => (self.kind, u64::from(byte & 0x7f), 7),
        };
        let bits = self.bits + width;
        if bits > u64::BITS {
            return Err(bad_pack("the size of an object has too many digits"));
        }
        let next = Self {
            start: self.start,
            kind,
            size: self.size | (more << self.bits),
            bits,
        };
        Ok(if byte & 0x80 == 0 {
            ControlFlow::Break(next)
        } else {
            ControlFlow::Continue(next)
        })
    }
}

impl Form {
    fn delta(base: Option<Unpacked>) -> Self {
        Self::Delta {
            base,
            head: Vec::new(),
        }
    }
}

impl Entry {
    /// Keeps the beginning of a delta's data, which says the sizes.
    fn keep_head<'bytes>(&mut self, bytes: impl Iterator<Item = &'bytes u8>) {
        if let Form::Delta { head, .. } = &mut self.form {
            head.extend(bytes.take(MAX_DELTA_HEAD - head.len()));
        }
    }

    /// What the object is when it is unpacked, once all of it was inflated.
    fn unpacked(&self) -> Result<Unpacked, FetchError> {
        if self.inflated != self.size {
            return Err(self.bad("inflates to less than it says"));
        }
        let (size, depth) = match &self.form {
            Form::Whole => (self.size, 0),
            Form::Delta { base, head } => {
                let (base_size, size) =
                    delta_sizes(head).ok_or_else(|| self.bad("is a delta without sizes"))?;
                if base.is_some_and(|base| u64::from(base.size) != base_size) {
                    return Err(self.bad("is a delta for a base of another size"));
                }
                (size, base.map_or(0, |base| base.depth) + 1)
            }
        };
        if size > MAX_UNPACKED_OBJECT {
            return Err(too_large("bytes in one object", MAX_UNPACKED_OBJECT));
        }
        if depth > MAX_DELTA_DEPTH {
            return Err(too_large("deltas upon each other", u64::from(MAX_DELTA_DEPTH)));
        }
        // Both fit by the limits above.
        let fits = |number: u64| u32::try_from(number).map_err(|_| self.bad("is too large"));
        Ok(Unpacked {
            start: fits(self.start)?,
            size: fits(size)?,
            depth,
        })
    }

    /// How many bytes it takes to unpack the object: its own, and those of its delta.
    fn cost(&self, object: Unpacked) -> u64 {
        let delta = match self.form {
            Form::Whole => 0,
            Form::Delta { .. } => self.size,
        };
        u64::from(object.size) + delta
    }

    fn bad(&self, what: &str) -> FetchError {
        bad_pack(&format!("the object at byte {} of it {what}", self.start))
    }
}

/// The number of objects that a pack's header announces.
fn announced_objects(header: &[u8]) -> Result<u32, FetchError> {
    let count = header
        .strip_prefix(b"PACK\x00\x00\x00\x02")
        .and_then(|count| <[u8; 4]>::try_from(count).ok())
        .map(u32::from_be_bytes)
        .ok_or(FetchError::Protocol("the pack is not one of version 2"))?;
    if u64::from(count) > MAX_PACK_OBJECTS {
        return Err(too_large("objects", MAX_PACK_OBJECTS));
    }
    Ok(count)
}

/// The sizes of a delta's base and of its result, which its data begins with (gitformat-pack(5), "Deltified
/// representation").
fn delta_sizes(head: &[u8]) -> Option<(u64, u64)> {
    let (base, rest) = size(head)?;
    let (result, _) = size(rest)?;
    Some((base, result))
}

/// A number with its lowest bits first, seven in a byte, and what is behind it.
fn size(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate() {
        let shift = u32::try_from(index * 7).ok()?;
        let bits = u64::from(byte & 0x7f);
        let shifted = bits.checked_shl(shift)?;
        if shifted >> shift != bits {
            return None;
        }
        value |= shifted;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

fn too_large(what: &'static str, limit: u64) -> FetchError {
    FetchError::TooLarge { what, limit }
}

fn bad_pack(why: &str) -> FetchError {
    FetchError::BadObjects(format!("the pack is damaged: {why}"))
}

#[cfg(test)]
pub(super) mod tests;
