//! Receivers: a forge calls, and what was pushed is applied without waiting for the interval.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use fluxops::receive::{MAX_BODY, MAX_HEADERS, RECEIVER_RATE};
use ring::hmac;
use serde_json::{Value as Json, json};
use support::installed::{Installed, holds};
use support::world::World;
use support::{eventually, random_hex};

const TOKEN: &str = "a token that the forge knows too";

/// A Receiver of the source `apps`, and the Secret that it names.
fn receiver(namespace: &str, type_: &str) -> [Json; 2] {
    let name = format!("hook-{type_}");
    let metadata = json!({"name": name, "namespace": namespace});
    [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": TOKEN}}),
        json!({
            "apiVersion": "fluxops.dev/v1alpha1", "kind": "Receiver", "metadata": metadata,
            "spec": {"type": type_, "secretRef": {"name": name}, "sources": [{"name": "apps"}]},
        }),
    ]
}

/// The address that a process logged.
fn address(log: &str) -> Option<String> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let mut served = lines.filter(|line| line["message"] == "webhooks are received");
    Some(served.next()?["address"].as_str()?.to_owned())
}

/// The status of the answer to a call; empty if there was none.
fn post(address: &str, path: &str, headers: &[(&str, String)], body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let headers = lines.concat();
    let length = body.len();
    let call =
        format!("POST {path} HTTP/1.1\r\nHost: fluxops\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    // Who sends too much may be hung up on before all of it is sent.
    let _ = stream.write_all(call.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// How a type of forge tells of a push to a branch.
fn push(type_: &str, branch: &str) -> (Vec<(&'static str, String)>, String) {
    let id = random_hex(8);
    let body = match type_ {
        "bitbucket" => {
            json!({"push": {"changes": [{"new": {"type": "branch", "name": branch}, "old": null}]}, "id": id})
        }
        _ => json!({"ref": format!("refs/heads/{branch}"), "after": id}),
    };
    let body = body.to_string();
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, TOKEN.as_bytes()),
        body.as_bytes(),
    );
    let tag = fluxops::name::hex(tag.as_ref());
    let prefixed = format!("sha256={tag}");
    let headers = match type_ {
        "github" => vec![
            ("X-Hub-Signature-256", prefixed),
            ("X-GitHub-Event", "push".to_owned()),
            ("X-GitHub-Delivery", id),
        ],
        "gitlab" => vec![
            ("X-Gitlab-Token", TOKEN.to_owned()),
            ("X-Gitlab-Event", "Push Hook".to_owned()),
            ("X-Gitlab-Event-UUID", id),
        ],
        "gitea" => vec![
            ("X-Gitea-Signature", tag),
            ("X-Gitea-Event", "push".to_owned()),
            ("X-Gitea-Delivery", id),
        ],
        "forgejo" => vec![
            ("X-Forgejo-Signature", tag),
            ("X-Forgejo-Event", "push".to_owned()),
            ("X-Forgejo-Delivery", id),
        ],
        "bitbucket" => vec![
            ("X-Hub-Signature", prefixed),
            ("X-Event-Key", "repo:push".to_owned()),
            ("X-Request-UUID", id),
        ],
        "generic-hmac" => vec![("X-Signature", prefixed)],
        other => panic!("{other} is no type"),
    };
    (headers, body)
}

/// fluxops at work on a source that is not asked for an hour, with Receivers of these types; its address, and their paths.
fn installed(types: &[&str]) -> (Installed, String, Vec<String>) {
    let mut installed = Installed::new();
    installed.world.source["spec"]["interval"] = "1h".into();
    installed.more_arguments(&["--webhook-addr", "127.0.0.1:0"]);
    let namespace = installed.world.namespace.name.clone();
    for type_ in types {
        let [secret, receiver] = receiver(&namespace, type_);
        let path = installed
            .world
            .namespace
            .core("secrets", secret["metadata"]["name"].as_str().unwrap());
        installed.world.api.apply(&path, &secret);
        installed.apply(&receiver);
    }
    let commit = installed.world.commit_good("v1");
    installed.publish();
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.start();
    installed.wait_applied("web", &commit);
    let paths = types.iter().map(|type_| {
        let served = installed.wait_for("receivers", &format!("hook-{type_}"), |live| holds(live, "Ready"));
        served["status"]["webhookPath"].as_str().unwrap().to_owned()
    });
    let paths = paths.collect();
    let address = address(&installed.log()).unwrap();
    (installed, address, paths)
}

/// What called for the runs of the source.
fn webhook_runs(log: &str) -> usize {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok());
    lines
        .filter(|line| line["message"] == "source reconciled" && line["trigger"] == "webhook")
        .count()
}

#[test]
fn what_was_pushed_is_applied_when_the_forge_calls() {
    let types = [
        "github",
        "gitlab",
        "gitea",
        "forgejo",
        "bitbucket",
        "generic-hmac",
    ];
    let (mut installed, address, paths) = installed(&types);
    for (index, (type_, path)) in types.iter().zip(&paths).enumerate() {
        let version = format!("v{}", index + 2);
        installed.world.write_version(&version);
        let commit = installed
            .world
            .repository
            .commit(&installed.world.alice, &version);
        installed.publish();
        let (headers, body) = push(type_, "main");
        assert_eq!(post(&address, path, &headers, &body), "202", "{type_}");
        installed.wait_applied("web", &commit);
        assert_eq!(installed.world.version(), Some(version));
        assert_eq!(post(&address, path, &headers, &body), "409", "{type_} again");
    }
    let log = installed.log();
    assert_eq!(webhook_runs(&log), types.len());
    assert!(!log.contains(TOKEN));
    assert_eq!(installed.stop(), Some(0));
}

#[test]
fn what_is_refused_has_nothing_fetched() {
    let (mut installed, address, paths) = installed(&["github", "gitlab"]);
    let (path, other) = (&paths[0], &paths[1]);
    let before = installed.git_requests();
    let (headers, body) = push("github", "main");
    let mut forged = headers.clone();
    forged[0].1 = format!("sha256={}", "0".repeat(64));
    assert_eq!(post(&address, path, &forged, &body), "404");
    assert_eq!(post(&address, path, &headers[1..], &body), "404");
    assert_eq!(
        post(
            &address,
            "/hook/00000000000000000000000000000000",
            &headers,
            &body
        ),
        "404"
    );
    assert_eq!(
        post(&address, other, &headers, &body),
        "404",
        "another's signature"
    );
    // An answer may be lost where the connection ends while more is being sent.
    let large_body = post(&address, path, &headers, &"x".repeat(MAX_BODY + 1));
    assert!(["413", ""].contains(&large_body.as_str()), "{large_body}");
    assert_eq!(post(&address, path, &headers, &"x".repeat(MAX_BODY)), "404");
    let large = [&headers[..], &[("X-More", "x".repeat(MAX_HEADERS))]].concat();
    let large_head = post(&address, path, &large, &body);
    assert!(["431", ""].contains(&large_head.as_str()), "{large_head}");

    // What does not follow the branch is left alone, and who only tries is answered.
    let (headers, body) = push("github", "other");
    assert_eq!(post(&address, path, &headers, &body), "202");
    let (mut headers, body) = push("github", "main");
    headers[1].1 = "ping".to_owned();
    assert_eq!(post(&address, path, &headers, &body), "200");

    let suspended = installed.path("receivers", "hook-github");
    installed
        .world
        .api
        .merge(&suspended, &json!({"spec": {"suspend": true}}));
    installed.wait_reason("receivers", "hook-github", "Suspended");
    let (headers, body) = push("github", "main");
    assert_eq!(post(&address, path, &headers, &body), "404");

    let calls: Vec<String> = (0..=RECEIVER_RATE.burst * 2)
        .map(|_| {
            let (headers, body) = push("gitlab", "other");
            post(&address, other, &headers, &body)
        })
        .collect();
    assert!(calls.iter().any(|status| status == "429"), "{calls:?}");
    assert_eq!(calls[0], "202");
    assert_eq!(installed.git_requests(), before);
    assert_eq!(webhook_runs(&installed.log()), 0);

    // A token that nobody could try out, and one that is gone.
    let path = installed.world.namespace.core("secrets", "hook-gitlab");
    installed
        .world
        .api
        .merge(&path, &json!({"stringData": {"token": "short"}}));
    installed.wait_reason("receivers", "hook-gitlab", "InvalidToken");
    let (headers, body) = push("gitlab", "main");
    assert_eq!(post(&address, other, &headers, &body), "404");
    installed
        .world
        .api
        .delete(&installed.path("receivers", "hook-gitlab"));
    assert_eq!(installed.stop(), Some(0));
}

#[test]
fn a_receiver_is_not_ready_where_nothing_is_received() {
    let mut installed = Installed::new();
    let [secret, receiver] = receiver(&installed.world.namespace.name, "gitea");
    installed
        .world
        .api
        .apply(&installed.world.namespace.core("secrets", "hook-gitea"), &secret);
    installed.apply(&receiver);
    installed.start();
    installed.wait_reason("receivers", "hook-gitea", "NotServed");
    assert_eq!(installed.stop(), Some(0));
}

/// A process that is ended with its guard.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn without_custom_resources_the_path_is_shown_and_serves() {
    let mut world = World::new();
    world.source["spec"]["interval"] = "1h".into();
    world.more.extend(receiver(&world.namespace.name, "gitea"));
    world.commit_good("v1");
    let arguments = world.arguments(&["--webhook-addr", "127.0.0.1:0"]);
    let arguments = arguments.iter().filter(|argument| *argument != "--once");
    let log = world.folder().join("fluxops.log");
    let child = Command::new(env!("CARGO_BIN_EXE_fluxops"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let _guard = Guard(child);
    let read = || std::fs::read_to_string(&log).unwrap();
    eventually("the first commit", || (world.version()? == "v1").then_some(()));
    let address = eventually("the address", || address(&read()));
    let status = world.status("receiver/hook-gitea");
    let path = status["status"]["webhookPath"].as_str().unwrap();
    assert!(read().contains(path));
    world.write_version("v2");
    world.repository.commit(&world.alice, "Deliver v2");
    let (headers, body) = push("gitea", "main");
    assert_eq!(post(&address, path, &headers, &body), "202");
    eventually("the second commit", || (world.version()? == "v2").then_some(()));
    assert!(!read().contains(TOKEN));
}
