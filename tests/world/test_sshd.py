"""git clones over SSH from the real sshd, with strict host keys, and can do nothing else."""

import getpass
import pathlib
import subprocess
import sys
import tempfile
import unittest

import harness


class Sshd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shared = pathlib.Path(folder.name)
        cls.root = cls.shared / "repositories"
        cls.root.mkdir()
        cls.commit = harness.bare_repository(cls.shared, cls.root / "apps.git")
        for name, kind in (("host", "ed25519"), ("host-ecdsa", "ecdsa"), ("user", "ed25519"), ("stranger", "ed25519")):
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", cls.shared / name], check=True)
        (cls.shared / "authorized_keys").write_text((cls.shared / "user.pub").read_text())

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        self.known_hosts = self.home / "known_hosts"

    def serving(self, *arguments):
        return harness.running(
            "sshd.py",
            *("--root", self.root, "--host-key", self.shared / "host"),
            *("--authorized-keys", self.shared / "authorized_keys", "--known-hosts", self.known_hosts, *arguments),
        )

    def ssh(self, key="user"):
        options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "ConnectTimeout=2"]
        options += [f"UserKnownHostsFile={self.known_hosts}", "GlobalKnownHostsFile=/dev/null"]
        return ["ssh", "-F", "none", "-i", str(self.shared / key), *(part for o in options for part in ("-o", o))]

    def clone(self, server, path="/apps.git", key="user", **more):
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{path}"
        return harness.git(self.home, "clone", "-q", url, "clone", GIT_SSH_COMMAND=" ".join(self.ssh(key)), **more)

    def assert_cloned(self, result):
        harness.check(result)
        self.assertEqual(harness.git(self.home, "-C", "clone", "rev-parse", "HEAD").stdout.strip(), self.commit)

    def test_clones_with_a_plain_known_hosts_line(self):
        with self.serving() as server:
            self.assertEqual(server.url, f"ssh://127.0.0.1:{server.port}")
            self.assertTrue(self.known_hosts.read_text().startswith(f"[127.0.0.1]:{server.port} ssh-ed25519 "))
            self.assert_cloned(self.clone(server))

    def test_clones_with_a_hashed_known_hosts_line(self):
        with self.serving("--hashed") as server:
            self.assertTrue(self.known_hosts.read_text().startswith("|1|"))
            self.assertNotIn("127.0.0.1", self.known_hosts.read_text())
            self.assert_cloned(self.clone(server))

    def test_offers_every_host_key(self):
        with self.serving("--host-key", self.shared / "host-ecdsa") as server:
            kinds = [line.split()[1] for line in self.known_hosts.read_text().splitlines()]
            self.assertEqual(kinds, ["ssh-ed25519", "ecdsa-sha2-nistp256"])
            self.assert_cloned(self.clone(server))

    def test_clones_by_absolute_path(self):
        with self.serving() as server:
            self.assert_cloned(self.clone(server, f"{self.root}/apps.git"))

    def test_an_unknown_host_key_is_the_clients_to_refuse(self):
        with self.serving() as server:
            name, another_key = self.known_hosts.read_text().split()[0], (self.shared / "user.pub").read_text()
            self.known_hosts.write_text(f"{name} {another_key}")
            self.assertIn("Host key verification failed", self.clone(server).stderr)

    def test_a_stranger_is_refused(self):
        with self.serving() as server:
            self.assertIn("Permission denied", self.clone(server, key="stranger").stderr)

    def test_nothing_but_upload_pack_below_the_root(self):
        (self.root / "way-out.git").symlink_to(self.shared / "work" / ".git")
        self.addCleanup((self.root / "way-out.git").unlink)
        with self.serving() as server:
            for path in ("/../work/.git", "/nothing.git", "/way-out.git"):
                self.assertIn("no repository", self.clone(server, path).stderr)
            for command in ("id", "git-receive-pack '/apps.git'", "git-upload-pack '/apps.git'; id", "'", ""):
                arguments = [*self.ssh(), "-p", str(server.port), f"{getpass.getuser()}@127.0.0.1", command]
                result = subprocess.run(arguments, capture_output=True, text=True, stdin=subprocess.DEVNULL)
                self.assertIn("only git-upload-pack", result.stderr)
                self.assertEqual(result.stdout, "")

    def test_faults(self):
        for fault, said in (("hang", "timed out"), ("garbage", "")):
            with self.subTest(fault), self.serving("--fault", fault) as server:
                result = self.clone(server)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(said, result.stderr)

    def test_says_which_package_is_missing(self):
        script = "import sys, shutil; shutil.which = lambda *a, **k: None; import sshd; sshd.sshd_program()"
        result = subprocess.run([sys.executable, "-c", script], cwd=harness.WORLD, capture_output=True, text=True)
        self.assertIn("openssh-server", result.stderr)


if __name__ == "__main__":
    unittest.main()
