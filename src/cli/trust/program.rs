//! Asks other programs for public keys.
#![expect(
    clippy::disallowed_methods,
    reason = "git, ssh-add and gpg know where the user's public keys are; nothing secret is told or asked"
)]

use std::io;
use std::process::{Command, Stdio};

/// Most that is taken from a program's answer, in bytes: some hundred certificates.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// What a program printed; nothing if it is not installed or says that it has no answer.
pub(super) fn ask(program: &str, arguments: &[&str]) -> io::Result<Option<String>> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let output = match output {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output?,
    };
    if output.stdout.len() > MAX_ANSWER_BYTES {
        let message = format!("{program} printed more than {MAX_ANSWER_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let answer = output.status.success() && !output.stdout.is_empty();
    Ok(answer.then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}
