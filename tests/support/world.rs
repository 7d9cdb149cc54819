//! One user's world: a namespace, a repository with keys, documents for `--config`, and Slack.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::api_server::{ApiServer, Namespace};
use super::fluxops::Run;
use super::outside::Slack;
use super::repository::{AgeKey, Repository, SigningKey};
use super::{Scratch, files_below, random_hex};

pub(crate) struct World {
    pub(crate) api: ApiServer,
    pub(crate) namespace: Namespace,
    pub(crate) repository: Repository,
    pub(crate) alice: SigningKey,
    pub(crate) age: AgeKey,
    pub(crate) slack: Slack,
    /// The GitSource `apps`; change it at will.
    pub(crate) source: Json,
    /// The Delivery `web`; change it at will.
    pub(crate) delivery: Json,
    /// Other documents of the user; add at will.
    pub(crate) more: Vec<Json>,
    /// Stands in sealed files only.
    pub(crate) marker: String,
    /// What else may be seen nowhere.
    pub(crate) hidden: Vec<String>,
    scratch: Scratch,
}

impl World {
    pub(crate) fn new() -> Self {
        let api = ApiServer::connect();
        let namespace = api.namespace();
        let scratch = Scratch::new();
        let repository = Repository::new(scratch.path().join("repository"));
        let alice = SigningKey::new(scratch.path(), "alice@example.org");
        let name = &namespace.name;
        let source = json!({
            "apiVersion": "fluxops.dev/v1alpha1", "kind": "GitSource",
            "metadata": {"name": "apps", "namespace": name},
            "spec": {
                "url": format!("file://{}", repository.path().display()),
                "ref": {"branch": "main"},
                "interval": "1s",
                "verify": {"mode": "Head", "trustRef": {"kind": "ConfigMap", "name": "signers"}},
            },
        });
        let delivery = json!({
            "apiVersion": "fluxops.dev/v1alpha1", "kind": "Delivery",
            "metadata": {"name": "web", "namespace": name},
            "spec": {
                "sourceRef": {"name": "apps"}, "path": "apps", "interval": "1h", "prune": true,
                "decryption": {"secretRef": {"name": "age"}},
            },
        });
        let marker = format!("marker-{}", random_hex(16));
        let (age, slack) = (AgeKey::new(), Slack::start());
        Self {
            api,
            namespace,
            repository,
            alice,
            age,
            slack,
            source,
            delivery,
            more: Vec::new(),
            marker,
            hidden: Vec::new(),
            scratch,
        }
    }

