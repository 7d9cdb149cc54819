//! fluxops as a cluster has it: custom resources, the rights of `deploy/`, and one process that runs on.
//!
//! Each world has a process of its own that reconciles nothing but its namespace, so that tests do not disturb
//! each other, nor anything else on the cluster.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};

use super::api_server::ApiServer;
use super::outside::Program;
use super::world::World;
use super::{eventually, root, within_deadline};

/// The group and version of our kinds.
const OURS: &str = "fluxops.dev/v1alpha1";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1";

pub(crate) struct Installed {
    pub(crate) world: World,
    /// A kubeconfig with nothing but the rights of `deploy/`, and those of an administrator of the namespace.
    pub(crate) kubeconfig: String,
    git: Program,
    more_arguments: Vec<String>,
    process: Option<Child>,
}

impl Installed {
    /// Everything but the process: definitions, rights, and what specs refer to. Nothing is committed yet.
    pub(crate) fn new() -> Self {
        let mut world = World::new();
        define_kinds(&world.api);
        let kubeconfig = grant(&world);
        for object in world.references() {
            let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
            let name = object["metadata"]["name"].as_str().unwrap();
            world.api.apply(&world.namespace.core(&plural, name), &object);
        }
        let served = world.folder().join("served");
        fs::create_dir_all(&served).unwrap();
        let log = world.folder().join("git.log").display().to_string();
        let root = served.display().to_string();
        let git = Program::start("git_http_server.py", &["--root", &root, "--request-log", &log]);
        world.source["spec"]["url"] = format!("{}/apps.git", git.url.trim_end_matches('/')).into();
        world.source["spec"]["interval"] = "1s".into();
        Self {
            world,
            kubeconfig,
            git,
            more_arguments: Vec::new(),
            process: None,
        }
    }

    /// The usual start: a good commit, the `GitSource`, the Delivery and the Notifier, and fluxops at work until the
    /// commit is applied; its id.
    pub(crate) fn with_good_commit() -> (Self, String) {
        let mut installed = Self::new();
        let commit = installed.world.commit_good("v1");
        installed.publish();
        installed.apply(&installed.world.notifier());
        installed.apply(&installed.world.source);
        installed.apply(&installed.world.delivery);
        installed.start();
        installed.wait_applied("web", &commit);
        (installed, commit)
    }

    /// The address at which a fault of the Git server shows.
    pub(crate) fn faulty_url(&self, fault: &str) -> String {
        format!("{}/{fault}/apps.git", self.git.url.trim_end_matches('/'))
    }

    /// Ends the Git server.
    pub(crate) fn stop_git(&mut self) {
        self.git.stop();
    }

    /// How many requests the Git server has seen.
    pub(crate) fn git_requests(&self) -> usize {
        let log = fs::read_to_string(self.world.folder().join("git.log"));
        log.unwrap_or_default().lines().count()
    }

    /// Puts what is committed where fluxops fetches it.
    pub(crate) fn publish(&self) {
        let bare = self.world.folder().join("served/apps.git");
        self.world.repository.publish(&bare);
    }

    /// Starts fluxops, with the state of its last run.
    pub(crate) fn start(&mut self) {
        let kubeconfig = self.kubeconfig.clone();
        self.start_with(&kubeconfig);
    }

    /// What else fluxops is started with.
    pub(crate) fn more_arguments(&mut self, arguments: &[&str]) {
        self.more_arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    }

    /// The same with another kubeconfig.
    pub(crate) fn start_with(&mut self, kubeconfig: &str) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_fluxops"))
            .args(["run", "--namespace", &self.world.namespace.name])
            .args(["--state-dir", &self.world.state_dir(), "--kubeconfig", kubeconfig])
            .args(["--log-format", "json"])
            .args(["--metrics-addr", "127.0.0.1:0"])
            .args(&self.more_arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
    }

