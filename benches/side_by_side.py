#!/usr/bin/env python3
"""fluxops beside the tools it stands in for, on the same inputs, in one run.

    make release tools && benches/side_by_side.py [--binary target/release-static/fluxops]

Each figure is the median of several runs and is stated with the load of the machine; the ratio is what counts. Nothing
is decided by it.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / "target/tools/bin"
RUNS = 5

# Histories are made in lanes, so that one call of ssh-keygen signs a commit of each.
LANES, STEPS = 100, 100
# What git and sops take per file or commit is measured on some of them.
SAMPLE = 100
SECRETS = 1000
OVERLAYS = 100


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, **more).stdout


def seconds(command, runs=RUNS, **more):
    """The median time of a command that has to succeed."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        run(*command, **more)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def report(what, ours, theirs, unit):
    print(f"{what}: fluxops {ours * 1000:.3f} ms, {unit} {theirs * 1000:.3f} ms, {theirs / ours:.0f} times")


def signed_history(folder):
    """A bare repository with a merge of LANES lines of STEPS signed commits each; its trust folder; all commits."""
    key, repository, trust = folder / "key", folder / "r.git", folder / "trust"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
    run("git", "init", "-q", "--bare", "-b", "main", repository)
    trust.mkdir()
    public = " ".join((folder / "key.pub").read_text().split()[:2])
    (trust / "allowed_signers").write_text(f"a@example.org {public}\n")
    tree = run("git", "-C", repository, "hash-object", "-t", "tree", "-w", "--stdin", input=b"").decode().strip()

    def commits(parents, step):
        parts, files = [], []
        for lane, of in enumerate(parents):
            who = f"A <a@example.org> {1700000000 + step} +0000"
            head = f"tree {tree}\n" + "".join(f"parent {parent}\n" for parent in of)
            parts.append((f"{head}author {who}\ncommitter {who}\n", f"\nstep {step} lane {lane}\n"))
            files.append(folder / f"{lane}.unsigned")
            files[-1].write_text("".join(parts[-1]))
            pathlib.Path(f"{files[-1]}.sig").unlink(missing_ok=True)
        run("ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", key, *files)
        for file, (head, body) in zip(files, parts):
            signature = pathlib.Path(f"{file}.sig").read_text().rstrip("\n").replace("\n", "\n ")
            file.with_suffix(".commit").write_text(f"{head}gpgsig {signature}\n{body}")
        paths = "\n".join(str(file.with_suffix(".commit")) for file in files)
        command = ("git", "-C", repository, "hash-object", "-t", "commit", "-w", "--stdin-paths")
        return run(*command, input=paths.encode()).decode().split()

    heads = [commits([[]], 0)] * LANES
    for step in range(1, STEPS + 1):
        heads = [[commit] for commit in commits(heads, step)]
    [head] = commits([[commit for [commit] in heads]], STEPS + 1)
    run("git", "-C", repository, "update-ref", "refs/heads/main", head)
    run("git", "-C", repository, "repack", "-adq")
    run("git", "-C", repository, "config", "gpg.ssh.allowedSignersFile", trust / "allowed_signers")
    return repository, trust, run("git", "-C", repository, "rev-list", "main").decode().split()


def verifying(fluxops, folder):
    repository, trust, commits = signed_history(folder)
    ours = seconds((fluxops, "verify", "--repo", repository, "--trust", trust, "main"))
    theirs = seconds(("git", "-C", repository, "verify-commit", *commits[:SAMPLE]), runs=3)
    report(f"verifying {len(commits)} signed commits, each", ours / len(commits), theirs / SAMPLE, "git verify-commit")


def opening(fluxops, folder):
    key = folder / "key.txt"
    run(TOOLS / "age-keygen", "-o", key)
    recipient = run(TOOLS / "age-keygen", "-y", key).decode().strip()
    files = []
    for number in range(SECRETS):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(
            f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: s{number}\nstringData:\n  user: u{number}\n"
            f"  password: p{number}\n  token: t{number}\n"
        )
    run(fluxops, "secrets", "encrypt", "-i", "--age", recipient, "--encrypted-regex", "^(data|stringData)$", *files)
    environment = {**os.environ, "SOPS_AGE_KEY_FILE": str(key)}
    ours = seconds((fluxops, "secrets", "decrypt", *files), env=environment)
    theirs = statistics.median(
        seconds((TOOLS / "sops", "decrypt", file), runs=1, env=environment) for file in files[:SAMPLE]
    )
    report(f"opening {SECRETS} sealed files, each", ours / SECRETS, theirs, "sops decrypt")


def rendering(fluxops, folder):
    base = folder / "base"
    base.mkdir()
    (base / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    (base / "all.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 0\n"
        "  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n"
        "      serviceAccountName: web\n      containers:\n      - name: web\n        image: example.org/web:1\n"
        "        envFrom: [{configMapRef: {name: web}}]\n"
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
        "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n"
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: b}\n"
    )
    for count in (OVERLAYS, 10 * OVERLAYS):
        top = folder / f"top{count}"
        for number in range(count):
            overlay = top / f"o{number}"
            overlay.mkdir(parents=True)
            (overlay / "kustomization.yaml").write_text(
                f"namePrefix: p{number}-\nnamespace: ns{number}\nresources: [../../base]\n"
            )
        listed = "".join(f"- o{number}\n" for number in range(count))
        (top / "kustomization.yaml").write_text(f"resources:\n{listed}")
        ours = seconds((fluxops, "build", top.name), cwd=folder)
        theirs = seconds((TOOLS / "kustomize", "build", top.name), runs=1, cwd=folder)
        report(f"rendering {4 * count} objects of {count} overlays", ours, theirs, "kustomize build")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release-static/fluxops")
    arguments = parser.parse_args()
    fluxops = arguments.binary.resolve()
    if not fluxops.exists():
        sys.exit(f"{fluxops} is not there: make release")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {RUNS} runs")
    for measure in (verifying, opening, rendering):
        with tempfile.TemporaryDirectory() as folder:
            measure(fluxops, pathlib.Path(folder))


if __name__ == "__main__":
    main()
