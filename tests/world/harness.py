"""What the tests of the test world share: starting its programs, and git with nothing of this machine's settings."""

import contextlib
import http.client
import json
import os
import pathlib
import select
import subprocess
import sys
import urllib.parse

WORLD = pathlib.Path(__file__).resolve().parent
READY_SECONDS = 15
END_SECONDS = 10


class Program:
    """A running program of the test world and the URL of its ready line."""

    def __init__(self, process, url):
        self.process = process
        self.url = url
        self.port = urllib.parse.urlsplit(url).port

    def request(self, method, path, body=None, headers=None):
        """One request over a new connection: (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def request_json(self, method, path, value=None, headers=None):
        """The same with JSON both ways: (status, value)."""
        body = None if value is None else json.dumps(value)
        headers = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        status, _, answer = self.request(method, path, body, headers)
        return status, json.loads(answer)


@contextlib.contextmanager
def running(script, *arguments):
    """Runs a program until the block ends; then it must end by SIGTERM with exit code 0 and a silent stdout."""
    process = start(script, *arguments)
    try:
        yield Program(process, ready_url(process))
        process.terminate()
        rest, _ = process.communicate(timeout=END_SECONDS)
        assert process.returncode == 0, f"{script} ended with {process.returncode}"
        assert not rest, f"{script} printed more than its ready line: {rest!r}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def start(script, *arguments):
    command = [sys.executable, str(WORLD / script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)


def ready_url(process):
    if not select.select([process.stdout], [], [], READY_SECONDS)[0]:
        raise AssertionError(f"{process.args} was not ready after {READY_SECONDS} s")
    line = process.stdout.readline().decode()
    if not line.startswith("listening "):
        raise AssertionError(f"{process.args} did not start: {line!r}")
    return line.split()[1]


def json_lines(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def git_environment(home, **more):
    """An environment in which git sees no settings but those of `home`, and never asks."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
        **more,
    }


def git(home, *arguments, timeout=30, **environment):
    """Runs git; the finished process with its output as text."""
    return subprocess.run(
        ["git", *map(str, arguments)],
        cwd=home,
        env=git_environment(home, **environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
    )


def bare_repository(home, path, payload_bytes=0):
    """Makes a bare repository with one commit; the commit's id. The payload cannot be compressed."""
    work = pathlib.Path(home) / "work"
    for arguments in (("init", "-q", "-b", "main", work), ("init", "-q", "-b", "main", "--bare", path)):
        check(git(home, *arguments))
    (work / "app.yaml").write_text("kind: ConfigMap\n")
    if payload_bytes:
        (work / "payload").write_bytes(os.urandom(payload_bytes))
    for arguments in (("add", "."), ("commit", "-q", "-m", "first"), ("push", "-q", str(path), "main")):
        check(git(home, "-C", work, *arguments))
    return check(git(home, "-C", work, "rev-parse", "HEAD")).stdout.strip()


def check(result):
    """The same process, which must have ended well."""
    if result.returncode != 0:
        raise AssertionError(f"{result.args} ended with {result.returncode}: {result.stderr}")
    return result


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)


def certificate_authority(folder):
    """Makes a CA, a certificate for 127.0.0.1 and localhost, and one for a client named `fluxops`."""
    folder = pathlib.Path(folder)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    ca, ca_key = folder / "ca.crt", folder / "ca.key"
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=test CA", "-keyout", ca_key, "-out", ca)
    for name, subject, extension in (
        ("server", "/CN=server", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        ("client", "/CN=fluxops", "extendedKeyUsage=clientAuth"),
    ):
        request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        extensions.write_text(extension + "\n")
        openssl("req", *key, "-subj", subject, "-keyout", folder / f"{name}.key", "-out", request)
        signing = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions)
        openssl("x509", "-req", "-in", request, *signing, "-out", folder / f"{name}.crt")
