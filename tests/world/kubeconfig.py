"""Reads what a proxy needs from a kubeconfig: the server, how to trust it, and the credentials.

Kubeconfigs are written by client-go, kind, k3s and our own control plane as JSON or as block-style YAML; the
standard library reads the first, `_Block` the second. Anything beyond that subset (flow collections with content,
anchors, block scalars) is refused, never guessed.
"""

import base64
import json
import pathlib
import re
import ssl
import tempfile
import urllib.parse


class Unusable(Exception):
    """A kubeconfig that cannot be used, and why."""


class Upstream:
    """An API server: host, port, TLS settings (None for http) and the Authorization header (None for none)."""

    def __init__(self, server, tls, authorization):
        self.tls = tls
        self.host = server.hostname
        self.port = server.port or (443 if server.scheme == "https" else 80)
        self.authority = server.netloc
        self.authorization = authorization
        self.base_path = server.path.rstrip("/")


def load(path):
    """The API server of a kubeconfig's current context; `Unusable` says what is missing."""
    folder = pathlib.Path(path).resolve().parent
    config = parse(pathlib.Path(path).read_text(encoding="utf-8"))
    context = _named(config, "contexts", config.get("current-context"), "context")
    cluster = _named(config, "clusters", context.get("cluster"), "cluster")
    user = _named(config, "users", context.get("user"), "user") if context.get("user") else {}
    server = urllib.parse.urlsplit(cluster.get("server", ""))
    if server.scheme not in ("http", "https") or not server.hostname:
        raise Unusable("the cluster has no http or https server")
    if "exec" in user or "auth-provider" in user:
        raise Unusable("credential plugins are not supported")
    return Upstream(server, _tls(cluster, user, folder) if server.scheme == "https" else None, _bearer(user, folder))


def anonymous(server, ca_pem=None):
    """The text of a kubeconfig, as JSON, that reaches `server` without credentials."""
    cluster = {"server": server}
    if ca_pem:
        cluster["certificate-authority-data"] = base64.b64encode(ca_pem).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": cluster}],
        "users": [{"name": "proxy", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        "current-context": "proxy",
    }
    return json.dumps(config, indent=2) + "\n"


def parse(text):
    """A kubeconfig's text as Python values."""
    try:
        config = json.loads(text)
    except ValueError:
        config = _Block(text).document()
    if not isinstance(config, dict):
        raise Unusable("not a kubeconfig: the document is not a mapping")
    return config


def _named(config, kind, name, key):
    for entry in config.get(kind) or []:
        if isinstance(entry, dict) and entry.get("name") == name and name is not None:
            return entry.get(key) or {}
    raise Unusable(f"no {key} named {name!r}")


def _material(holder, key, folder):
    """The bytes of `KEY-data` (base64) or of the file that `KEY` names; None if neither is there."""
    if holder.get(f"{key}-data"):
        return base64.b64decode(holder[f"{key}-data"])
    return (folder / holder[key]).read_bytes() if holder.get(key) else None


def _tls(cluster, user, folder):
    authority = _material(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if str(cluster.get("insecure-skip-tls-verify")).lower() == "true":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = (_material(user, name, folder) for name in ("client-certificate", "client-key"))
    if certificate and key:
        # The ssl module loads from files only: they live in a private folder for the time of the call.
        with tempfile.TemporaryDirectory() as private:
            pem = pathlib.Path(private) / "client.pem"
            pem.write_bytes(certificate + b"\n" + key)
            context.load_cert_chain(pem)
    return context


def _bearer(user, folder):
    if user.get("tokenFile"):
        return "Bearer " + (folder / user["tokenFile"]).read_text(encoding="utf-8").strip()
    return f"Bearer {user['token']}" if user.get("token") else None


class _Block:
    """A reader for block mappings, block sequences and one-line scalars, by recursive descent over lines."""

    _KEY = re.compile(r"(?P<key>[A-Za-z0-9_./-]+|\"[^\"\\]*\"|'[^']*')\s*:(?:\s+(?P<value>.*))?$")

    def __init__(self, text):
        self._lines = []
        for line in text.splitlines():
            content = line.strip()
            if content and not content.startswith("#") and content != "---":
                self._lines.append((len(line) - len(line.lstrip(" ")), content))
        self._at = 0

    def document(self):
        value = self._node(0)
        if self._at < len(self._lines):
            raise Unusable(f"not read as YAML: {self._where()}")
        return value

    def _where(self):
        # The key alone: the value may be a credential.
        return repr(self._lines[self._at][1].partition(":")[0])

    def _node(self, indent):
        if self._at >= len(self._lines) or self._lines[self._at][0] < indent:
            return None
        indent, content = self._lines[self._at]
        return self._sequence(indent) if content.startswith("-") else self._mapping(indent)

    def _sequence(self, indent):
        items = []
        while self._at < len(self._lines):
            depth, content = self._lines[self._at]
            if depth != indent or not (content == "-" or content.startswith("- ")):
                break
            rest = content[1:].lstrip(" ")
            inner = indent + len(content) - len(rest)
            if not rest:
                self._at += 1
                items.append(self._node(indent + 1))
            elif self._KEY.match(rest):
                self._lines[self._at] = (inner, rest)
                items.append(self._mapping(inner))
            else:
                self._at += 1
                items.append(self._scalar(rest))
        return items

    def _mapping(self, indent):
        result = {}
        while self._at < len(self._lines) and self._lines[self._at][0] == indent:
            content = self._lines[self._at][1]
            if content.startswith("- "):
                break
            match = self._KEY.match(content)
            if match is None:
                raise Unusable(f"not read as YAML: {self._where()}")
            key = match["key"].strip("\"'")
            if key in result:
                raise Unusable(f"duplicate key {key!r}")
            self._at += 1
            if match["value"]:
                result[key] = self._scalar(match["value"])
            elif self._starts_sequence(indent):
                result[key] = self._sequence(indent)
            else:
                result[key] = self._node(indent + 1)
        return result

    def _starts_sequence(self, indent):
        """Whether the next line begins a sequence at its parent's indentation, as client-go writes them."""
        return self._at < len(self._lines) and self._lines[self._at][0] == indent and self._lines[self._at][1][0] == "-"

    def _scalar(self, text):
        if text in ("{}", "[]"):
            return {} if text == "{}" else []
        if text[0] == '"' and text[-1] == '"' and len(text) > 1:
            try:
                return json.loads(text)
            except ValueError:
                raise Unusable("not read as YAML: an escape in a quoted scalar") from None
        if text[0] == "'" and text[-1] == "'" and len(text) > 1:
            return text[1:-1].replace("''", "'")
        if text[0] in "{[&*!|>%@`\"'":
            raise Unusable(f"not read as YAML: a value that begins with {text[0]!r}")
        plain = text.split(" #", 1)[0].rstrip()
        return {"true": True, "false": False, "null": None, "~": None}.get(plain, plain)
