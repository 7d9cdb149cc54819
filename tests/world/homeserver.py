#!/usr/bin/env python3
"""Configures, runs and stops the Synapse of `synapse.sh`; run by the Python that has it installed.

In DIR: homeserver.yaml and Synapse's own files, matrix.json (what was registered) and matrix.env with MATRIX_URL,
MATRIX_TOKEN, MATRIX_USER_ID, MATRIX_ROOM_ID and MATRIX_ROOM_ALIAS.
"""

import argparse
import ctypes
import hashlib
import hmac
import json
import os
import pathlib
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import service

SERVER_NAME = "fluxops.test"
USER = "fluxops"
ROOM_ALIAS_NAME = "deploys"
START_SECONDS = 90
STOP_SECONDS = 20
POLL_SECONDS = 0.1
# From linux/prctl.h.
PR_SET_PDEATHSIG = 1

CONFIGURATION = """\
server_name: {server_name}
public_baseurl: {url}/
pid_file: {folder}/homeserver.pid
listeners:
  - type: http
    port: {port}
    bind_addresses: [127.0.0.1]
    tls: false
    resources:
      - names: [client]
        compress: false
database:
  name: sqlite3
  args:
    database: {folder}/homeserver.db
log_config: {folder}/log.yaml
media_store_path: {folder}/media
signing_key_path: {folder}/signing.key
registration_shared_secret: {registration_secret}
macaroon_secret_key: {macaroon_secret}
form_secret: {form_secret}
enable_registration: false
report_stats: false
# Nobody to federate with: no federation listener, no key server, no other domain.
federation_domain_whitelist: []
trusted_key_servers: []
suppress_key_server_warning: true
encryption_enabled_by_default_for_room_type: "off"
url_preview_enabled: false
presence:
  enabled: false
# As in production there are limits, wide enough for a test suite; send a burst to meet them.
rc_message: {{per_second: 50, burst_count: 100}}
rc_login:
  address: {{per_second: 20, burst_count: 100}}
  account: {{per_second: 20, burst_count: 100}}
  failed_attempts: {{per_second: 5, burst_count: 20}}
"""

LOGGING = """\
version: 1
formatters:
  line: {{format: "%(asctime)s %(levelname)s %(name)s %(message)s"}}
handlers:
  file: {{class: logging.FileHandler, formatter: line, filename: {folder}/homeserver.log}}
root: {{level: WARNING, handlers: [file]}}
disable_existing_loggers: false
"""


class Failed(Exception):
    """Synapse could not be started, and why."""


class Homeserver:
    """A folder with a Synapse in it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.env_file = self.folder / "matrix.env"
        self._state_file = self.folder / "matrix.json"
        self._pid_file = self.folder / "supervisor.pid"

    def state(self):
        """What was registered earlier, or {}."""
        return json.loads(self._state_file.read_text()) if self._state_file.exists() else {}

    def supervisor(self):
        """The process id of the running supervisor, or None."""
        try:
            pid = int(self._pid_file.read_text())
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        # The number alone could by now be any other process's.
        return pid if str(self.folder).encode() in command.split(b"\0") else None

    def claim(self):
        self._pid_file.write_text(str(os.getpid()))

    def release(self):
        self._pid_file.unlink(missing_ok=True)

    def configure(self):
        """Writes the configuration for a free port; the server's URL."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        port = free_port()
        url = f"http://{service.LOOPBACK}:{port}"
        state = self.state()
        for name in ("registration_secret", "macaroon_secret", "form_secret"):
            state.setdefault(name, secrets.token_hex(32))
        self.keep(state)
        values = {"server_name": SERVER_NAME, "url": url, "port": port, "folder": self.folder, **state}
        write_private(self.folder / "homeserver.yaml", CONFIGURATION.format(**values))
        write_private(self.folder / "log.yaml", LOGGING.format(folder=self.folder))
        return url

    def keep(self, state):
        write_private(self._state_file, json.dumps(state, indent=2))

    def launch(self):
        """Starts Synapse as a child that cannot outlive us."""
        configuration = str(self.folder / "homeserver.yaml")
        program = [sys.executable, "-m", "synapse.app.homeserver", "--config-path", configuration]
        libc = ctypes.CDLL(None)
        with open(self.folder / "homeserver.out", "ab") as output:
            # In the folder, or `-m` would look for modules wherever the caller happens to be.
            streams = {"cwd": self.folder, "stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            if not (self.folder / "signing.key").exists():
                result = subprocess.run([*program, "--generate-keys"], **streams)
                if result.returncode != 0:
                    raise Failed(f"Synapse refuses its configuration: see {self.folder}/homeserver.out")
            return subprocess.Popen(program, **streams, preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM))

    def wait_until_ready(self, url, process):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise Failed(f"Synapse ended with {process.returncode}: see {self.folder}/homeserver.out")
            try:
                call(f"{url}/_matrix/client/versions")
                return
            except OSError:
                time.sleep(POLL_SECONDS)
        raise Failed(f"Synapse was not ready after {START_SECONDS} s: see {self.folder}/homeserver.log")

    def register(self, url):
        """Makes the user and the room, the first time, and writes matrix.env."""
        state = self.state()
        if "token" not in state:
            state.update(register_user(url, state["registration_secret"]))
            self.keep(state)
        if "room_id" not in state:
            room = {"preset": "private_chat", "name": "Deploys", "room_alias_name": ROOM_ALIAS_NAME}
            created = call(f"{url}/_matrix/client/v3/createRoom", room, state["token"])
            state.update(room_id=created["room_id"], room_alias=f"#{ROOM_ALIAS_NAME}:{SERVER_NAME}")
            self.keep(state)
        names = {
            "MATRIX_URL": url,
            "MATRIX_TOKEN": state["token"],
            "MATRIX_USER_ID": state["user_id"],
            "MATRIX_ROOM_ID": state["room_id"],
            "MATRIX_ROOM_ALIAS": state["room_alias"],
        }
        # Quoted for the shells that source it: ids begin with ! and #.
        write_private(self.env_file, "".join(f"{name}='{value}'\n" for name, value in names.items()))


