"""git itself clones from the server in every mode, and through the proxy."""

import hashlib
import pathlib
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import harness

PAYLOAD_BYTES = 256 * 1024


class GitHttp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shared = pathlib.Path(folder.name)
        cls.root = cls.shared / "repositories"
        cls.root.mkdir()
        cls.commit = harness.bare_repository(cls.shared, cls.root / "apps.git", PAYLOAD_BYTES)
        harness.certificate_authority(cls.shared)
        (cls.shared / "password").write_text("correct horse\n")
        (cls.shared / "token").write_text("t0ken\n")

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        self.log = self.home / "requests.jsonl"

    def serving(self, *arguments):
        return harness.running("git_http_server.py", "--root", self.root, "--request-log", self.log, *arguments)

    def clone(self, url, *settings, timeout=30, **environment):
        options = [part for setting in settings for part in ("-c", setting)]
        return harness.git(self.home, *options, "clone", "-q", url, "clone", timeout=timeout, **environment)

    def assert_cloned(self, result):
        harness.check(result)
        self.assertEqual(harness.git(self.home, "-C", "clone", "rev-parse", "HEAD").stdout.strip(), self.commit)

    def test_clones_with_protocol_0_and_2(self):
        for version in ("0", "2"):
            with self.subTest(version=version), self.serving() as server:
                result = self.clone(f"{server.url}/apps.git", f"protocol.version={version}")
                self.assert_cloned(result)
                subprocess.run(["rm", "-r", str(self.home / "clone")], check=True)
        commands = [record["command"] for record in harness.json_lines(self.log) if record["method"] == "POST"]
        self.assertEqual(commands, [None, "ls-refs", "fetch"])

    def test_a_repository_that_is_not_there(self):
        with self.serving() as server:
            self.assertIn("not found", self.clone(f"{server.url}/nothing.git").stderr)

    def test_nothing_above_the_root(self):
        with self.serving() as server:
            for path in ("/../work/.git/HEAD", "/%2e%2e/work/.git/HEAD"):
                self.assertNotEqual(server.request("GET", path)[0], 200)

    def test_private_ca(self):
        with self.serving("--tls", self.shared / "server.crt", self.shared / "server.key") as server:
            url = f"https://127.0.0.1:{server.port}/apps.git"
            self.assertEqual(server.url, f"https://127.0.0.1:{server.port}")
            self.assertIn("certificate", self.clone(url).stderr)
            self.assert_cloned(self.clone(url, f"http.sslCAInfo={self.shared}/ca.crt"))

    def test_client_certificate(self):
        tls = ("--tls", self.shared / "server.crt", self.shared / "server.key", "--client-ca", self.shared / "ca.crt")
        ca = f"http.sslCAInfo={self.shared}/ca.crt"
        with self.serving(*tls) as server:
            url = f"{server.url}/apps.git"
            self.assertNotEqual(self.clone(url, ca).returncode, 0)
            certificate = (f"http.sslCert={self.shared}/client.crt", f"http.sslKey={self.shared}/client.key")
            self.assert_cloned(self.clone(url, ca, *certificate))
        self.assertEqual({record["client_certificate"] for record in harness.json_lines(self.log)}, {"fluxops"})

    def test_basic_credentials(self):
        with self.serving("--basic", f"ada:{self.shared}/password") as server:
            place = f"127.0.0.1:{server.port}/apps.git"
            self.assertNotEqual(self.clone(f"http://{place}").returncode, 0)
            self.assertNotEqual(self.clone(f"http://ada:wrong@{place}").returncode, 0)
            self.assert_cloned(self.clone(f"http://ada:correct%20horse@{place}"))
            headers = server.request("GET", "/apps.git/info/refs?service=git-upload-pack")[1]
            self.assertIn("Basic realm=", headers["WWW-Authenticate"])
        text = self.log.read_text()
        self.assertNotIn("correct", text)
        hashes = {record["authorization_sha256"] for record in harness.json_lines(self.log)}
        self.assertIn(hashlib.sha256(b"Basic YWRhOmNvcnJlY3QgaG9yc2U=").hexdigest(), hashes)

    def test_bearer_token(self):
        with self.serving("--bearer", self.shared / "token") as server:
            url = f"{server.url}/apps.git"
            self.assertNotEqual(self.clone(url, "http.extraHeader=Authorization: Bearer wrong").returncode, 0)
            self.assert_cloned(self.clone(url, "http.extraHeader=Authorization: Bearer t0ken"))

    def test_hang_never_answers(self):
        with self.serving() as server, self.assertRaises(subprocess.TimeoutExpired):
            self.clone(f"{server.url}/hang/apps.git", timeout=2)

    def test_garbage(self):
        with self.serving() as server:
            self.assertNotEqual(self.clone(f"{server.url}/garbage/apps.git").returncode, 0)
            status, headers, body = server.request("GET", "/garbage/apps.git/info/refs?service=git-upload-pack")
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "application/x-git-upload-pack-advertisement")
        self.assertEqual(len(body), 4096)

    def test_truncate_cuts_the_pack_only(self):
        for version in ("0", "2"):
            with self.subTest(version=version), self.serving() as server:
                url = f"{server.url}/truncate/apps.git"
                settings = ("-c", f"protocol.version={version}")
                refs = harness.check(harness.git(self.home, *settings, "ls-remote", url)).stdout
                self.assertIn(self.commit, refs)
                self.assertNotEqual(self.clone(url, *settings[1:]).returncode, 0)

    def test_stall_keeps_the_connection_open(self):
        with self.serving() as server, self.assertRaises(subprocess.TimeoutExpired):
            self.clone(f"{server.url}/stall/apps.git", timeout=2)

    def test_slow_takes_its_time_and_is_whole(self):
        with self.serving() as server:
            started = time.monotonic()
            self.assert_cloned(self.clone(f"{server.url}/slow/20/apps.git"))
            # Three answers (refs, ls-refs, pack) of eight pieces.
            self.assertGreater(time.monotonic() - started, 3 * 8 * 0.020)

    def test_status(self):
        with self.serving() as server:
            self.assertIn("503", self.clone(f"{server.url}/status/503/apps.git").stderr)

    def test_redirect_leads_to_another_server_and_shows_leaks(self):
        other_log = self.home / "other.jsonl"
        with harness.running(
            "git_http_server.py", "--root", self.root, "--request-log", other_log
        ) as other, self.serving("--basic", f"ada:{self.shared}/password") as server:
            target = urllib.parse.quote(f"http://localhost:{other.port}", safe="")
            place = f"127.0.0.1:{server.port}/redirect/{target}/apps.git"
            self.assert_cloned(self.clone(f"http://ada:correct%20horse@{place}"))
            path = f"/redirect/{target}/apps.git/info/refs?service=git-upload-pack"
            status, headers, _ = server.request("GET", path, headers={"Authorization": "Basic YWRhOmNvcnJlY3QgaG9yc2U="})
            self.assertEqual(status, 302)
            self.assertEqual(
                headers["Location"], f"http://localhost:{other.port}/apps.git/info/refs?service=git-upload-pack"
            )
            # A client that leaks would look like this one.
            other.request("GET", "/apps.git/info/refs", headers={"Authorization": "Basic YWRhOmNvcnJlY3QgaG9yc2U="})
        self.assertEqual([record["authorization"] for record in harness.json_lines(other_log)][-1], "basic")

    def test_unreadable_requests_are_refused(self):
        with self.serving() as server:
            self.assertEqual(server.request("POST", "/apps.git/git-upload-pack", headers={"Content-Length": "x"})[0], 400)

    def test_proxy(self):
        proxy_log = self.home / "proxy.jsonl"
        tls = ("--tls", self.shared / "server.crt", self.shared / "server.key")
        ca = f"http.sslCAInfo={self.shared}/ca.crt"
        with self.serving(*tls) as server, harness.running(
            "http_proxy.py", "--basic", f"eve:{self.shared}/password", "--request-log", proxy_log
        ) as proxy:
            url = f"{server.url}/apps.git"
            bad, good = (f"http://{who}@127.0.0.1:{proxy.port}" for who in ("eve:no", "eve:correct%20horse"))
            self.assertIn("407", self.clone(url, ca, f"http.proxy={bad}").stderr)
            self.assert_cloned(self.clone(url, ca, f"http.proxy={good}"))
        last = harness.json_lines(proxy_log)[-1]
        self.assertEqual((last["method"], last["target"]), ("CONNECT", f"127.0.0.1:{server.port}"))
        self.assertEqual(last["proxy_authorization"], "basic")

    def test_proxy_forwards_plain_http_and_resolves_names(self):
        proxy_log = self.home / "proxy.jsonl"
        with self.serving() as server, harness.running(
            "http_proxy.py", "--request-log", proxy_log, "--resolve", f"git.test:80=127.0.0.1:{server.port}"
        ) as proxy:
            self.assert_cloned(self.clone("http://git.test/apps.git", f"http.proxy={proxy.url}"))
            self.assertEqual(proxy.request("GET", "http://192.0.2.1/")[0], 403)
            self.assertEqual(proxy.request("GET", "/not/absolute")[0], 400)
        self.assertEqual(harness.json_lines(self.log)[0]["host"], "git.test")
        self.assertIn("http://git.test/apps.git/info/refs", [r["target"] for r in harness.json_lines(proxy_log)])


if __name__ == "__main__":
    unittest.main()
