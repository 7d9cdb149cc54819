"""Every program is silent but for its ready line, binds loopback only, and ends when told or orphaned."""

import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

import harness
import kubeconfig

END_SECONDS = 10


def is_listening(port):
    """The addresses, in the kernel's notation, at which some process listens on a port."""
    lines = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        lines += pathlib.Path(table).read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {address for _, address, _, state, *_ in fields if state == "0A" and address.endswith(f":{port:04X}")}


class Service(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / "key"], check=True)
        (self.folder / "kubeconfig").write_text(kubeconfig.anonymous("http://127.0.0.1:1"))
        self.programs = {
            "git_http_server.py": ("--root", self.folder),
            "http_proxy.py": (),
            "slack_sink.py": (),
            "sshd.py": (
                *("--root", self.folder, "--host-key", self.folder / "key"),
                *("--authorized-keys", self.folder / "key.pub"),
            ),
            "fault_proxy.py": ("--kubeconfig", self.folder / "kubeconfig", "--out", self.folder / "out"),
        }

    def test_loopback_only_and_ends_on_sigterm(self):
        for script, arguments in self.programs.items():
            with self.subTest(script), harness.running(script, *arguments) as program:
                self.assertEqual(is_listening(program.port), {f"0100007F:{program.port:04X}"})

    def test_parent_death(self):
        for script, arguments in self.programs.items():
            command = [sys.executable, str(harness.WORLD / script), *map(str, arguments), "--parent-death"]
            parent = f"import subprocess, sys; subprocess.Popen({command!r}).wait()"
            with self.subTest(script):
                process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
                port = urllib.parse.urlsplit(harness.ready_url(process)).port
                self.assertTrue(is_listening(port))
                process.kill()
                process.wait()
                process.stdout.close()
                deadline = time.monotonic() + END_SECONDS
                while is_listening(port) and time.monotonic() < deadline:
                    time.sleep(0.05)
                self.assertFalse(is_listening(port))

    def test_bad_arguments_end_with_2(self):
        for script, arguments in self.programs.items():
            command = [sys.executable, str(harness.WORLD / script), *map(str, arguments), "--no-such-flag"]
            with self.subTest(script):
                result = subprocess.run(command, capture_output=True)
                self.assertEqual((result.returncode, result.stdout), (2, b""))


if __name__ == "__main__":
    unittest.main()