def free_port():
    with socket.socket() as probe:
        probe.bind((service.LOOPBACK, 0))
        return probe.getsockname()[1]


def write_private(path, text):
    """Replaces a file that only we may read, in one step."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


def call(url, body=None, token=None):
    """One call of Synapse's JSON API; OSError where it fails."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    # Proxies of the environment are for the world outside.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        return json.load(response)


def register_user(url, registration_secret):
    """Registers the user by shared secret (Synapse's admin API, "Shared-Secret Registration")."""
    endpoint = f"{url}/_synapse/admin/v1/register"
    nonce = call(endpoint)["nonce"]
    password = secrets.token_hex(16)
    message = "\0".join((nonce, USER, password, "notadmin")).encode()
    mac = hmac.new(registration_secret.encode(), message, hashlib.sha1).hexdigest()
    user = {"nonce": nonce, "username": USER, "password": password, "admin": False, "mac": mac}
    answer = call(endpoint, user)
    return {"user_id": answer["user_id"], "token": answer["access_token"]}


def end_with_process(pid):
    """Ends this process soon after another one, not its parent, has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        sys.exit(0)

    def watch():
        select.select([descriptor], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def run(homeserver, watched_pid):
    """Supervises Synapse until it is told to end; prints the ready line."""
    if homeserver.supervisor() is not None:
        raise Failed(f"a Synapse already runs in {homeserver.folder}")
    if watched_pid:
        end_with_process(watched_pid)
    service.end_on_signals()
    url = homeserver.configure()
    homeserver.claim()
    process = None
    try:
        process = homeserver.launch()
        homeserver.wait_until_ready(url, process)
        homeserver.register(url)
        service.announce(url)
        raise Failed(f"Synapse ended with {process.wait()}: see {homeserver.folder}/homeserver.out")
    finally:
        if process:
            end(process)
        homeserver.release()


def end(process):
    """Ends Synapse, with force where it does not end by itself."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start(homeserver, watched_pid):
    """Starts a supervisor in the background unless one runs, and waits until it is ready."""
    if homeserver.supervisor() is None:
        homeserver.env_file.unlink(missing_ok=True)
        command = [sys.executable, os.path.abspath(__file__), "run", str(homeserver.folder)]
        command += ["--watch", str(watched_pid)] if watched_pid else []
        homeserver.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Nothing of the caller's may stay open in the background, or who reads it to the end waits forever.
        errors = homeserver.folder / "supervisor.log"
        with open(errors, "wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        if not process.stdout.readline():
            said = errors.read_text().strip().removeprefix("synapse.sh: ")
            raise Failed(said or "the supervisor ended before Synapse was ready")
        return
    deadline = time.monotonic() + START_SECONDS
    while not homeserver.env_file.exists():
        if time.monotonic() > deadline or homeserver.supervisor() is None:
            raise Failed("another start did not get ready")
        time.sleep(POLL_SECONDS)


def stop(homeserver):
    """Ends the supervisor, and Synapse with it; nothing to do where none runs."""
    pid = homeserver.supervisor()
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 2 * STOP_SECONDS
    while homeserver.supervisor() is not None:
        if time.monotonic() > deadline:
            raise Failed(f"the supervisor {pid} does not end")
        time.sleep(POLL_SECONDS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "start", "stop"))
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--parent-death", action="store_true", help="end when the calling process ends")
    parser.add_argument("--watch", type=int, metavar="PID", help="end when this process ends")
    options = parser.parse_args()
    homeserver = Homeserver(options.folder)
    watched_pid = os.getppid() if options.parent_death else options.watch
    try:
        if options.command == "run":
            run(homeserver, watched_pid)
        elif options.command == "start":
            start(homeserver, watched_pid)
        else:
            stop(homeserver)
    except (Failed, OSError) as error:
        sys.exit(f"synapse.sh: {error}")


if __name__ == "__main__":
    main()
