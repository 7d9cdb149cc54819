#!/usr/bin/env python3
"""A reverse proxy before a Kubernetes API server that logs every request and fails when told to.

`--kubeconfig IN --out OUT` reads IN's current context and writes OUT, a kubeconfig without credentials that points
to the proxy; the proxy adds IN's credentials to requests that have none of their own. Responses are passed on as
they come, byte for byte, so watches and chunked lists stream. Not for upgrades (exec, attach, port-forward).

Control, not forwarded:
  GET|DELETE /__requests    the log as a JSON array; empties it
  GET|DELETE /__faults      the rules with their remaining counts; removes them
  POST /__faults            {"rules": [RULE, ...]} replaces all rules; the first that matches is applied

  RULE = {"match": {"method": "PATCH", "path_regex": "/secrets/", "query_regex": "dryRun=All"},
          "action": ACTION, "count": 1, "skip": 0, ...}
  Every part of match is optional; regular expressions are searched for in the raw path and query. `count` is how
  often the rule applies (null: always), `skip` how many matching requests pass before.

  "action": "status"  with "status": 400 to 599, optional "retry_after": SECONDS, "message", "reason", or "body" (JSON)
                      in place of the Status object that an API server would send; not forwarded
  "action": "cut"     closes the connection "at": "request" (not forwarded), "response" (forwarded and carried out, no
                      answer) or "body" (in the middle of the body; the default)
  "action": "hang"    with "seconds": waits, then forwards, unless the client has left
"""

import collections
import json
import pathlib
import re
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import kubeconfig
import service

CONNECT_SECONDS = 10
READ_BYTES = 64 * 1024
MAX_HEAD_BYTES = 256 * 1024
# The log in memory keeps the newest requests; a test that needs more reads the file.
MAX_LOGGED_REQUESTS = 100_000
# Headers of one connection only (RFC 9110 §7.6.1); the proxy frames request bodies anew.
HOP_HEADERS = ("connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length", "host")
# What an API server calls a failure (metav1.StatusReason).
REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
RULE_FIELDS = {
    "status": {"status", "retry_after", "message", "reason", "body"},
    "cut": {"at"},
    "hang": {"seconds"},
}


class UpstreamFailed(Exception):
    """The API server could not be reached, or broke off."""


class ClientLeft(Exception):
    """The client closed its connection."""


class Rule:
    """One fault: which requests it meets, what it does, and how often still."""

    def __init__(self, spec):
        """Takes a rule's JSON; ValueError says what is wrong with it."""
        if not isinstance(spec, dict) or spec.get("action") not in RULE_FIELDS:
            raise ValueError(f"action must be one of {', '.join(RULE_FIELDS)}")
        unknown = set(spec) - {"match", "action", "count", "skip"} - RULE_FIELDS[spec["action"]]
        match = spec.get("match", {})
        unknown |= set(match) - {"method", "path_regex", "query_regex"}
        if unknown:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        self.spec = spec
        self.action = spec["action"]
        self.count = spec.get("count", 1)
        self.skip = spec.get("skip", 0)
        self._method = match.get("method")
        try:
            self._path, self._query = (re.compile(match.get(name, "")) for name in ("path_regex", "query_regex"))
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if self.action == "status" and spec.get("status") not in range(400, 600):
            raise ValueError("status must be 400 to 599")
        if self.action == "cut" and spec.get("at", "body") not in ("request", "response", "body"):
            raise ValueError("at must be request, response or body")
        if self.action == "hang" and not isinstance(spec.get("seconds"), (int, float)):
            raise ValueError("seconds are missing")

    def matches(self, method, path, query):
        return self._method in (None, method) and bool(self._path.search(path)) and bool(self._query.search(query))

    def describe(self):
        return {**self.spec, "count": self.count, "skip": self.skip}


class Proxy:
    """The API server behind the proxy, the rules and the log; every method is safe to call from any thread."""

    def __init__(self, upstream, log):
        self.upstream = upstream
        self._file = log
        self._lock = threading.Lock()
        self._rules = []
        self._requests = collections.deque(maxlen=MAX_LOGGED_REQUESTS)

    def set_rules(self, specs):
        rules = [Rule(spec) for spec in specs]
        with self._lock:
            self._rules = rules

    def rules(self):
        with self._lock:
            return [rule.describe() for rule in self._rules]

    def due(self, method, path, query):
        """The rule to apply to a request, which is thereby used once; None to forward it unharmed."""
        with self._lock:
            for rule in self._rules:
                if rule.count == 0 or not rule.matches(method, path, query):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                if rule.count is not None:
                    rule.count -= 1
                return rule
        return None

    def note(self, record):
        with self._lock:
            self._requests.append(record)
        self._file.append(record)

    def requests(self):
        with self._lock:
            return list(self._requests)

    def forget_requests(self):
        with self._lock:
            self._requests.clear()