    /// Asks the process to stop, and waits for its exit code; nothing if a signal ended it.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.process.take().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = eventually("the end of fluxops", || child.try_wait().unwrap());
        assert_eq!(status.signal(), None);
        status.code()
    }

    /// What the process logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.world.folder().join("fluxops.log")
    }

    /// Where the process serves health and metrics, by its log.
    pub(crate) fn operations(&self) -> String {
        eventually("an address of metrics", || {
            let log = self.log();
            let lines = log
                .lines()
                .filter_map(|line| serde_json::from_str::<Json>(line).ok());
            let mut served = lines.filter(|line| line["message"] == "health and metrics are served");
            served.next()?["address"].as_str().map(str::to_owned)
        })
    }

    /// The value of a counter without labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (_, text) = get(&self.operations(), "/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.unwrap().trim().parse().unwrap()
    }

    /// Where one of our objects is, by `gitsources/apps` for example.
    pub(crate) fn path(&self, plural: &str, name: &str) -> String {
        self.world.namespace.path(OURS, plural, name)
    }

    /// Applies one of our objects, as its user would.
    pub(crate) fn apply(&self, object: &Json) {
        let plural = match object["kind"].as_str().unwrap() {
            "GitSource" => "gitsources",
            "Delivery" => "deliveries",
            "Notifier" => "notifiers",
            "Receiver" => "receivers",
            other => panic!("{other} is none of ours"),
        };
        let name = object["metadata"]["name"].as_str().unwrap();
        self.world.api.apply(&self.path(plural, name), object);
    }

    /// One of our objects, once it satisfies a condition.
    pub(crate) fn wait_for(&self, plural: &str, name: &str, condition: impl Fn(&Json) -> bool) -> Json {
        let mut last = None;
        let path = self.path(plural, name);
        let found = within_deadline(|| {
            last = self.world.api.get(&path);
            last.clone().filter(|object| condition(object))
        });
        found.unwrap_or_else(|| {
            panic!(
                "waited in vain; {path} is {:#}; the log: {}",
                last.clone().unwrap_or_default()["status"],
                self.log()
            )
        })
    }

    /// One of our objects, once its Ready condition has a reason.
    pub(crate) fn wait_reason(&self, plural: &str, name: &str, reason: &str) -> Json {
        self.wait_for(plural, name, |object| {
            condition(object, "Ready").is_some_and(|ready| ready["reason"] == reason)
        })
    }

    /// A Delivery, once it is Ready with a commit.
    pub(crate) fn wait_applied(&self, name: &str, commit: &str) -> Json {
        self.wait_for("deliveries", name, |object| {
            holds(object, "Ready") && object["status"]["lastAppliedRevision"] == format!("main@sha1:{commit}")
        })
    }

    /// The Kubernetes Events of one of our objects, as type and reason.
    pub(crate) fn events(&self, kind: &str, name: &str) -> Vec<(String, String)> {
        let path = format!(
            "/apis/events.k8s.io/v1/namespaces/{}/events",
            self.world.namespace.name
        );
        let list = self.world.api.get(&path).unwrap();
        let ours = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["regarding"]["kind"] == kind && event["regarding"]["name"] == name);
        ours.map(|event| {
            let text = |key: &str| event[key].as_str().unwrap().to_owned();
            (text("type"), text("reason"))
        })
        .collect()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if let Some(child) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
        let name = &self.world.namespace.name;
        for role in ["clusterrolebindings", "clusterroles"] {
            self.world.api.delete(&format!("{ROLES}/{role}/fluxops-{name}"));
        }
        // Nobody is left who would take the finalizers off, and the namespace would stay for ever.
        let deliveries = format!("/apis/{OURS}/namespaces/{name}/deliveries");
        let list = self.world.api.get(&deliveries).unwrap_or_default();
        for delivery in list["items"].as_array().into_iter().flatten() {
            let path = self.path("deliveries", delivery["metadata"]["name"].as_str().unwrap());
            self.world
                .api
                .merge(&path, &json!({"metadata": {"finalizers": null}}));
        }
    }
}

/// A condition of an object.
pub(crate) fn condition<'a>(object: &'a Json, type_: &str) -> Option<&'a Json> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == type_)
}

/// Whether a condition is True, and of the generation that the object has.
pub(crate) fn holds(object: &Json, type_: &str) -> bool {
    condition(object, type_).is_some_and(|condition| {
        condition["status"] == "True" && condition["observedGeneration"] == object["metadata"]["generation"]
    })
}

/// Installs the definitions as `fluxops crds` prints them. They stay: another installation may need them.
fn define_kinds(api: &ApiServer) {
    for definition in fluxops::api::custom_resource_definitions() {
        let definition = serde_json::to_value(definition).unwrap();
        let name = definition["metadata"]["name"].as_str().unwrap();
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        api.apply(&path, &definition);
        api.wait_for(&path, |live| {
            let conditions = live["status"]["conditions"].as_array();
            conditions
                .into_iter()
                .flatten()
                .any(|condition| condition["type"] == "Established" && condition["status"] == "True")
        });
        let plural = name.split('.').next().unwrap();
        api.wait_for(&format!("/apis/{OURS}/{plural}"), |_| true);
    }
}

/// Applies `deploy/rbac.yaml` for an account in the world's namespace; a kubeconfig with that account's token.
fn grant(world: &World) -> String {
    let namespace = &world.namespace.name;
    let name = format!("fluxops-{namespace}");
    let file = fs::read_to_string(root().join("deploy/rbac.yaml")).unwrap();
    let file = file
        .replace("fluxops-controller", &name)
        .replace("fluxops-system", namespace);
    let account = world.namespace.core("serviceaccounts", "fluxops");
    for document in file.split("\n---\n") {
        let path = match document.lines().find_map(|line| line.strip_prefix("kind: ")) {
            Some("ServiceAccount") => account.clone(),
            Some("ClusterRole") => format!("{ROLES}/clusterroles/{name}"),
            Some("ClusterRoleBinding") => format!("{ROLES}/clusterrolebindings/{name}"),
            other => panic!("deploy/rbac.yaml has {other:?}"),
        };
        world.api.apply_yaml(&path, document);
    }
    // What Deliveries without a service account of their own are applied with.
    let admin = world
        .namespace
        .path("rbac.authorization.k8s.io/v1", "rolebindings", "fluxops");
    world.api.apply(
        &admin,
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "fluxops"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "fluxops", "namespace": namespace}],
        }),
    );
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let reply = world.api.create(&format!("{account}/token"), &request);
    let token = reply["status"]["token"].as_str().unwrap();
    write_kubeconfig(&world.folder().join("fluxops.kubeconfig"), token)
}

/// The kubeconfig of the tests, with another user.
fn write_kubeconfig(path: &Path, token: &str) -> String {
    let real = kube::config::Kubeconfig::read().unwrap();
    let mut config = serde_json::to_value(real).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"] = json!({ "token": token });
    }
    fs::write(path, config.to_string()).unwrap();
    path.display().to_string()
}

/// The status line and the rest of an answer.
pub(crate) fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: fluxops\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (status, rest) = answer.split_once("\r\n").unwrap();
    (status.to_owned(), rest.to_owned())
}
