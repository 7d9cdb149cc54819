"""The proxy forwards, streams, logs and fails; and, where KUBECONFIG is set, does so before a real API server."""

import contextlib
import http.client
import json
import os
import pathlib
import ssl
import tempfile
import threading
import time
import unittest

import harness
import kubeconfig
import service

EVENTS = 3
EVENT_PAUSE_SECONDS = 0.2


class ApiServer(service.Handler):
    """Answers in every framing that an API server uses; `state` collects what arrived."""

    def handle_request(self):
        body = self.read_body()
        self.server.state.append((self.command, self.path, dict(self.headers), body, self.client_address))
        path = self.path.partition("?")[0]
        if path == "/watch":
            self.watch()
        elif path == "/until-close":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"until the end")
            self.close_connection = True
        elif path == "/nothing":
            self.send_response(204)
            self.end_headers()
        elif path == "/early-hints":
            self.send_response_only(103)
            self.end_headers()
            self.answer_json(200, {"after": "hints"})
        elif path == "/breaks":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        else:
            self.answer_json(200, {"path": self.path, "body": body.decode()})

    do_GET = do_POST = do_PATCH = do_DELETE = do_HEAD = handle_request

    def watch(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        count = 1_000_000 if "forever" in self.path else EVENTS
        for number in range(count):
            event = json.dumps({"event": number}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            time.sleep(EVENT_PAUSE_SECONDS)
        self.wfile.write(b"0\r\n\r\n")


class Proxied(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "proxied.kubeconfig"
        self.log = self.folder / "requests.jsonl"

    def upstream(self, tls=None):
        self.arrived = []
        server = service.Server(0, ApiServer, self.arrived, tls)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def write_kubeconfig(self, server, user="    token: s3cret\n", cluster=""):
        path = self.folder / "kubeconfig"
        path.write_text(
            "apiVersion: v1\nclusters:\n- cluster:\n"
            f"{cluster}    server: {server}\n  name: c\ncontexts:\n- context:\n    cluster: c\n    user: u\n  name: x\n"
            f"current-context: x\nkind: Config\nusers:\n- name: u\n  user:\n{user}"
        )
        return path

    def proxy(self, *arguments, **upstream):
        server = self.upstream(**upstream)
        return self.proxy_before(self.write_kubeconfig(server.url), *arguments)

    def proxy_before(self, config, *arguments):
        return harness.running(
            "fault_proxy.py", "--kubeconfig", config, "--out", self.out, "--request-log", self.log, *arguments
        )

    def rules(self, proxy, *rules):
        status, answer = proxy.request_json("POST", "/__faults", {"rules": list(rules)})
        self.assertEqual(status, 200, answer)

    def test_forwards_with_credentials_and_logs(self):
        with self.proxy() as proxy:
            status, value = proxy.request_json("PATCH", "/api/v1/x?dryRun=All", {"a": "ü"}, {"Accept": "application/json"})
            self.assertEqual((status, value["path"]), (200, "/api/v1/x?dryRun=All"))
            self.assertEqual(json.loads(value["body"]), {"a": "ü"})
            proxy.request("GET", "/own", headers={"Authorization": "Bearer own", "Impersonate-User": "sa"})
            self.assertEqual(proxy.request("HEAD", "/head")[2], b"")
            self.assertEqual(proxy.request("GET", "/nothing")[0], 204)
            self.assertEqual(proxy.request("GET", "/until-close")[2], b"until the end")
            self.assertEqual(proxy.request_json("GET", "/early-hints")[1], {"after": "hints"})
            _, records = proxy.request_json("GET", "/__requests")
            self.assertEqual(proxy.request_json("DELETE", "/__requests")[0], 200)
            self.assertEqual(proxy.request_json("GET", "/__requests")[1], [])
        self.assertEqual(records, harness.json_lines(self.log))
        first, second = records[:2]
        self.assertEqual((first["method"], first["path"], first["query"]), ("PATCH", "/api/v1/x", "dryRun=All"))
        self.assertEqual((first["status"], first["accept"]), (200, "application/json"))
        self.assertEqual(first["content_length"], first["response_bytes"])
        self.assertEqual(second["impersonate"], "sa")
        self.assertEqual(self.arrived[0][2]["Authorization"], "Bearer s3cret")
        self.assertEqual(self.arrived[1][2]["Authorization"], "Bearer own")
        self.assertNotIn("s3cret", self.log.read_text() + self.out.read_text())

    def test_keeps_both_connections(self):
        with self.proxy() as proxy:
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
            with contextlib.closing(connection):
                for number in range(50):
                    connection.request("POST", f"/{number}", b"x" * number)
                    self.assertEqual(json.loads(connection.getresponse().read())["path"], f"/{number}")
        self.assertEqual(len({address for *_, address in self.arrived}), 1)

    def test_streams_a_watch_as_it_comes(self):
        with self.proxy() as proxy:
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
            with contextlib.closing(connection):
                started = time.monotonic()
                connection.request("GET", "/watch?watch=true")
                response = connection.getresponse()
                self.assertEqual(json.loads(response.readline()), {"event": 0})
                self.assertLess(time.monotonic() - started, EVENT_PAUSE_SECONDS)
                self.assertEqual(len(response.read().splitlines()), EVENTS - 1)
                connection.request("GET", "/after")
                self.assertEqual(connection.getresponse().status, 200)
        self.assertEqual(self.arrived[0][4], self.arrived[1][4], "the connection is kept after a chunked body")

    def test_a_client_that_leaves_a_watch_frees_its_thread(self):
        with self.proxy() as proxy:
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
            connection.request("GET", "/watch?forever")
            connection.getresponse().readline()
            connection.sock.close()
            connection.close()
            deadline = time.monotonic() + 5
            while not (records := proxy.request_json("GET", "/__requests")[1]) and time.monotonic() < deadline:
                time.sleep(0.05)
        self.assertEqual(records[0]["error"], "the client left")

    def test_status(self):
        with self.proxy() as proxy:
            self.rules(
                proxy,
                {"match": {"method": "PATCH", "path_regex": "/secrets/a$"}, "action": "status", "status": 409, "count": 2},
                {"match": {"query_regex": "dryRun=All"}, "action": "status", "status": 422, "body": {"kind": "Status"}},
                {"match": {"path_regex": "^/slow"}, "action": "status", "status": 429, "retry_after": 2, "skip": 1},
            )
            self.assertEqual(proxy.request("GET", "/secrets/a")[0], 200)
            for _ in range(2):
                status, answer = proxy.request_json("PATCH", "/secrets/a", {})
                self.assertEqual((status, answer["reason"], answer["code"]), (409, "Conflict", 409))
            self.assertEqual(proxy.request("PATCH", "/secrets/a")[0], 200)
            self.assertEqual(proxy.request_json("POST", "/x?dryRun=All", {}), (422, {"kind": "Status"}))
            self.assertEqual(proxy.request("GET", "/slow")[0], 200)
            status, headers, body = proxy.request("GET", "/slow")
            self.assertEqual((status, headers["Retry-After"]), (429, "2"))
            self.assertEqual(json.loads(body)["details"]["retryAfterSeconds"], 2)
            counts = [rule["count"] for rule in proxy.request_json("GET", "/__faults")[1]["rules"]]
            self.assertEqual(counts, [0, 0, 0])
        self.assertEqual(len(self.arrived), 3, "a faked status is not forwarded")

    def test_cut(self):
        with self.proxy() as proxy:
            for at, forwarded, failure in [
                ("request", 0, http.client.RemoteDisconnected),
                ("response", 1, http.client.RemoteDisconnected),
                ("body", 1, http.client.IncompleteRead),
            ]:
                with self.subTest(at):
                    self.arrived.clear()
                    self.rules(proxy, {"action": "cut", "at": at})
                    self.assertRaises(failure, proxy.request, "POST", "/x")
                    self.assertEqual(len(self.arrived), forwarded)
                    self.assertEqual(proxy.request("POST", "/x")[0], 200)
            self.rules(proxy, {"match": {"path_regex": "/watch"}, "action": "cut"})
            self.assertRaises(http.client.IncompleteRead, proxy.request, "GET", "/watch")

    def test_hang(self):
        with self.proxy() as proxy:
            self.rules(proxy, {"action": "hang", "seconds": 0.3})
            started = time.monotonic()
            self.assertEqual(proxy.request("GET", "/x")[0], 200)
            self.assertGreater(time.monotonic() - started, 0.3)
            self.rules(proxy, {"action": "hang", "seconds": 60})
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=0.2)
            connection.request("GET", "/never")
            self.assertRaises(TimeoutError, connection.getresponse)
            connection.close()
            deadline = time.monotonic() + 5
            while len(harness.json_lines(self.log)) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
        self.assertEqual(harness.json_lines(self.log)[-1]["error"], "the client left")
        self.assertNotIn("/never", [path for _, path, *_ in self.arrived])

    def test_always_until_removed(self):
        with self.proxy() as proxy:
            self.rules(proxy, {"action": "status", "status": 503, "count": None})
            self.assertEqual([proxy.request("GET", "/x")[0] for _ in range(5)], [503] * 5)
            proxy.request("DELETE", "/__faults")
            self.assertEqual(proxy.request("GET", "/x")[0], 200)

    def test_bad_rules_are_refused_whole(self):
        with self.proxy() as proxy:
            for bad in (
                {"action": "explode"},
                {"action": "status", "status": 200},
                {"action": "status", "status": 500, "sconds": 1},
                {"action": "cut", "at": "noon"},
                {"action": "hang"},
                {"action": "cut", "match": {"path": "/x"}},
                {"action": "cut", "match": {"path_regex": "("}},
            ):
                with self.subTest(bad):
                    rules = {"rules": [{"action": "cut"}, bad]}
                    self.assertEqual(proxy.request_json("POST", "/__faults", rules)[0], 400)
            self.assertEqual(proxy.request_json("GET", "/__faults")[1], {"rules": []})
            self.assertEqual(proxy.request_json("POST", "/__faults", [])[0], 400)

    def test_upstream_that_breaks_off_or_is_away(self):
        with self.proxy() as proxy:
            self.assertRaises(http.client.IncompleteRead, proxy.request, "GET", "/breaks")
        config = self.write_kubeconfig("http://127.0.0.1:1")
        with self.proxy_before(config) as proxy:
            self.assertRaises(http.client.RemoteDisconnected, proxy.request, "GET", "/x")
            self.assertIn("no connection", proxy.request_json("GET", "/__requests")[1][0]["error"])

    def test_tls_on_both_sides_with_a_client_certificate(self):
        harness.certificate_authority(self.folder)
        tls = service.server_tls(self.folder / "server.crt", self.folder / "server.key", self.folder / "ca.crt")
        user = "    client-certificate: client.crt\n    client-key: client.key\n"
        config = self.write_kubeconfig(self.upstream(tls).url, user, "    certificate-authority: ca.crt\n")
        with self.proxy_before(config, "--https") as proxy:
            written = kubeconfig.load(self.out)
            connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=written.tls, timeout=5)
            with contextlib.closing(connection):
                for _ in range(3):
                    connection.request("GET", "/x")
                    self.assertEqual(connection.getresponse().read()[:1], b"{")
                connection.request("GET", "/watch")
                self.assertEqual(len(connection.getresponse().read().splitlines()), EVENTS)
            untrusting = http.client.HTTPSConnection("127.0.0.1", proxy.port, timeout=5)
            self.assertRaises(ssl.SSLCertVerificationError, untrusting.request, "GET", "/x")
        self.assertEqual(len({address for *_, address in self.arrived}), 1)

    def test_many_clients_at_once(self):
        failures = []

        def client(port):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            with contextlib.closing(connection):
                for number in range(50):
                    connection.request("PATCH", f"/{number}", b"y" * 2000)
                    if json.loads(connection.getresponse().read())["path"] != f"/{number}":
                        failures.append(number)

        with self.proxy() as proxy:
            threads = [threading.Thread(target=client, args=(proxy.port,)) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(harness.json_lines(self.log)), 16 * 50)

    @unittest.skipUnless(os.environ.get("KUBECONFIG"), "KUBECONFIG is not set")
    def test_a_real_api_server(self):
        for scheme in ((), ("--https",)):
            with self.subTest(scheme), self.proxy_before(os.environ["KUBECONFIG"], *scheme) as proxy:
                written = kubeconfig.load(self.out)
                connect = http.client.HTTPSConnection if written.tls else http.client.HTTPConnection
                settings = {"context": written.tls} if written.tls else {}
                connection = connect("127.0.0.1", proxy.port, timeout=30, **settings)
                with contextlib.closing(connection):
                    connection.request("GET", "/api/v1/namespaces?limit=1")
                    self.assertEqual(json.loads(connection.getresponse().read())["kind"], "NamespaceList")
                    connection.request("GET", "/api/v1/namespaces?watch=true&timeoutSeconds=1")
                    self.assertIn(b'"ADDED"', connection.getresponse().read())
                    connection.request("GET", "/version")
                    self.assertEqual(connection.getresponse().status, 200)


class Kubeconfig(unittest.TestCase):
    def test_block_yaml(self):
        text = (
            "# made by hand\napiVersion: v1\nclusters:\n  - name: 'a''b'\n    cluster:\n"
            '      server: "https://h:1"  \n      insecure-skip-tls-verify: true # yes\n'
            "preferences: {}\nlist:\n- x\n-\n  - y\nempty:\nkind: Config\n"
        )
        self.assertEqual(
            kubeconfig.parse(text),
            {
                "apiVersion": "v1",
                "clusters": [{"name": "a'b", "cluster": {"server": "https://h:1", "insecure-skip-tls-verify": True}}],
                "preferences": {},
                "list": ["x", ["y"]],
                "empty": None,
                "kind": "Config",
            },
        )

    def test_what_is_not_read_is_refused_without_its_value(self):
        for text in (
            "users: [{token: s3cret}]\n",
            "a: |\n  s3cret\n",
            "a: &x s3cret\n",
            "a: 1\na: s3cret\n",
            "a: 1\n  token: s3cret\n",
            "- a\n",
        ):
            with self.subTest(text), self.assertRaises(kubeconfig.Unusable) as caught:
                kubeconfig.parse(text)
            self.assertNotIn("s3cret", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
