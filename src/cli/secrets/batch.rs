//! Many files in one call: on all processors, reported in the order given.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::file::FileError;
use crate::cli::{CommandError, Console, Exit};

/// Most threads at work; more files in memory at once would not be opened sooner.
const MAX_THREADS: usize = 8;

/// Results that may wait for an earlier one.
const MAX_WAITING: usize = 64;

/// How long the bar stays as it is: nobody reads faster.
const BAR_INTERVAL: Duration = Duration::from_millis(50);

/// Cells of the bar.
const BAR_WIDTH: usize = 30;

/// How the work on many files is spoken of.
#[derive(Clone, Copy)]
pub(super) struct Report {
    /// What was done to a file: "sealed".
    pub(super) done: &'static str,
    /// Whether there is a bar.
    pub(super) bar: Bar,
}

/// Whether a bar shows how far the work is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bar {
    /// Where somebody watches.
    Shown,
    /// The results themselves are printed.
    Hidden,
}

/// Works on items and hands the results out in their order. What failed is said and counted, and does not stop the
/// others. 0 if all went well, 1 if some failed.
pub(super) fn each<'a, I: Copy + Send + Sync + 'a, T: Send>(
    items: &'a [I],
    report: Report,
    console: &mut Console<'_>,
    work: impl Fn(I) -> Result<T, FileError> + Sync,
    mut finish: impl FnMut(&mut Console<'_>, I, T) -> Result<(), CommandError>,
) -> Result<Exit, CommandError> {
    let mut progress = Progress::new(items.len(), report);
    let mut one = |console: &mut Console<'_>, item: I, result: Result<T, FileError>| {
        progress.advance(console, result.as_ref().err())?;
        result.map_or(Ok(()), |done| finish(console, item, done))
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, Into::into)
        .min(MAX_THREADS)
        .min(items.len());
    if threads <= 1 {
        for item in items {
            one(console, *item, work(*item))?;
        }
        return progress.end(console);
    }
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::sync_channel(MAX_WAITING);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    // Nobody listens any more where the output failed.
                    if sender.send((index, *item, work(*item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Dropped where the output fails, so that the threads stop.
        let receiver = receiver;
        let mut waiting = BTreeMap::new();
        let mut expected = 0;
        for (index, item, result) in &receiver {
            waiting.insert(index, (item, result));
            while let Some((item, result)) = waiting.remove(&expected) {
                expected += 1;
                one(console, item, result)?;
            }
        }
        Ok::<(), CommandError>(())
    })?;
    progress.end(console)
}

/// What was done so far.
struct Progress {
    all: usize,
    done: usize,
    failed: usize,
    report: Report,
    drawn: Option<Instant>,
}

impl Progress {
    fn new(all: usize, report: Report) -> Self {
        Self {
            all,
            done: 0,
            failed: 0,
            report,
            drawn: None,
        }
    }

    fn advance(&mut self, console: &mut Console<'_>, error: Option<&FileError>) -> Result<(), CommandError> {
        self.done += 1;
        if let Some(error) = error {
            self.failed += 1;
            self.clear(console)?;
            writeln!(console.errors, "fluxops: {error}")?;
        }
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= BAR_INTERVAL);
        if self.report.bar == Bar::Shown && console.watched && self.all > 1 && is_due {
            let filled = (BAR_WIDTH * self.done).checked_div(self.all).unwrap_or(0);
            write!(
                console.errors,
                "\r\x1b[K[{:#<filled$}{:.<rest$}] {}/{}",
                "",
                "",
                self.done,
                self.all,
                rest = BAR_WIDTH - filled,
            )?;
            console.errors.flush()?;
            self.drawn = Some(Instant::now());
        }
        Ok(())
    }

    /// Takes the bar off the line.
    fn clear(&mut self, console: &mut Console<'_>) -> Result<(), CommandError> {
        if self.drawn.take().is_some() {
            write!(console.errors, "\r\x1b[K")?;
        }
        Ok(())
    }

    fn end(mut self, console: &mut Console<'_>) -> Result<Exit, CommandError> {
        self.clear(console)?;
        let succeeded = self.done - self.failed;
        let is_told = self.report.bar == Bar::Shown || self.failed > 0;
        if self.all > 1 && is_told {
            let failed = match self.failed {
                0 => String::new(),
                count => format!(", {count} failed and stayed as they were"),
            };
            writeln!(
                console.errors,
                "fluxops: {succeeded} of {} files {}{failed}",
                self.all, self.report.done
            )?;
        }
        Ok(if self.failed == 0 {
            Exit::Success
        } else {
            Exit::Negative
        })
    }
}
