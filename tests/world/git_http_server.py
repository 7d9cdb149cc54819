#!/usr/bin/env python3
"""Serves a folder of bare Git repositories over smart HTTP, with git's own `git http-backend`.

`http://127.0.0.1:PORT/NAME.git` is the repository. A first path element selects a fault:

  /hang/NAME.git           accepts the request and never answers
  /garbage/NAME.git        200 with the right content type and random bytes
  /truncate/NAME.git       answers refs, then closes the connection in the middle of the pack
  /stall/NAME.git          answers refs, then sends half of the pack and nothing more, connection open
  /slow/MS/NAME.git        sends every answer in 8 pieces, MS milliseconds before each
  /status/CODE/NAME.git    answers every request with that HTTP status
  /redirect/URL/NAME.git   302 to URL (percent-encoded, one path element) followed by the rest

--basic and --bearer protect everything but /hang, /garbage and /status; a redirect asks for credentials first,
so that a client that follows it has some to leak. The request log has one JSON line per request.
"""

import email
import os
import random
import subprocess
import sys
import time
import urllib.parse

import service

# Into how many pieces /slow cuts a body.
SLOW_PIECES = 8
# The size of what /garbage answers.
GARBAGE_BYTES = 4096
# A backend that takes longer is stuck; the request ends with 500.
BACKEND_SECONDS = 120

FAULTS = ("hang", "garbage", "truncate", "stall", "slow", "status", "redirect")
# Faults that need an argument as second path element.
FAULTS_WITH_ARGUMENT = ("slow", "status", "redirect")
# Faults that show whether or not the client has credentials.
FAULTS_BEFORE_AUTHENTICATION = ("hang", "garbage", "status")


class World:
    """What the server serves, and the values of the Authorization header that it takes (any, if none is given)."""

    def __init__(self, root, request_log, basic=None, bearer=None):
        self.root = os.path.abspath(root)
        self.request_log = request_log
        self.accepted = set()
        self.challenges = []
        if basic:
            self.accepted.add(basic)
            self.challenges.append('Basic realm="git", charset="UTF-8"')
        if bearer:
            self.accepted.add(bearer)
            self.challenges.append('Bearer realm="git"')


def split_fault(path):
    """Splits a raw request path into (fault or None, its argument or None, the path behind it)."""
    elements = path.split("/")
    fault = elements[1] if len(elements) > 1 else ""
    if fault not in FAULTS:
        return None, None, path
    skip = 3 if fault in FAULTS_WITH_ARGUMENT else 2
    argument = urllib.parse.unquote(elements[2]) if skip == 3 and len(elements) > 2 else None
    return fault, argument, "/" + "/".join(elements[skip:])


def protocol_command(body):
    """The command of a protocol v2 request (gitprotocol-v2(5)), or None."""
    for command in ("ls-refs", "fetch", "object-info"):
        if f"command={command}".encode() in body[:64]:
            return command
    return None


