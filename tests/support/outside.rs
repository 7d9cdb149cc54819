//! The programs of `tests/world`, each ended with its guard.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

use super::root;

/// A running program of `tests/world`.
pub(crate) struct Program {
    child: Child,
    /// `http://127.0.0.1:PORT`, or whatever it announced.
    pub(crate) url: String,
}

impl Program {
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("python3");
        command
            .arg(root().join("tests/world").join(name))
            .arg("--parent-death")
            .args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("listening ")
            .unwrap_or_else(|| panic!("{name} said {line:?}"));
        Self {
            url: url.to_owned(),
            child,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands in for Slack.
pub(crate) struct Slack(Program);

impl Slack {
    pub(crate) fn start() -> Self {
        Self(Program::start("slack_sink.py", &[]))
    }

    /// The address of its incoming webhook.
    pub(crate) fn webhook(&self) -> String {
        format!("{}/services/T000/B000/xxx", self.0.url)
    }

    /// What was told so far, oldest first, as JSON.
    pub(crate) fn messages(&self) -> Vec<String> {
        let messages: Vec<Json> = serde_json::from_str(&get(&self.0.url, "/messages")).unwrap();
        messages.iter().map(Json::to_string).collect()
    }
}

/// The body of a plain HTTP answer from loopback.
fn get(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