    /// A ConfigMap that shows which commit is applied, and a sealed Secret.
    pub(crate) fn commit_good(&self, version: &str) -> String {
        self.write_version(version);
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: {}\nstringData:\n  password: {}\n",
            self.namespace.name, self.marker
        );
        self.repository
            .write_sealed("apps/secret.yaml", &secret, &self.age.recipient);
        self.repository.commit(&self.alice, &format!("Deliver {version}"))
    }

    pub(crate) fn write_version(&self, version: &str) {
        let manifest = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: version\n  namespace: {}\ndata:\n  version: {version}\n",
            self.namespace.name
        );
        self.repository.write("apps/version.yaml", &manifest);
    }

    /// Which commit the cluster has, by its ConfigMap.
    pub(crate) fn version(&self) -> Option<String> {
        let object = self.api.get(&self.namespace.core("configmaps", "version"))?;
        Some(object.pointer("/data/version")?.as_str()?.to_owned())
    }

    /// `fluxops run --config … --once`.
    pub(crate) fn once(&self) -> Run {
        self.once_with(&[])
    }

    /// The same with more arguments.
    pub(crate) fn once_with(&self, more: &[&str]) -> Run {
        let (config, state) = (self.write_config(), self.state_dir());
        let mut arguments = vec![
            "run",
            "--config",
            &config,
            "--once",
            "-o",
            "json",
            "--state-dir",
            &state,
        ];
        arguments.extend(["--log-format", "json"]);
        arguments.extend(more);
        Run::of(&arguments)
    }

    /// The arguments of a single run.
    pub(crate) fn arguments(&self, more: &[&str]) -> Vec<String> {
        let (config, state) = (self.write_config(), self.state_dir());
        let usual = [
            "run",
            "--config",
            &config,
            "--once",
            "-o",
            "json",
            "--state-dir",
            &state,
            "--log-format",
            "json",
        ];
        usual
            .iter()
            .chain(more)
            .map(|&argument| argument.to_owned())
            .collect()
    }

    /// What `fluxops get --config-state` says of an object's Ready condition.
    pub(crate) fn ready(&self, object: &str) -> Json {
        let found = self.status(object);
        let conditions = found
            .pointer("/status/conditions")
            .and_then(Json::as_array)
            .unwrap();
        conditions
            .iter()
            .find(|condition| condition["type"] == "Ready")
            .unwrap()
            .clone()
    }

    /// What `fluxops get --config-state` says of an object.
    pub(crate) fn status(&self, object: &str) -> Json {
        let run = Run::of(&[
            "get",
            object,
            "--config-state",
            "-o",
            "json",
            "--state-dir",
            &self.state_dir(),
        ]);
        run.expect(0).json()[0].clone()
    }

    /// The events of the audit log, after its chain was checked.
    pub(crate) fn audit(&self) -> Vec<Json> {
        Run::of(&["audit", "verify", "--state-dir", &self.state_dir()]).expect(0);
        let log = Run::of(&["audit", "log", "-o", "json", "--state-dir", &self.state_dir()]).expect(0);
        log.stdout
            .lines()
            .map(|line| serde_json::from_str::<Json>(line).unwrap()["event"].clone())
            .collect()
    }

    pub(crate) fn audited(&self, type_: &str) -> usize {
        self.audit().iter().filter(|event| event["type"] == type_).count()
    }

    /// Fails the test unless a run that failed said why, everywhere, and changed and leaked nothing.
    pub(crate) fn assert_failed(&self, run: &Run, object: &str, reason: &str, words: &str) {
        let ready = self.ready(object);
        let message = ready["message"].as_str().unwrap();
        assert_eq!(
            (ready["status"].as_str(), ready["reason"].as_str()),
            (Some("False"), Some(reason)),
            "{message}"
        );
        assert!(message.contains(words), "{message:?} does not say {words:?}");
        assert!(
            run.stderr.contains(reason),
            "the log does not say {reason}: {}",
            run.stderr
        );
        assert!(
            self.slack.messages().last().unwrap().contains(reason),
            "nobody was told of {reason}"
        );
        assert_eq!(
            self.version().as_deref(),
            Some("v1"),
            "the last good state did not stay"
        );
        self.assert_no_leak(run);
    }

    /// Whether the audit log has a refusal for this reason.
    pub(crate) fn has_refused(&self, reason: &str) -> bool {
        let is_it = |event: &Json| event["type"] == "refused" && event["reason"] == reason;
        self.audit().iter().any(is_it)
    }

    /// Fails the test if the sealed marker, or what else is hidden, is anywhere that people can see.
    pub(crate) fn assert_no_leak(&self, run: &Run) {
        let messages = self.slack.messages();
        let files = files_below(&self.scratch.path().join("state"));
        for (index, hidden) in self.hidden.iter().chain([&self.marker]).enumerate() {
            let found = |text: &str| text.contains(hidden);
            assert!(!found(&run.stdout), "secret {index} is on stdout");
            assert!(!found(&run.stderr), "secret {index} is on stderr");
            assert!(
                !messages.iter().any(|message| found(message)),
                "secret {index} is in a message"
            );
            for file in &files {
                let bytes = fs::read(file).unwrap();
                let mut windows = bytes.windows(hidden.len());
                assert!(
                    !windows.any(|window| window == hidden.as_bytes()),
                    "secret {index} is in {}",
                    file.display()
                );
            }
        }
    }

    /// A folder that is gone with the world.
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn state_dir(&self) -> String {
        self.scratch.path().join("state").display().to_string()
    }

    fn write_config(&self) -> String {
        let config = self.scratch.path().join("config");
        fs::create_dir_all(&config).unwrap();
        let ours = [self.source.clone(), self.delivery.clone(), self.notifier()];
        for (index, document) in self
            .references()
            .iter()
            .chain(&ours)
            .chain(&self.more)
            .enumerate()
        {
            fs::write(config.join(format!("{index}.json")), document.to_string()).unwrap();
        }
        config.display().to_string()
    }

    /// The Notifier `slack`.
    pub(crate) fn notifier(&self) -> Json {
        json!({
            "apiVersion": "fluxops.dev/v1alpha1", "kind": "Notifier",
            "metadata": {"name": "slack", "namespace": self.namespace.name},
            "spec": {"type": "slack", "secretRef": {"name": "slack"}},
        })
    }

    /// What the specs refer to: the trusted keys, the age identity, the address of Slack.
    pub(crate) fn references(&self) -> [Json; 3] {
        let object = |kind: &str, name: &str, field: &str, data: Json| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": self.namespace.name}, field: data});
        [
            object(
                "ConfigMap",
                "signers",
                "data",
                json!({"allowed_signers": self.alice.allowed_signer()}),
            ),
            object(
                "Secret",
                "age",
                "stringData",
                json!({"age.agekey": self.age.text}),
            ),
            object(
                "Secret",
                "slack",
                "stringData",
                json!({"address": self.slack.webhook()}),
            ),
        ]
    }
}
