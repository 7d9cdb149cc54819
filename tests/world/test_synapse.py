"""A real Synapse starts, takes messages, keeps its room over a restart, and ends with its caller."""

import json
import pathlib
import shlex
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import harness

# The first start on a machine installs Synapse.
INSTALL_SECONDS = 600
END_SECONDS = 20


def synapse(*arguments):
    command = [str(harness.WORLD / "synapse.sh"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)


def environment(folder):
    lines = shlex.split((folder / "matrix.env").read_text())
    return dict(line.split("=", 1) for line in lines)


def call(matrix, method, path, body=None):
    request = urllib.request.Request(matrix["MATRIX_URL"] + path, method=method)
    request.add_header("Authorization", "Bearer " + matrix["MATRIX_TOKEN"])
    request.data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def answers(url):
    try:
        with urllib.request.urlopen(f"{url}/_matrix/client/versions", timeout=5):
            return True
    except urllib.error.URLError:
        return False


class Synapse(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name) / "synapse"
        self.addCleanup(synapse, "stop", self.folder)

    def start(self, *arguments):
        result = harness.check(synapse("start", self.folder, *arguments))
        self.assertEqual(result.stdout, "")
        return environment(self.folder)

    def test_from_start_to_stop(self):
        matrix = self.start()
        self.assertEqual((self.folder / "matrix.env").stat().st_mode & 0o777, 0o600)
        room = "/_matrix/client/v3/rooms/" + urllib.parse.quote(matrix["MATRIX_ROOM_ID"], safe="")
        message = {"msgtype": "m.text", "body": "applied"}
        message |= {"format": "org.matrix.custom.html", "formatted_body": "<b>applied</b>"}
        sent = [call(matrix, "PUT", f"{room}/send/m.room.message/t1", message)["event_id"] for _ in range(2)]
        self.assertEqual(sent[0], sent[1], "a transaction id is taken once")
        state = call(matrix, "GET", f"{room}/state")
        self.assertNotIn("m.room.encryption", [event["type"] for event in state])
        alias = urllib.parse.quote(matrix["MATRIX_ROOM_ALIAS"], safe="")
        found = call(matrix, "GET", f"/_matrix/client/v3/directory/room/{alias}")
        self.assertEqual(found["room_id"], matrix["MATRIX_ROOM_ID"])

        self.assertEqual(self.start(), matrix, "a second start finds the first")
        harness.check(synapse("stop", self.folder))
        self.assertFalse(answers(matrix["MATRIX_URL"]))
        harness.check(synapse("stop", self.folder))

        again = self.start()
        self.assertEqual(again["MATRIX_ROOM_ID"], matrix["MATRIX_ROOM_ID"])
        event = call(again, "GET", f"{room}/event/{urllib.parse.quote(sent[0])}")
        self.assertEqual(event["content"], message)

    def test_ends_with_its_caller(self):
        # A shell in between, which is gone once the server is ready.
        script = shlex.join([str(harness.WORLD / "synapse.sh"), "start", str(self.folder), "--parent-death"])
        subprocess.run(["sh", "-c", f"{script}; exit $?"], check=True, timeout=INSTALL_SECONDS)
        url = environment(self.folder)["MATRIX_URL"]
        deadline = time.monotonic() + END_SECONDS
        while answers(url) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertFalse(answers(url))

    def test_loopback_only(self):
        matrix = self.start()
        port = urllib.parse.urlsplit(matrix["MATRIX_URL"]).port
        listening = subprocess.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"], capture_output=True, text=True).stdout
        local = {line.split()[1] for line in listening.splitlines() if f":{port:04X} " in line and line.split()[3] == "0A"}
        self.assertEqual(local, {f"0100007F:{port:04X}"})

    def test_says_why_it_cannot_start(self):
        self.folder.write_text("in the way")
        result = synapse("start", self.folder)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("synapse.sh: ", result.stderr)


if __name__ == "__main__":
    unittest.main()
