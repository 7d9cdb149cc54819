"""What every program of the test world shares: how it starts, says that it is ready, answers and stops.

A program binds a free port of 127.0.0.1, prints one line `listening SCHEME://127.0.0.1:PORT` on stdout and
nothing else ever, ends with exit code 0 on SIGTERM or SIGINT, and with `--parent-death` also when the process
that started it is gone.
"""

import argparse
import base64
import hashlib
import http.server
import json
import os
import signal
import socketserver
import ssl
import sys
import threading
import time

LOOPBACK = "127.0.0.1"

# How often a program started with --parent-death looks whether its parent is still there.
PARENT_CHECK_SECONDS = 0.2

# No test sends a larger body; a larger one is an error of the test and is answered with 413.
MAX_BODY_BYTES = 256 * 1024 * 1024


def arguments(description):
    """The argument parser of a program, with the flags that all of them have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--parent-death", action="store_true", help="end when the starting process ends")
    return parser


def end_with_parent():
    """Ends this process soon after its parent has ended.

    Looks at the parent's process id rather than using PR_SET_PDEATHSIG, which fires when the *thread* that
    started us ends: a server that several Rust tests share would die with the first test.
    """
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def end_on_signals():
    """Makes SIGTERM and SIGINT raise SystemExit(0) in the main thread."""

    def stop(_number, _frame):
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def announce(url):
    """Prints the ready line."""
    print(f"listening {url}", flush=True)


def secret_file(path):
    """The secret in a file, without the newline at its end."""
    with open(path, encoding="utf-8") as file:
        return file.read().rstrip("\r\n")


def basic_credentials(user_and_password):
    """The value of an Authorization header for `USER:PASSWORD` (RFC 7617)."""
    return "Basic " + base64.b64encode(user_and_password.encode()).decode()


def basic_from_file(user_and_file):
    """The value of an Authorization header for `USER:PASSFILE`; ValueError if it is not of that form."""
    user, colon, password_file = user_and_file.partition(":")
    if not colon:
        raise ValueError(f"--basic {user_and_file}: wanted USER:PASSFILE")
    return basic_credentials(f"{user}:{secret_file(password_file)}")


def sha256(text):
    """Hex SHA-256 of a text: how logs name a credential without holding it."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


class JsonLines:
    """A file of JSON lines that several threads append to; each line is complete once `append` returns."""

    def __init__(self, path):
        self._lock = threading.Lock()
        self._file = open(path, "a", encoding="utf-8") if path else None

    def append(self, record):
        if self._file is None:
            return
        line = json.dumps(record, ensure_ascii=False) + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()


class Server(http.server.ThreadingHTTPServer):
    """An HTTP server on loopback with a thread per connection; `state` is what its handlers work on."""

    request_queue_size = 256

    def __init__(self, port, handler, state, tls=None):
        super().__init__((LOOPBACK, port), handler)
        self.state = state
        self.scheme = "https" if tls else "http"
        if tls:
            # The handshake is left to the connection's own thread, or a silent client would block all others.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def server_bind(self):
        # HTTPServer.server_bind would ask the resolver for our name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    @property
    def url(self):
        return f"{self.scheme}://{LOOPBACK}:{self.server_port}"

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError, ssl.SSLError)):
            super().handle_error(request, client_address)


def server_tls(certificate, key, client_ca=None):
    """The TLS settings of a server; with `client_ca`, clients without a certificate of it are refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Handler(http.server.BaseHTTPRequestHandler):
    """A request handler that keeps connections open, reads bodies of both framings and stays silent."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format, *args):
        pass

    def read_body(self):
        """The request's body, or None after a 4xx answer to one that cannot be read."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            return self._refuse_body(400)
        if int(length) > MAX_BODY_BYTES:
            return self._refuse_body(413)
        return self.rfile.read(int(length))

    def _read_chunks(self):
        body = bytearray()
        while True:
            try:
                size = int(self.rfile.readline(1024).split(b";")[0], 16)
            except ValueError:
                return self._refuse_body(400)
            if len(body) + size > MAX_BODY_BYTES:
                return self._refuse_body(413)
            if size == 0:
                while self.rfile.readline(65537).strip():
                    pass
                return bytes(body)
            body += self.rfile.read(size)
            self.rfile.readline(1024)

    def _refuse_body(self, status):
        self.close_connection = True
        self.answer(status, b"unreadable body\n")

    def answer(self, status, body, content_type="text/plain; charset=utf-8", headers=()):
        """Sends a whole response."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, status, value, headers=()):
        body = json.dumps(value, ensure_ascii=False).encode()
        self.answer(status, body, "application/json; charset=utf-8", headers)

    def wait_for_close(self):
        """Blocks until the client closes the connection, whatever it still sends."""
        self.close_connection = True
        while self.connection.recv(65536):
            pass


def serve(server, options):
    """Announces the server and runs it until it is told to end."""
    if options.parent_death:
        end_with_parent()
    end_on_signals()
    announce(server.url)
    with server:
        server.serve_forever()