class Connection:
    """A kept-alive connection to the API server with its read buffer."""

    def __init__(self, upstream):
        try:
            plain = socket.create_connection((upstream.host, upstream.port), CONNECT_SECONDS)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket = upstream.tls.wrap_socket(plain, server_hostname=upstream.host) if upstream.tls else plain
        except OSError as error:
            raise UpstreamFailed(f"no connection: {error}") from error
        self.socket.settimeout(None)
        self._buffer = b""

    def close(self):
        self.socket.close()

    def is_stale(self):
        """Whether the server has closed the connection, or sent what nobody asked for, while it was idle."""
        return bool(self._buffer or self._pending() or select.select([self.socket], [], [], 0)[0])

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise UpstreamFailed(f"sending: {error}") from error

    def read(self, client):
        """The next bytes, b"" at the end; ClientLeft as soon as the client has gone."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        if not self._pending():
            while self.socket not in (ready := select.select([self.socket, *client.watched()], [], [])[0]):
                if ready:
                    client.raise_if_left()
        try:
            return self.socket.recv(READ_BYTES)
        except OSError as error:
            raise UpstreamFailed(f"receiving: {error}") from error

    def read_head(self, client):
        """A response's head without the empty line; interim 1xx responses are passed over."""
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.read(client)
            if not data or len(head) > MAX_HEAD_BYTES:
                raise UpstreamFailed("the server closed the connection before its answer")
            head += data
        head, _, self._buffer = head.partition(b"\r\n\r\n")
        return self.read_head(client) if head[9:10] == b"1" else head

    def give_back(self, data):
        self._buffer = data + self._buffer

    def _pending(self):
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0


