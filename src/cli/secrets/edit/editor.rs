//! The user's editor: which it is, and how it is kept from writing copies.
#![expect(
    clippy::disallowed_methods,
    reason = "running the editor is what the user asked for"
)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use super::private_file::PrivateFile;

/// The variables that name the editor, in the order of sops (`runEditor` in cmd/sops/edit.go).
const VARIABLES: [&str; 2] = ["SOPS_EDITOR", "EDITOR"];

/// What is tried where neither is set.
const FALLBACKS: [&str; 3] = ["vim", "nano", "vi"];

/// Variables that hold identities; no editor needs them.
const SECRET_VARIABLES: [&str; 1] = ["SOPS_AGE_KEY"];

/// How long an editor may take to end when we have to.
const GRACE: Duration = Duration::from_secs(2);

/// How long between two looks at whether it has.
const GRACE_STEP: Duration = Duration::from_millis(20);

/// Arguments that turn off swap, backup, undo and history files, by how the program's name starts. They stand before
/// those of the user.
const QUIET: [(&str, &[&str]); 5] = [
    ("nvim", &VIM),
    ("vim", &VIM),
    ("gvim", &VIM),
    // Nothing but its configuration switches backups on, and no argument switches them off.
    ("nano", &["--ignorercfiles"]),
    (
        "emacs",
        &[
            "--eval",
            "(setq make-backup-files nil auto-save-default nil create-lockfiles nil auto-save-list-file-prefix nil)",
        ],
    ),
];

/// `-n` is no swap file and `-i NONE` no viminfo or shada, whatever the configuration says; the commands come after it.
const VIM: [&str; 7] = [
    "-n",
    "-i",
    "NONE",
    "-c",
    "silent! set nobackup nowritebackup noswapfile",
    "-c",
    "silent! set noundofile",
];

/// Why the text was not edited.
#[derive(Debug, Error)]
pub(super) enum EditorError {
    /// The variable is not a command.
    #[error("failed to read ${variable}: its quotes do not close")]
    Unreadable {
        /// Its name.
        variable: &'static str,
    },
    /// There is none.
    #[error("failed to find an editor: set SOPS_EDITOR or EDITOR")]
    NotFound,
    /// It cannot be started.
    #[error("failed to start the editor {program}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// It says that it failed.
    #[error("failed to edit: the editor ended with {0}")]
    Failed(ExitStatus),
    /// The system cannot tell how it ended, or send signals.
    #[error("failed to wait for the editor")]
    Wait(#[source] std::io::Error),
    /// The user gave up, or the session ended.
    #[error("stopped by a signal")]
    Stopped,
}

/// A command line, but for the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Editor {
    program: OsString,
    arguments: Vec<OsString>,
}

impl Editor {
    /// The one that sops would take.
    pub(super) fn find() -> Result<Self, EditorError> {
        for variable in VARIABLES {
            let Some(text) = std::env::var_os(variable).filter(|text| !text.is_empty()) else {
                continue;
            };
            let text = text.to_str().ok_or(EditorError::Unreadable { variable })?;
            let words = shlex::split(text).ok_or(EditorError::Unreadable { variable })?;
            let mut words = words.into_iter().map(OsString::from);
            let program = words.next().ok_or(EditorError::Unreadable { variable })?;
            return Ok(Self::quiet(program, words.collect()));
        }
        let found = FALLBACKS.iter().find(|name| in_path(name.as_ref()).is_some());
        let program = found.ok_or(EditorError::NotFound)?;
        Ok(Self::quiet(program.into(), Vec::new()))
    }

    /// `vi` may be vim by another name.
    fn quiet(program: OsString, given: Vec<OsString>) -> Self {
        let path = in_path(Path::new(&program)).and_then(|path| path.canonicalize().ok());
        let names = [Some(Path::new(&program)), path.as_deref()];
        let names = names
            .into_iter()
            .flatten()
            .filter_map(|path| path.file_name()?.to_str());
        let mut arguments: Vec<OsString> = Vec::new();
        for name in names {
            let is_it = |(prefix, _): &&(&str, &[&str])| name.starts_with(prefix) && name != "emacsclient";
            if let Some((_, quiet)) = QUIET.iter().find(is_it) {
                arguments.extend(quiet.iter().map(Into::into));
                break;
            }
        }
        arguments.extend(given);
        Self { program, arguments }
    }

    /// Lets the user edit the file. Interrupts are the editor's to handle, as they are from a terminal; where the
    /// session ends, the editor does too.
    pub(super) async fn edit(&self, file: &PrivateFile, signals: &mut Signals) -> Result<(), EditorError> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg(file.path())
            // For what plug-ins and filters put aside.
            .env("TMPDIR", file.folder());
        for variable in SECRET_VARIABLES {
            command.env_remove(variable);
        }
        let mut child = command.spawn().map_err(|error| EditorError::Start {
            program: self.program.to_string_lossy().into_owned(),
            error,
        })?;
        let pid = Pid::from_child(&child);
        let mut ended = tokio::task::spawn_blocking(move || child.wait());
        loop {
            tokio::select! {
                status = &mut ended => {
                    let status = status.map_err(std::io::Error::other).flatten().map_err(EditorError::Wait)?;
                    return if status.success() { Ok(()) } else { Err(EditorError::Failed(status)) };
                }
                received = signals.next() => {
                    // It may have ended just now.
                    let _ = kill_process(pid, received.signal());
                    if received.ends_session() {
                        let mut waited = Duration::ZERO;
                        while !ended.is_finished() && waited < GRACE {
                            tokio::time::sleep(GRACE_STEP).await;
                            waited += GRACE_STEP;
                        }
                        if !ended.is_finished() {
                            let _ = kill_process(pid, Signal::KILL);
                        }
                        return Err(EditorError::Stopped);
                    }
                }
            }
        }
    }
}

fn in_path(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return Some(program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// What would end the process and leave its files behind.
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    Interrupt,
    Quit,
    Terminate,
    Hangup,
}

impl Received {
    fn signal(self) -> Signal {
        match self {
            Self::Interrupt => Signal::INT,
            Self::Quit => Signal::QUIT,
            Self::Terminate => Signal::TERM,
            Self::Hangup => Signal::HUP,
        }
    }

    /// Whether the editor has no say in it.
    fn ends_session(self) -> bool {
        matches!(self, Self::Terminate | Self::Hangup)
    }
}

impl Signals {
    /// From now on these signals do not end the process.
    pub(super) fn listen() -> Result<Self, EditorError> {
        let listen = |kind| signal(kind).map_err(EditorError::Wait);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.interrupt.recv() => Received::Interrupt,
            _ = self.quit.recv() => Received::Quit,
            _ = self.terminate.recv() => Received::Terminate,
            _ = self.hangup.recv() => Received::Hangup,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_editors_write_no_copies() {
        for (program, expected) in [
            ("/usr/bin/nvim", Some("-n")),
            ("/opt/vim", Some("-n")),
            ("/opt/vim.basic", Some("-n")),
            ("/opt/nano", Some("--ignorercfiles")),
            ("/opt/emacs-nox", Some("--eval")),
            ("/opt/emacsclient", None),
            ("/opt/ed", None),
        ] {
            let editor = Editor::quiet(program.into(), vec!["-x".into()]);
            let first = editor.arguments.first().and_then(|first| first.to_str());
            assert_eq!(first, expected.or(Some("-x")), "{program}");
            assert_eq!(editor.arguments.last(), Some(&"-x".into()));
        }
    }
}
