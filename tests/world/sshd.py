#!/usr/bin/env python3
"""Serves a folder of bare Git repositories over SSH, read-only, with the real sshd of OpenSSH.

`ssh://USER@127.0.0.1:PORT/NAME.git` is the repository; USER is whoever runs this. Every connection gets an sshd of
its own (`sshd -i`), so that the port is ours from the start, free and on loopback only. The forced command lets
through `git-upload-pack` below the root and nothing else.

  --fault hang      accepts connections and sends nothing, not even a version
  --fault garbage   sends random bytes where the version should be
"""

import base64
import hashlib
import hmac
import os
import pathlib
import random
import shlex
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading

import service

# How sshd_config(5) is to be: no settings of the machine, keys only, one command.
CONFIGURATION = """\
{host_keys}
AuthorizedKeysFile {authorized_keys}
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PidFile none
AcceptEnv GIT_PROTOCOL
DisableForwarding yes
PermitTTY no
PermitUserEnvironment no
LogLevel VERBOSE
ForceCommand {command}
"""
# Where a privileged sshd keeps its unprivileged half; it does not start without.
PRIVILEGE_SEPARATION_FOLDER = "/run/sshd"
GARBAGE_BYTES = 4096
SALT_BYTES = 20


class Missing(Exception):
    """What this machine lacks, and the package that has it."""


class Listener(socketserver.ThreadingTCPServer):
    """Accepts connections on loopback and hands each to an sshd."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, command, log, fault):
        super().__init__((service.LOOPBACK, port), Connection)
        self.command = command
        self.log = log
        self.fault = fault
        self._lock = threading.Lock()
        self._sessions = set()

    @property
    def url(self):
        return f"ssh://{service.LOOPBACK}:{self.server_address[1]}"

    def run_session(self, connection):
        with self._lock:
            session = subprocess.Popen(self.command, stdin=connection, stdout=connection, stderr=self.log)
            self._sessions.add(session)
        session.wait()
        with self._lock:
            self._sessions.discard(session)

    def server_close(self):
        super().server_close()
        with self._lock:
            for session in self._sessions:
                session.terminate()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Connection(socketserver.BaseRequestHandler):
    """One client."""

    def handle(self):
        if self.server.fault == "garbage":
            self.request.sendall(random.randbytes(GARBAGE_BYTES))
        if self.server.fault:
            while self.request.recv(65536):
                pass
            return
        self.server.run_session(self.request)


def sshd_program():
    """The absolute path of sshd, which insists on being called by one."""
    path = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Missing("sshd is not installed: install the package openssh-server")
    return path


def public_key(host_key):
    """The type and base64 key of a private key file."""
    result = subprocess.run(["ssh-keygen", "-y", "-f", host_key], check=True, stdout=subprocess.PIPE, text=True)
    return " ".join(result.stdout.split()[:2])


def known_hosts(port, host_keys, hashed):
    """The known_hosts(5) lines of this server."""
    host = f"[{service.LOOPBACK}]:{port}"
    if hashed:
        salt = os.urandom(SALT_BYTES)
        digest = hmac.new(salt, host.encode(), hashlib.sha1).digest()
        host = "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))
    return "".join(f"{host} {public_key(key)}\n" for key in host_keys)


def run_forced_command(root):
    """Becomes the `git upload-pack` that the client asked for, if it is for a repository below the root."""
    try:
        words = shlex.split(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
    except ValueError:
        words = []
    if words[:2] == ["git", "upload-pack"]:
        words[:2] = ["git-upload-pack"]
    if len(words) != 2 or words[0] != "git-upload-pack":
        sys.exit("only git-upload-pack is served here")
    root = pathlib.Path(root).resolve()
    asked = pathlib.Path(words[1])
    below = asked.relative_to(root) if asked.is_relative_to(root) else words[1].lstrip("/")
    repository = (root / below).resolve()
    if not repository.is_relative_to(root) or not repository.is_dir():
        sys.exit(f"no repository {words[1]}")
    os.environ.update(GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1")
    os.execvp("git", ["git", "upload-pack", "--strict", str(repository)])


def configure(folder, options):
    """Writes the configuration and returns the command of one sshd."""
    program = sshd_program()
    if os.geteuid() == 0:
        os.makedirs(PRIVILEGE_SEPARATION_FOLDER, mode=0o755, exist_ok=True)
    command = shlex.join([sys.executable, os.path.abspath(__file__), "--forced-command", os.path.abspath(options.root)])
    configuration = pathlib.Path(folder) / "sshd_config"
    configuration.write_text(
        CONFIGURATION.format(
            host_keys="\n".join(f"HostKey {os.path.abspath(key)}" for key in options.host_key),
            authorized_keys=os.path.abspath(options.authorized_keys),
            command=command,
        )
    )
    subprocess.run([program, "-t", "-f", configuration], check=True)
    return [program, "-i", "-e", "-f", str(configuration)]


def main():
    if sys.argv[1:2] == ["--forced-command"]:
        return run_forced_command(sys.argv[2])
    parser = service.arguments(__doc__)
    parser.add_argument("--root", required=True, help="folder of bare repositories")
    parser.add_argument("--host-key", required=True, action="append", metavar="FILE", help="private key; repeatable")
    parser.add_argument("--authorized-keys", required=True, metavar="FILE", help="whom to let in")
    parser.add_argument("--known-hosts", metavar="FILE", help="write the known_hosts lines of this server")
    parser.add_argument("--hashed", action="store_true", help="write them with hashed names")
    parser.add_argument("--fault", choices=("hang", "garbage"), help="fail every connection")
    parser.add_argument("--log", metavar="FILE", help="append sshd's own log (default: none)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            command = configure(folder, options)
        except Missing as missing:
            sys.exit(f"sshd.py: {missing}")
        except subprocess.CalledProcessError:
            sys.exit(f"sshd.py: sshd refuses its configuration; keys: {', '.join(options.host_key)}")
        with open(options.log or os.devnull, "ab") as log:
            listener = Listener(options.port, command, log, options.fault)
            if options.known_hosts:
                lines = known_hosts(listener.server_address[1], options.host_key, options.hashed)
                pathlib.Path(options.known_hosts).write_text(lines, encoding="utf-8")
            service.serve(listener, options)
    return None


if __name__ == "__main__":
    sys.exit(main())
