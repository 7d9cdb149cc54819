//! The programs of `tests/world`, each ended with its guard.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
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

    /// The port that it listens on.
    pub(crate) fn port(&self) -> &str {
        self.url.rsplit_once(':').unwrap().1
    }
}

impl Program {
    /// Ends it; nobody answers any more.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What stands between fluxops and the API server.
pub(crate) struct FaultProxy {
    program: Program,
    /// A kubeconfig that points to it.
    pub(crate) kubeconfig: String,
}

impl FaultProxy {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::before(&std::env::var("KUBECONFIG").unwrap(), folder)
    }

    /// Before the server of a kubeconfig.
    pub(crate) fn before(real: &str, folder: &Path) -> Self {
        let kubeconfig = folder.join("proxy.kubeconfig").display().to_string();
        let program = Program::start("fault_proxy.py", &["--kubeconfig", real, "--out", &kubeconfig]);
        Self { program, kubeconfig }
    }

    /// Replaces all faults.
    pub(crate) fn set(&self, rules: &Json) {
        let body = serde_json::json!({ "rules": rules }).to_string();
        exchange(&self.program.url, "POST", "/__faults", &body);
    }

    /// What it was asked, as JSON.
    pub(crate) fn requests(&self) -> Vec<Json> {
        serde_json::from_str(&exchange(&self.program.url, "GET", "/__requests", "")).unwrap()
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
        let messages: Vec<Json> =
            serde_json::from_str(&exchange(&self.0.url, "GET", "/messages", "")).unwrap();
        messages.iter().map(Json::to_string).collect()
    }
}

/// The body of a plain HTTP answer from loopback.
fn exchange(url: &str, method: &str, path: &str, body: &str) -> String {
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