class GitHandler(service.Handler):
    """One request: log, fault before authentication, authentication, backend, fault in the answer."""

    def handle_request(self):
        body = self.read_body()
        if body is None:
            return
        raw_path, _, query = self.path.partition("?")
        fault, argument, path = split_fault(raw_path)
        self.log(raw_path, query, body)
        if fault not in FAULTS_BEFORE_AUTHENTICATION and not self.authenticated():
            return
        if fault == "hang":
            self.wait_for_close()
        elif fault == "garbage":
            self.answer(200, random.randbytes(GARBAGE_BYTES), expected_type(path, query))
        elif fault == "status":
            self.answer(int(argument), b"fault of the test world\n")
        elif fault == "redirect":
            target = argument.rstrip("/") + path + ("?" + query if query else "")
            self.answer(302, b"", headers=[("Location", target)])
        else:
            self.answer_from_backend(fault, argument, path, query, body)

    do_GET = do_POST = do_HEAD = handle_request

    def log(self, path, query, body):
        value = self.headers.get("Authorization")
        self.server.state.request_log.append(
            {
                "time": time.time(),
                "method": self.command,
                "host": self.headers.get("Host"),
                "path": path,
                "query": query,
                "authorization": value.split(" ", 1)[0].lower() if value else None,
                "authorization_sha256": service.sha256(value) if value else None,
                "client_certificate": self.client_name(),
                "protocol": self.headers.get("Git-Protocol"),
                "command": protocol_command(body),
                "body_bytes": len(body),
            }
        )

    def client_name(self):
        """The common name of the client's verified certificate."""
        certificate = getattr(self.connection, "getpeercert", dict)()
        for name in (certificate or {}).get("subject", ()):
            for key, value in name:
                if key == "commonName":
                    return value
        return None

    def authenticated(self):
        world = self.server.state
        if not world.accepted or self.headers.get("Authorization") in world.accepted:
            return True
        self.answer(401, b"credentials wanted\n", headers=[("WWW-Authenticate", c) for c in world.challenges])
        return False

    def answer_from_backend(self, fault, argument, path, query, body):
        output = self.backend(path, query, body)
        if output is None:
            return self.answer(500, b"git http-backend failed\n")
        head, _, content = output.partition(b"\r\n\r\n")
        fields = email.message_from_bytes(head)
        status = int(fields.get("Status", "200").split()[0])
        self.send_response(status)
        for name, value in fields.items():
            if name.lower() not in ("status", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return None
        carries_pack = self.command == "POST" and protocol_command(body) != "ls-refs"
        if fault == "slow":
            return self.send_slowly(content, int(argument) / 1000)
        if fault in ("truncate", "stall") and carries_pack:
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            if fault == "stall":
                self.wait_for_close()
            return None
        self.wfile.write(content)
        return None

    def send_slowly(self, content, pause_seconds):
        size = -(-len(content) // SLOW_PIECES) or 1
        for start in range(0, len(content), size):
            time.sleep(pause_seconds)
            self.wfile.write(content[start : start + size])

    def backend(self, path, query, body):
        """Runs `git http-backend` (git-http-backend(1)) as a CGI program; its output, or None if it failed."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": self.server.state.root,
            "PATH_INFO": urllib.parse.unquote(path),
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": self.client_address[0],
        }
        try:
            result = subprocess.run(
                ["git", "http-backend"],
                input=body,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=BACKEND_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return None
        return result.stdout or None


def expected_type(path, query):
    """The content type that smart HTTP has for a request (gitprotocol-http(5))."""
    if path.endswith("/info/refs"):
        wanted = urllib.parse.parse_qs(query).get("service", ["git-upload-pack"])[0]
        return f"application/x-{wanted}-advertisement"
    return "application/x-git-upload-pack-result"


def main():
    parser = service.arguments(__doc__)
    parser.add_argument("--root", required=True, help="folder of bare repositories")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="serve https (PEM files)")
    parser.add_argument("--client-ca", metavar="CA", help="demand a client certificate of this CA (PEM)")
    parser.add_argument("--basic", metavar="USER:PASSFILE", help="demand this user and the password in the file")
    parser.add_argument("--bearer", metavar="TOKENFILE", help="demand the bearer token in the file")
    parser.add_argument("--request-log", metavar="FILE", help="append a JSON line per request")
    options = parser.parse_args()
    if options.client_ca and not options.tls:
        parser.error("--client-ca needs --tls")
    try:
        basic = service.basic_from_file(options.basic) if options.basic else None
    except ValueError as error:
        parser.error(str(error))
    bearer = "Bearer " + service.secret_file(options.bearer) if options.bearer else None
    tls = service.server_tls(*options.tls, options.client_ca) if options.tls else None
    world = World(options.root, service.JsonLines(options.request_log), basic, bearer)
    service.serve(service.Server(options.port, GitHandler, world, tls), options)


if __name__ == "__main__":
    sys.exit(main())
