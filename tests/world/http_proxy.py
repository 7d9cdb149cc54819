#!/usr/bin/env python3
"""An HTTP proxy: CONNECT tunnels and plain forwarding (RFC 9110 §9.3.6, §7.6), with optional basic auth.

Reaches loopback only. `--resolve HOST:PORT=127.0.0.1:PORT` gives a name that exists nowhere else a place behind
the proxy, so that a test that gets through to it has shown that the proxy was used. The request log has one JSON
line per request.
"""

import http.client
import select
import socket
import sys
import time
import urllib.parse

import service

CONNECT_SECONDS = 10
# Headers that concern one connection only (RFC 9110 §7.6.1) or the proxy itself.
HOP_HEADERS = ("connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "transfer-encoding", "upgrade")


class Route:
    """Where the proxy may go, and with which credentials."""

    def __init__(self, resolve, credentials, request_log):
        self.resolve = resolve
        self.credentials = credentials
        self.request_log = request_log

    def address(self, host, port):
        """The loopback address of a target, or None if it is not to be reached."""
        mapped = self.resolve.get(f"{host}:{port}")
        if mapped:
            return mapped
        return (service.LOOPBACK, port) if host in (service.LOOPBACK, "localhost") else None


class ProxyHandler(service.Handler):
    """Logs, authenticates and forwards one request."""

    def do_CONNECT(self):
        host, _, port = self.path.rpartition(":")
        self.log(self.path)
        upstream = self.open(host, int(port) if port.isdecimal() else 0)
        if upstream is None:
            return
        with upstream:
            self.close_connection = True
            self.send_response_only(200, "Connection established")
            self.end_headers()
            self.wfile.flush()
            relay(self.connection, upstream)

    def forward(self):
        target = urllib.parse.urlsplit(self.path)
        self.log(self.path.partition("?")[0])
        body = self.read_body()
        if body is None:
            return None
        if target.scheme != "http" or not target.hostname:
            return self.answer(400, b"this is a proxy: the absolute form of an http URL is wanted\n")
        upstream = self.open(target.hostname, target.port or 80)
        if upstream is None:
            return None
        connection = http.client.HTTPConnection(target.netloc)
        connection.sock = upstream
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_HEADERS}
        headers["Content-Length"] = str(len(body))
        path = urllib.parse.urlunsplit(("", "", target.path or "/", target.query, ""))
        try:
            connection.request(self.command, path, body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            return self.answer(502, f"upstream failed: {error}\n".encode())
        finally:
            connection.close()
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in (*HOP_HEADERS, "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return None

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = forward

    def open(self, host, port):
        """A connection to the target, or None after an answer that says why not."""
        route = self.server.state
        if route.credentials and self.headers.get("Proxy-Authorization") != route.credentials:
            self.answer(407, b"proxy credentials wanted\n", headers=[("Proxy-Authenticate", 'Basic realm="proxy"')])
            return None
        address = route.address(host, port)
        if address is None:
            self.answer(403, b"this proxy reaches loopback only\n")
            return None
        try:
            upstream = socket.create_connection(address, CONNECT_SECONDS)
        except OSError as error:
            self.answer(502, f"no connection: {error}\n".encode())
            return None
        upstream.settimeout(None)
        return upstream

    def log(self, target):
        proxy_value = self.headers.get("Proxy-Authorization")
        value = self.headers.get("Authorization")
        self.server.state.request_log.append(
            {
                "time": time.time(),
                "method": self.command,
                "target": target,
                "proxy_authorization": proxy_value.split(" ", 1)[0].lower() if proxy_value else None,
                "proxy_authorization_sha256": service.sha256(proxy_value) if proxy_value else None,
                "authorization": value.split(" ", 1)[0].lower() if value else None,
                "authorization_sha256": service.sha256(value) if value else None,
            }
        )


def relay(left, right):
    """Copies both ways until either side closes."""
    peers = {left: right, right: left}
    while True:
        for ready in select.select(list(peers), [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            peers[ready].sendall(data)


def parse_resolve(entries):
    """`HOST:PORT=127.0.0.1:PORT` entries as a map to addresses; ValueError names a bad one."""
    result = {}
    for entry in entries:
        name, _, target = entry.partition("=")
        host, _, port = target.rpartition(":")
        if not name or host != service.LOOPBACK or not port.isdecimal():
            raise ValueError(f"--resolve {entry}: wanted HOST:PORT=127.0.0.1:PORT")
        result[name] = (host, int(port))
    return result


def main():
    parser = service.arguments(__doc__)
    parser.add_argument("--basic", metavar="USER:PASSFILE", help="demand this user and the password in the file")
    parser.add_argument("--resolve", action="append", default=[], metavar="HOST:PORT=127.0.0.1:PORT")
    parser.add_argument("--request-log", metavar="FILE", help="append a JSON line per request")
    options = parser.parse_args()
    try:
        resolve = parse_resolve(options.resolve)
        credentials = service.basic_from_file(options.basic) if options.basic else None
    except ValueError as error:
        parser.error(str(error))
    route = Route(resolve, credentials, service.JsonLines(options.request_log))
    service.serve(service.Server(options.port, ProxyHandler, route), options)


if __name__ == "__main__":
    sys.exit(main())
