#!/usr/bin/env python3
"""How long a control plane takes to have what a commit says, with N Deliveries of four objects each.

    scripts/with-cluster.sh benches/deliveries.py [--binary target/release-static/fluxops] [--deliveries 100]
        [--repairs 200] [--quiet 600]

First the same objects are applied by a bare loop over eight connections, which is as fast as the API server goes. Each Delivery is a kustomization with a namespace and a prefix over a Deployment of no replicas, a Service, a
ServiceAccount and a sealed Secret; one repository, commits signed with SSH. fluxops runs with `--config` and polls every
second, so every figure holds up to a second of waiting. Nothing is decided by them.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/world"))

import kubeconfig  # noqa: E402

CONNECTIONS = 8
TOOLS = ROOT / "target/tools/bin"

OBJECTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers: [{name: web, image: 'example.org/web:%s'}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: web\nstringData:\n  password: correct horse\n"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, **more).stdout


class Api:
    """One connection to the API server of `$KUBECONFIG`."""

    def __init__(self):
        self.upstream = kubeconfig.load(os.environ["KUBECONFIG"])
        self.connection = http.client.HTTPSConnection(
            self.upstream.host, self.upstream.port, context=self.upstream.tls, timeout=60
        )

    def ask(self, method, path, body=None, content_type="application/json"):
        headers = {"Content-Type": content_type}
        if self.upstream.authorization:
            headers["Authorization"] = self.upstream.authorization
        data = None if body is None else json.dumps(body)
        self.connection.request(method, self.upstream.base_path + path, data, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def apply(self, path, body):
        status, answer = self.ask("PATCH", path + "?fieldManager=bare&force=true", body, "application/apply-patch+yaml")
        if status not in (200, 201):
            raise SystemExit(f"{path}: {status} {answer[:300]}")


def bare_loop(count):
    """How long the API server takes to apply the objects of as many Deliveries, in seconds."""
    Api().ask("POST", "/api/v1/namespaces", {"metadata": {"name": "bare"}})

    def objects(index):
        name, labels = f"b{index}-web", {"app": "web"}
        metadata = {"name": name, "namespace": "bare"}
        pod = {"serviceAccountName": name, "containers": [{"name": "web", "image": "example.org/web:1"}]}
        deployment = {"replicas": 0, "selector": {"matchLabels": labels},
                      "template": {"metadata": {"labels": labels}, "spec": pod}}
        core = "/api/v1/namespaces/bare"
        yield f"{core}/serviceaccounts/{name}", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
        yield f"{core}/secrets/{name}", {"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
                                         "data": {"password": "Y29ycmVjdCBob3JzZQ=="}}
        yield f"{core}/services/{name}", {"apiVersion": "v1", "kind": "Service", "metadata": metadata,
                                          "spec": {"clusterIP": "None", "selector": labels, "ports": [{"port": 80}]}}
        yield f"/apis/apps/v1/namespaces/bare/deployments/{name}", {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment}

    def share(first):
        api = Api()
        for index in range(first, count, CONNECTIONS):
            for path, body in objects(index):
                api.apply(path, body)

    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(share, range(CONNECTIONS)))
    took = time.perf_counter() - begin
    Api().ask("DELETE", "/api/v1/namespaces/bare")
    return took


def repairs(tries, count):
    """How long deleted objects were gone, and edited ones wrong, in seconds."""
    api, took = Api(), []
    for index in range(tries):
        path = f"/apis/apps/v1/namespaces/default/deployments/a{index % count}-web"
        before = json.loads(api.ask("GET", path)[1])
        begin = time.perf_counter()
        if index % 2:
            api.ask("DELETE", path)

            def is_right(status, found):
                return status == 200 and found["metadata"]["uid"] != before["metadata"]["uid"]
        else:
            api.ask("PATCH", path, {"spec": {"replicas": 1}}, "application/merge-patch+json")

            def is_right(status, found):
                return status == 200 and found["spec"]["replicas"] == 0
        while True:
            status, answer = api.ask("GET", path)
            if is_right(status, json.loads(answer)):
                break
            time.sleep(0.01)
        took.append(time.perf_counter() - begin)
        # As an object is known that nobody touched for a while.
        time.sleep(1.5)
    return sorted(took)


class World:
    """A repository with N apps, keys, and the documents of `--config`."""

    def __init__(self, folder, count):
        self.folder, self.count = folder, count
        self.repository = folder / "repository"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / "key")
        run("git", "init", "-q", "-b", "main", self.repository)
        for name, value in {
            "user.name": "A", "user.email": "a@example.org", "gpg.format": "ssh", "commit.gpgsign": "true",
            "user.signingkey": folder / "key",
        }.items():
            run("git", "-C", self.repository, "config", name, value)
        identity = run(TOOLS / "age-keygen").decode()
        self.recipient = next(line.split()[-1] for line in identity.splitlines() if "public key" in line)
        sealed = run(
            TOOLS / "sops", "-e", "--age", self.recipient, "--encrypted-regex", "^stringData$", "--input-type", "yaml",
            "--output-type", "yaml", "/dev/stdin", input=SECRET.encode(),
        )
        for index in range(count):
            app = self.repository / f"apps/{index}"
            app.mkdir(parents=True)
            (app / "kustomization.yaml").write_text(
                f"namespace: default\nnamePrefix: a{index}-\nresources: [objects.yaml, secret.yaml]\n"
            )
            (app / "secret.yaml").write_bytes(sealed)
        self.write(range(count), "1")
        signers = "a@example.org " + " ".join((folder / "key.pub").read_text().split()[:2]) + "\n"
        documents = [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "signers"}, "data": {"allowed_signers": signers}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "age"}, "stringData": {"age.agekey": identity}},
            {"apiVersion": "fluxops.dev/v1alpha1", "kind": "GitSource", "metadata": {"name": "apps"}, "spec": {
                "url": f"file://{self.repository}", "ref": {"branch": "main"}, "interval": "1s",
                "verify": {"trustRef": {"kind": "ConfigMap", "name": "signers"}}}},
        ]
        documents += [
            {"apiVersion": "fluxops.dev/v1alpha1", "kind": "Delivery", "metadata": {"name": f"a{index}"}, "spec": {
                "sourceRef": {"name": "apps"}, "path": f"apps/{index}", "interval": "1h", "prune": True,
                "decryption": {"secretRef": {"name": "age"}}}}
            for index in range(count)
        ]
        config = folder / "config"
        config.mkdir()
        (config / "all.yaml").write_text("---\n".join(json.dumps(document) + "\n" for document in documents))

    def write(self, indexes, version):
        for index in indexes:
            (self.repository / f"apps/{index}/objects.yaml").write_text(OBJECTS % version)

    def commit(self, message):
        run("git", "-C", self.repository, "add", "-A")
        run("git", "-C", self.repository, "commit", "-q", "-m", message)
        return run("git", "-C", self.repository, "rev-parse", "HEAD").decode().strip()


class Fluxops:
    """The process, and which Deliveries it says it has reconciled for which commit."""

    def __init__(self, binary, world):
        self.done, self.changed = {}, threading.Condition()
        self.process = subprocess.Popen(
            [str(binary), "run", "--config", str(world.folder / "config"), "--state-dir", str(world.folder / "state"),
             "--log-format", "json"],
            stderr=subprocess.PIPE, text=True,
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stderr:
            record = json.loads(line)
            if record.get("level") == "ERROR":
                print(line, end="")
            if record.get("message") == "delivery reconciled":
                with self.changed:
                    self.done.setdefault(record["commit"].rsplit(":", 1)[1], set()).add(record["object"])
                    self.changed.notify_all()

    def wait(self, commit, count):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.done.get(commit, ())) >= count, timeout=600):
                raise SystemExit(f"{len(self.done.get(commit, ()))} of {count} after ten minutes")

    def processor(self):
        """The time on processors so far, in seconds."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        """Now and at most, in MB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return tuple(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release-static/fluxops")
    parser.add_argument("--deliveries", type=int, default=100)
    parser.add_argument("--repairs", type=int, default=0, help="how often an object is deleted or edited")
    parser.add_argument("--quiet", type=int, default=0, help="how many seconds nothing happens")
    arguments = parser.parse_args()
    count = arguments.deliveries
    with tempfile.TemporaryDirectory() as folder:
        world = World(pathlib.Path(folder), count)
        print(f"{count} Deliveries of 4 objects, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        print(f"a bare loop of the same applies, {CONNECTIONS} connections: {bare_loop(count):.2f} s")
        begin = time.perf_counter()
        commit = world.commit("Install")
        fluxops = Fluxops(arguments.binary, world)
        try:
            fluxops.wait(commit, count)
            print(f"first install: {time.perf_counter() - begin:.2f} s")
            for what, indexes, version in [("one", [count // 2], "2"), ("one", [0], "3"), ("all", range(count), "4")]:
                time.sleep(3)
                world.write(indexes, version)
                begin = time.perf_counter()
                commit = world.commit(f"Change {what}")
                fluxops.wait(commit, len(indexes))
                print(f"a commit that changes {what}: {time.perf_counter() - begin:.2f} s")
            now, most = fluxops.resident()
            print(f"resident memory: {now:.0f} MB now, {most:.0f} MB at most")
            if arguments.repairs:
                took = repairs(arguments.repairs, count)
                at = {share: took[min(len(took) - 1, int(len(took) * share))] for share in (0.5, 0.99)}
                print(f"{len(took)} repairs: median {at[0.5]:.2f} s, 99th percentile {at[0.99]:.2f} s, longest {took[-1]:.2f} s")
            if arguments.quiet:
                time.sleep(10)
                before = fluxops.processor()
                time.sleep(arguments.quiet)
                share = (fluxops.processor() - before) / arguments.quiet * 100
                print(f"{arguments.quiet} s of nothing but polls each second: {share:.2f} % of one processor")
        finally:
            fluxops.process.terminate()
            fluxops.process.wait()


if __name__ == "__main__":
    main()
