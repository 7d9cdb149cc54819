//! One user's world: a namespace, a repository with keys, documents for `--config`, and Slack.

use std::fs;

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
    /// Stands in sealed files only.
    pub(crate) marker: String,
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
            marker,
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

    /// Fails the test if the sealed marker is anywhere that people can see.
    pub(crate) fn assert_no_leak(&self, run: &Run) {
        let found = |text: &str| text.contains(&self.marker);
        assert!(!found(&run.stdout), "the marker is on stdout");
        assert!(!found(&run.stderr), "the marker is on stderr");
        assert!(
            !self.slack.messages().iter().any(|message| found(message)),
            "the marker is in a message"
        );
        for file in files_below(&self.scratch.path().join("state")) {
            let bytes = fs::read(&file).unwrap();
            assert!(
                !bytes
                    .windows(self.marker.len())
                    .any(|window| window == self.marker.as_bytes()),
                "the marker is in {}",
                file.display()
            );
        }
    }

    pub(crate) fn state_dir(&self) -> String {
        self.scratch.path().join("state").display().to_string()
    }

    fn write_config(&self) -> String {
        let config = self.scratch.path().join("config");
        fs::create_dir_all(&config).unwrap();
        let object = |kind: &str, name: &str, field: &str, data: Json| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": self.namespace.name}, field: data});
        let documents = [
            self.source.clone(),
            self.delivery.clone(),
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
            json!({
                "apiVersion": "fluxops.dev/v1alpha1", "kind": "Notifier",
                "metadata": {"name": "slack", "namespace": self.namespace.name},
                "spec": {"type": "slack", "secretRef": {"name": "slack"}},
            }),
        ];
        for (index, document) in documents.iter().enumerate() {
            fs::write(config.join(format!("{index}.json")), document.to_string()).unwrap();
        }
        config.display().to_string()
    }
}