class Client:
    """The client's side of a connection, watched while the server is waited for."""

    def __init__(self, handler):
        self._handler = handler
        self._sent_more = False

    def watched(self):
        return [] if self._sent_more else [self._handler.connection]

    def raise_if_left(self):
        """Raises ClientLeft at the end of the client's stream; a pipelined request waits its turn."""
        try:
            if not self._handler.rfile.peek(1):
                raise ClientLeft
        except OSError as error:
            raise ClientLeft from error
        self._sent_more = True

    def send(self, data):
        try:
            self._handler.wfile.write(data)
        except OSError as error:
            raise ClientLeft from error

    def wait(self, seconds):
        """Waits, or raises ClientLeft as soon as the client has gone."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select(self.watched(), [], [], left)[0]:
                self.raise_if_left()


class ChunkedEnd:
    """Finds the end of a chunked body (RFC 9112 §7.1) in bytes that are passed on unchanged."""

    def __init__(self):
        self._in_data = 0
        self._line = b""
        self._last = False
        self.done = False

    def feed(self, data):
        """Takes the next bytes; how many of them belong to the body."""
        at = 0
        while at < len(data) and not self.done:
            if self._in_data:
                step = min(self._in_data, len(data) - at)
                self._in_data -= step
                at += step
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                return len(data)
            line, self._line = (self._line + data[at:end]).strip(), b""
            at = end + 1
            if self._last:
                self.done = not line
            else:
                try:
                    size = int(line.split(b";")[0], 16)
                except ValueError:
                    raise UpstreamFailed("a malformed chunk") from None
                # The data's own CRLF counts with it.
                self._in_data = size + 2 if size else 0
                self._last = size == 0
        return at


class LengthEnd:
    """Finds the end of a body of known length, or of one that lasts until the connection closes (None)."""

    def __init__(self, length):
        self._left = length
        self.done = length == 0

    def feed(self, data):
        if self._left is None:
            return len(data)
        step = min(self._left, len(data))
        self._left -= step
        self.done = self._left == 0
        return step


class ProxyHandler(service.Handler):
    """Forwards one client connection's requests over one connection to the API server."""

    upstream_connection = None

    def handle_request(self):
        body = self.read_body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        if path.startswith("/__"):
            self.control(path, body)
            return
        proxy = self.server.state
        rule = proxy.due(self.command, path, query)
        record = {
            "time": time.time(),
            "method": self.command,
            "path": path,
            "query": query,
            "accept": self.headers.get("Accept"),
            "content_type": self.headers.get("Content-Type"),
            "impersonate": self.headers.get("Impersonate-User"),
            "request_bytes": len(body),
            "status": None,
            "content_length": None,
            "response_bytes": 0,
            "fault": rule.action if rule else None,
            "error": None,
        }
        started = time.monotonic()
        try:
            self.answer_or_fail(rule, body, record)
        except (UpstreamFailed, ClientLeft) as failure:
            # The client sees what a lost server looks like: a connection that closes.
            record["error"] = str(failure) or "the client left"
            self.drop()
        record["seconds"] = round(time.monotonic() - started, 6)
        proxy.note(record)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_request

    def finish(self):
        if self.upstream_connection:
            self.upstream_connection.close()
        super().finish()

    def drop(self):
        self.close_connection = True
        if self.upstream_connection:
            self.upstream_connection.close()
            self.upstream_connection = None

    def control(self, path, body):
        proxy = self.server.state
        if (self.command, path) == ("GET", "/__requests"):
            self.answer_json(200, proxy.requests())
        elif (self.command, path) == ("DELETE", "/__requests"):
            proxy.forget_requests()
            self.answer_json(200, [])
        elif (self.command, path) == ("GET", "/__faults"):
            self.answer_json(200, {"rules": proxy.rules()})
        elif (self.command, path) in (("POST", "/__faults"), ("DELETE", "/__faults")):
            try:
                proxy.set_rules(json.loads(body)["rules"] if self.command == "POST" else [])
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                self.answer_json(400, {"error": f"{type(error).__name__}: {error}"})
                return
            self.answer_json(200, {"rules": proxy.rules()})
        else:
            self.answer(404, b"no such control\n")

    def answer_or_fail(self, rule, body, record):
        action = rule.action if rule else None
        cut_at = rule.spec.get("at", "body") if action == "cut" else None
        client = Client(self)
        if action == "status":
            self.answer_status(rule.spec, record)
            return
        if action == "hang":
            client.wait(rule.spec["seconds"])
        if cut_at == "request":
            self.drop()
            return
        server = self.send_upstream(body)
        head = server.read_head(client)
        lines = head.split(b"\r\n")
        status = int(lines[0].split(b" ", 2)[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers[b"content-length"]) if b"content-length" in headers else None
        record.update(status=status, content_length=length)
        end = self.body_end(status, headers, length)
        if cut_at == "response":
            self.drain(server, client, end)
            self.drop()
            return
        client.send(head + b"\r\n\r\n")
        self.pass_body(server, client, end, record, cut_at == "body")
        if b"close" in headers.get(b"connection", b"").lower() or not end.done:
            self.drop()

    def answer_status(self, spec, record):
        code = spec["status"]
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": spec.get("message", "fault of the test world"),
            "reason": spec.get("reason", REASONS.get(code, "Unknown")),
            "code": code,
        }
        headers = []
        if "retry_after" in spec:
            headers.append(("Retry-After", str(spec["retry_after"])))
            status["details"] = {"retryAfterSeconds": spec["retry_after"]}
        body = json.dumps(spec.get("body", status)).encode()
        record.update(status=code, content_length=len(body), response_bytes=len(body))
        self.answer(code, body, "application/json", headers)

    def send_upstream(self, body):
        """Sends the request to the API server, over the kept connection if it is still good."""
        upstream = self.server.state.upstream
        if self.upstream_connection and self.upstream_connection.is_stale():
            self.upstream_connection.close()
            self.upstream_connection = None
        if self.upstream_connection is None:
            self.upstream_connection = Connection(upstream)
        lines = [f"{self.command} {upstream.base_path}{self.path} HTTP/1.1", f"Host: {upstream.authority}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items() if name.lower() not in HOP_HEADERS]
        if upstream.authorization and "Authorization" not in self.headers:
            lines.append(f"Authorization: {upstream.authorization}")
        if body or self.command in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        self.upstream_connection.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self.upstream_connection

    def body_end(self, status, headers, length):
        """What finds the end of a response's body (RFC 9112 §6.3)."""
        if self.command == "HEAD" or status in (204, 304):
            return LengthEnd(0)
        if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
            return ChunkedEnd()
        return LengthEnd(length)

    def drain(self, server, client, end):
        while not end.done and (data := server.read(client)):
            end.feed(data)

    def pass_body(self, server, client, end, record, cut):
        """Passes the body on as it comes; with `cut`, half of what comes first, and then no more."""
        while not end.done:
            data = server.read(client)
            if not data:
                break
            used = end.feed(data)
            if cut:
                client.send(data[: used // 2])
                record["response_bytes"] += used // 2
                self.drop()
                return
            client.send(data[:used])
            record["response_bytes"] += used
            if used < len(data):
                server.give_back(data[used:])


def own_certificate():
    """TLS settings with a fresh certificate for 127.0.0.1, and the certificate to trust (PEM)."""
    with tempfile.TemporaryDirectory() as private:
        key, certificate = pathlib.Path(private) / "key.pem", pathlib.Path(private) / "cert.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=fault-proxy", "-addext", "subjectAltName=IP:127.0.0.1"]
        command += ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return service.server_tls(certificate, key), certificate.read_bytes()


def main():
    parser = service.arguments(__doc__)
    parser.add_argument("--kubeconfig", required=True, metavar="IN", help="the API server to stand before")
    parser.add_argument("--out", required=True, metavar="OUT", help="the kubeconfig to write")
    parser.add_argument("--https", action="store_true", help="serve https, with a certificate of our own")
    parser.add_argument("--request-log", metavar="FILE", help="append a JSON line per request")
    options = parser.parse_args()
    try:
        upstream = kubeconfig.load(options.kubeconfig)
    except (kubeconfig.Unusable, OSError) as error:
        parser.error(f"{options.kubeconfig}: {error}")
    tls, certificate = own_certificate() if options.https else (None, None)
    server = service.Server(options.port, ProxyHandler, Proxy(upstream, service.JsonLines(options.request_log)), tls)
    pathlib.Path(options.out).write_text(kubeconfig.anonymous(server.url, certificate), encoding="utf-8")
    service.serve(server, options)


if __name__ == "__main__":
    sys.exit(main())
