#!/usr/bin/env python3
"""The few calls of kubectl that the demo needs, so that it needs no kubectl. Uses $KUBECONFIG.

  kube apply [FILE…]                       server-side apply of block-style YAML documents; standard input without FILE
  kube create secret|configmap NAME KEY=FILE… -n NS
  kube get KIND[/NAME] [-n NS] [FIELD…]    all of it as JSON, or FIELDs such as .spec.replicas, one a line
  kube scale deployment/NAME COUNT -n NS
  kube patch KIND/NAME JSON [-n NS]        JSON merge patch
  kube delete KIND/NAME [-n NS]            returns once it is gone; nothing to do where it is not there
"""

import argparse
import base64
import http.client
import json
import os
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "world"))
import kubeconfig  # noqa: E402

FIELD_MANAGER = "fluxops-demo"
REQUEST_SECONDS = 30
# How long a new kind may take to be served, and a deletion to be finished.
PATIENCE_SECONDS = 30
POLL_SECONDS = 0.2

OURS = "apis/fluxops.dev/v1alpha1"
# The path of the API and the plural, per kind.
KINDS = {
    "namespace": ("api/v1", "namespaces"),
    "secret": ("api/v1", "secrets"),
    "configmap": ("api/v1", "configmaps"),
    "deployment": ("apis/apps/v1", "deployments"),
    "customresourcedefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "gitsource": (OURS, "gitsources"),
    "delivery": (OURS, "deliveries"),
    "notifier": (OURS, "notifiers"),
}


class Failed(Exception):
    """What the API server answered, or that it did not."""


class Api:
    """The API server of the kubeconfig's current context."""

    def __init__(self):
        self._upstream = kubeconfig.load(os.environ["KUBECONFIG"])

    def call(self, method, path, body=None, content_type="application/json"):
        """The answer as a value; None for 404."""
        upstream = self._upstream
        if upstream.tls:
            connection = http.client.HTTPSConnection(
                upstream.host, upstream.port, timeout=REQUEST_SECONDS, context=upstream.tls
            )
        else:
            connection = http.client.HTTPConnection(upstream.host, upstream.port, timeout=REQUEST_SECONDS)
        headers = {"Accept": "application/json", "Content-Type": content_type}
        if upstream.authorization:
            headers["Authorization"] = upstream.authorization
        try:
            connection.request(method, f"{upstream.base_path}/{path}", body, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status == 404:
            return None
        if response.status >= 300:
            raise Failed(f"{method} /{path}: {response.status} {json.loads(answer).get('message', '')}")
        return json.loads(answer)

    def apply(self, kind, namespace, name, body):
        """Server-side apply of a YAML or JSON text; a kind that was made a moment ago is waited for."""
        path = f"{path_of(kind, namespace, name)}?fieldManager={FIELD_MANAGER}&force=true"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (applied := self.call("PATCH", path, body, "application/apply-patch+yaml")) is None:
            if time.monotonic() > deadline:
                raise Failed(f"the server knows no {kind}, or no namespace {namespace}")
            time.sleep(POLL_SECONDS)
        print(f"{kind}/{name} applied")
        return applied


def path_of(kind, namespace, name=None):
    """The path of an object, or of all objects of a kind."""
    api, plural = KINDS[kind]
    elements = [api, *(["namespaces", namespace] if namespace else []), plural, *([name] if name else [])]
    return "/".join(elements)


def documents(text):
    """(kind, namespace, name, text) of each document; its first lines must be in the usual block style."""
    for document in re.split(r"^---\n", text, flags=re.MULTILINE):
        kind = re.search(r"^kind: (\w+)$", document, re.MULTILINE)
        metadata = re.search(r"^metadata:\n((?: .*\n)+)", document, re.MULTILINE)
        if not kind or not metadata:
            raise Failed("a document without kind or metadata")
        name, namespace = (re.search(rf"^  {key}: (\S+)$", metadata[1], re.MULTILINE) for key in ("name", "namespace"))
        yield kind[1].lower(), namespace and namespace[1], name[1], document


def apply(api, options):
    texts = [pathlib.Path(file).read_text(encoding="utf-8") for file in options.files] or [sys.stdin.read()]
    for text in texts:
        for kind, namespace, name, document in documents(text):
            api.apply(kind, namespace, name, document.encode())


def create(api, options):
    holder = {"apiVersion": "v1", "metadata": {"name": options.name, "namespace": options.namespace}}
    entries = dict(entry.split("=", 1) for entry in options.entries)
    contents = {key: pathlib.Path(file).read_bytes() for key, file in entries.items()}
    if options.kind == "secret":
        holder |= {"kind": "Secret", "data": {key: base64.b64encode(data).decode() for key, data in contents.items()}}
    else:
        holder |= {"kind": "ConfigMap", "data": {key: data.decode() for key, data in contents.items()}}
    api.apply(options.kind, options.namespace, options.name, json.dumps(holder).encode())


def get(api, options):
    kind, _, name = options.object.partition("/")
    found = api.call("GET", path_of(kind, options.namespace, name))
    if found is None:
        raise Failed(f"there is no {options.object}")
    if not options.fields:
        print(json.dumps(found, indent=2))
    for field in options.fields:
        value = found
        for key in field.strip(".").split("."):
            value = value.get(key, {})
        print(value if isinstance(value, (str, int)) else json.dumps(value))


def scale(api, options):
    change = json.dumps({"spec": {"replicas": options.count}})
    kind, _, name = options.object.partition("/")
    answer = api.call("PATCH", path_of(kind, options.namespace, name), change, "application/merge-patch+json")
    if answer is None:
        raise Failed(f"there is no {options.object}")
    # What it has by its own answer: somebody may put it back before it is asked again.
    print(f"{options.object} has {answer['spec']['replicas']} replicas now")


def patch(api, options):
    kind, _, name = options.object.partition("/")
    if api.call("PATCH", path_of(kind, options.namespace, name), options.patch, "application/merge-patch+json") is None:
        raise Failed(f"there is no {options.object}")
    print(f"{options.object} changed")


def delete(api, options):
    kind, _, name = options.object.partition("/")
    path = path_of(kind, options.namespace, name)
    deadline = time.monotonic() + PATIENCE_SECONDS
    if api.call("DELETE", path) is None:
        return
    while api.call("GET", path) is not None:
        if time.monotonic() > deadline:
            raise Failed(f"{options.object} is still there after {PATIENCE_SECONDS} s")
        time.sleep(POLL_SECONDS)
    print(f"{options.object} deleted")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    positional = {
        apply: [("files", "*", str)],
        create: [("kind", None, str), ("name", None, str), ("entries", "+", str)],
        get: [("object", None, str), ("fields", "*", str)],
        scale: [("object", None, str), ("count", None, int)],
        patch: [("object", None, str), ("patch", None, str)],
        delete: [("object", None, str)],
    }
    for action, names in positional.items():
        command = commands.add_parser(action.__name__)
        for name, count, of_type in names:
            command.add_argument(name, nargs=count, type=of_type)
        command.add_argument("-n", "--namespace")
        command.set_defaults(action=action)
    return parser.parse_args()


def main():
    options = arguments()
    try:
        options.action(Api(), options)
    except (Failed, kubeconfig.Unusable, OSError) as error:
        sys.exit(f"kube: {error}")


if __name__ == "__main__":
    main()
