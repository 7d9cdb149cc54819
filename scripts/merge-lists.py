#!/usr/bin/env python3
"""Writes crates/kustomize/src/schema/builtin.rs: the lists of the built-in kinds that a strategic merge merges by key.

usage: merge-lists.py OPENAPI > crates/kustomize/src/schema/builtin.rs

OPENAPI is an OpenAPI v2 document of Kubernetes as JSON, plain or gzipped. What kustomize 5.8 merges by is in its module
sigs.k8s.io/kustomize/kyaml, under openapi/kubernetesapi/data. Only facts are taken: which fields are merged, and by which
keys. Types that lead to no such list are left out, and types that lead to the same ones are one.
"""
import gzip
import json
import re
import subprocess
import sys

REFERENCE = "#/definitions/"


def load(path):
    raw = open(path, "rb").read()
    return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


class Types:
    """The types that lead to a merged list, each once."""

    def __init__(self, definitions):
        self.definitions = definitions
        self.known = {}  # definition -> name of the type, or None
        self.names = {}  # fields -> name of the type
        self.open = set()  # definitions that are being read

    def of_definition(self, definition):
        if definition in self.known:
            return self.known[definition]
        if definition in self.open:
            return None  # recursive types hold no merged lists
        self.open.add(definition)
        name = self.of_schema(self.definitions[definition], definition)
        self.open.remove(definition)
        self.known[definition] = name
        return name

    def of_schema(self, schema, definition):
        fields = []
        for field, value in sorted(schema.get("properties", {}).items()):
            described = self.field(value)
            if described:
                fields.append((field, described))
        if not fields:
            return None
        fields = tuple(fields)
        if fields not in self.names:
            parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", definition).upper().split(".")
            name = "OBJECT" if [field for field, _ in fields] == ["metadata"] else parts[-1]
            if name in self.names.values():
                name = f"{parts[-1]}_{parts[-2]}_{parts[-3]}"
            self.names[fields] = name
        return self.names[fields]

    def field(self, schema):
        if "$ref" in schema:
            inner = self.of_definition(schema["$ref"].removeprefix(REFERENCE))
            return inner and f"Object(&{inner})"
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind != "array" or "merge" not in schema.get("x-kubernetes-patch-strategy", "").split(","):
            return None
        keys = schema.get("x-kubernetes-list-map-keys")
        if keys is None:
            key = schema.get("x-kubernetes-patch-merge-key")
            keys = [key] if key else []
        reference = schema.get("items", {}).get("$ref")
        inner = reference and self.of_definition(reference.removeprefix(REFERENCE))
        listed = ", ".join(f'"{key}"' for key in keys)
        return f"List(&[{listed}], {f'&{inner}' if inner else '&PLAIN'})"


def kinds(document):
    """Every kind with its definition."""
    for resource in document.get("resources", []):
        if "definition" in resource:
            yield resource["apiVersion"], resource["kind"], resource["definition"]
    for definition, schema in document["definitions"].items():
        for gvk in schema.get("x-kubernetes-group-version-kind", []):
            prefix = f"{gvk['group']}/" if gvk["group"] else ""
            yield prefix + gvk["version"], gvk["kind"], definition


def main():
    document = load(sys.argv[1])
    definitions = {name: schema for name, schema in document["definitions"].items() if not name.endswith("List")}
    types = Types(definitions)
    by_kind = {}
    for version, kind, definition in sorted(set(kinds(document))):
        name = definition in definitions and types.of_definition(definition)
        if name:
            by_kind.setdefault((kind, name), []).append(version)
    out = [
        "//! The lists of Kubernetes' own kinds that a strategic merge merges by key.",
        "//!",
        "//! Written by `scripts/merge-lists.py`; change that, not this.",
        "",
        "use super::BuiltinField::{List, Object};",
        "use super::BuiltinType;",
        "",
        "/// What leads to no merged list.",
        "static PLAIN: BuiltinType = BuiltinType(&[]);",
    ]
    for fields, name in sorted(types.names.items(), key=lambda item: item[1]):
        rows = "".join(f'("{field}", {described}),' for field, described in fields)
        out.append(f"static {name}: BuiltinType = BuiltinType(&[{rows}]);")
    out.append("/// Kinds, with the versions of the API that have them.")
    out.append("pub(super) static KINDS: &[(&str, &[&str], &BuiltinType)] = &[")
    for (kind, name), versions in sorted(by_kind.items()):
        listed = ", ".join(f'"{version}"' for version in versions)
        out.append(f'("{kind}", &[{listed}], &{name}),')
    out.append("];")
    out.append("/// The types by the names of their definitions, by which the schema of a custom kind can refer to them.")
    out.append("pub(super) static DEFINITIONS: &[(&str, &BuiltinType)] = &[")
    for definition in sorted(definitions):
        name = types.of_definition(definition)
        if name:
            out.append(f'("{definition}", &{name}),')
    out.append("];")
    text = "\n".join(out) + "\n"
    formatted = subprocess.run(["rustfmt"], input=text, text=True, capture_output=True, check=True)
    sys.stdout.write(formatted.stdout)


if __name__ == "__main__":
    main()
