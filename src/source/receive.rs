//! From the remote into the object database: a pack is handed on piece by piece, each one bounded first.

use std::io::Write as _;

use git2::{Odb, Oid, Repository};

use super::clock::{Clock, Step};
use super::error::FetchError;
use super::mirror::unusable;
use super::pack::PackReader;
use super::upload_pack::Remote;

/// Brings `wants` and what they lead to, less what `haves` lead to, into a repository.
pub(super) fn receive(
    repository: &Repository,
    wants: &[Oid],
    haves: &[Oid],
    remote: &mut dyn Remote,
    clock: &Clock,
) -> Result<(), FetchError> {
    let odb = repository.odb().map_err(|error| unusable(&error))?;
    let mut receiver = Receiver::new(&odb, clock);
    remote.objects(wants, haves, &mut |piece| receiver.take(piece))?;
    receiver.finish()
}

/// A pack on its way into the object database.
struct Receiver<'odb> {
    odb: &'odb Odb<'odb>,
    clock: &'odb Clock,
    reader: PackReader,
    /// None until the header is whole, and for a pack without objects, which the library does not take.
    writer: Option<git2::OdbPackwriter<'odb>>,
    /// What came before there was a writer.
    held: Vec<u8>,
}

impl<'odb> Receiver<'odb> {
    fn new(odb: &'odb Odb<'odb>, clock: &'odb Clock) -> Self {
        Self {
            odb,
            clock,
            reader: PackReader::new(),
            writer: None,
            held: Vec::new(),
        }
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), FetchError> {
        self.reader.take(piece)?;
        match (&mut self.writer, self.reader.objects()) {
            (Some(writer), _) => writer.write_all(piece).map_err(|_| damaged()),
            (None, Some(0)) => Ok(()),
            (None, None) => {
                self.held.extend_from_slice(piece);
                Ok(())
            }
            (None, Some(_)) => {
                let mut writer = self.odb.packwriter().map_err(|error| unusable(&error))?;
                // Asked at each object: putting deltas together ends with the time of the fetch.
                let clock = self.clock.clone();
                writer.progress(move |_| clock.left(Step::Unpack).is_ok());
                self.held.extend_from_slice(piece);
                let written = writer.write_all(&std::mem::take(&mut self.held));
                self.writer = Some(writer);
                written.map_err(|_| damaged())
            }
        }
    }

    fn finish(self) -> Result<(), FetchError> {
        self.reader.finish()?;
        let Some(mut writer) = self.writer else {
            return Ok(());
        };
        let committed = writer.commit();
        self.clock.left(Step::Unpack)?;
        committed.map(|_| ()).map_err(|_| damaged())
    }
}

fn damaged() -> FetchError {
    FetchError::BadObjects("the pack is damaged or incomplete, or the disk is full".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;

    /// A pack without objects, with its trailer.
    const EMPTY: &[u8] = b"PACK\x00\x00\x00\x02\x00\x00\x00\x00\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";

    fn receive(pieces: &[&[u8]], cancelled: &CancellationToken) -> Result<(), FetchError> {
        let folder = tempfile::TempDir::new().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let odb = repository.odb().unwrap();
        let clock = Clock::start(Duration::from_secs(9), cancelled.clone());
        let mut receiver = Receiver::new(&odb, &clock);
        pieces.iter().try_for_each(|piece| receiver.take(piece))?;
        receiver.finish()
    }

    #[test]
    fn a_pack_may_be_cut_anywhere_and_has_to_be_whole() {
        let going = CancellationToken::new();
        for at in 0..EMPTY.len() {
            let (before, after) = EMPTY.split_at(at);
            receive(&[before, after], &going).unwrap();
            assert!(receive(&[before], &going).is_err(), "{at}");
        }
    }

    #[test]
    fn unpacking_ends_with_the_fetch() {
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        // One object, the blob "a": it is whole, and still nobody waits for it.
        let pack = super::super::pack::tests::pack(&[super::super::pack::tests::whole(3, b"a")]);
        receive(&[&pack], &CancellationToken::new()).unwrap();
        assert!(receive(&[&pack], &cancelled).is_err());
    }
}
