//! The user at the terminal, whom keys may need: for passphrases, and for what plug-ins of age ask.

use std::fmt;
use std::io::{self, BufRead as _, Write as _};

use age::plugin::IdentityPluginV1;
use age::secrecy::SecretString;
use sops::{Attendant, BoxedIdentity};
use zeroize::Zeroizing;

/// Whether plug-ins of age may be run. They are programs by the names that identities give, `age-plugin-NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plugins {
    /// None is: an identity that needs one is refused by name.
    Refused,
    /// Those that the user's identities name, found in `PATH`.
    Run,
}

/// The user.
#[derive(Clone)]
pub(super) struct Terminal {
    pub(super) plugins: Plugins,
}

impl Attendant for Terminal {
    fn passphrase(&self, recipient: &str) -> Option<Zeroizing<String>> {
        rpassword::prompt_password(format!("Passphrase of the SSH key {recipient}: "))
            .ok()
            .map(Zeroizing::new)
    }

    fn plugin(&self, identity: &str) -> Option<BoxedIdentity> {
        if self.plugins == Plugins::Refused {
            return None;
        }
        let identity: age::plugin::Identity = identity.parse().ok()?;
        match IdentityPluginV1::new(identity.plugin(), std::slice::from_ref(&identity), self.clone()) {
            Ok(plugin) => Some(Box::new(plugin)),
            Err(error) => {
                say(&error);
                None
            }
        }
    }
}

impl age::Callbacks for Terminal {
    fn display_message(&self, message: &str) {
        say(&message);
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let choices = no.map_or_else(|| format!("y: {yes}"), |no| format!("y: {yes}, n: {no}"));
        Some(ask(&format!("{message} ({choices})"))?.eq_ignore_ascii_case("y"))
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        ask(description)
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        let typed = rpassword::prompt_password(format!("{description}: ")).ok()?;
        Some(SecretString::from(typed))
    }
}

fn say(message: &dyn fmt::Display) {
    // Nobody reads it where there is no standard error.
    let _ = writeln!(io::stderr(), "fluxops: {message}");
}

fn ask(question: &str) -> Option<String> {
    write!(io::stderr(), "{question}: ").ok()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned())
}
