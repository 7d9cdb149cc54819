"""The sink takes what Slack takes, refuses what Slack refuses, and fails when told to."""

import json
import pathlib
import tempfile
import threading
import time
import unittest

import block_kit
import harness

WEBHOOK = "/services/T000/B000/xxx"
POST = "/api/chat.postMessage"
TOKEN = {"Authorization": "Bearer xoxb-fluxops-test"}
CHANNEL = "C0000000001"


def mrkdwn(text):
    return {"type": "mrkdwn", "text": text}


def plain(text):
    return {"type": "plain_text", "text": text}


def section(text):
    return {"type": "section", "text": mrkdwn(text)}


def button(text="Open", **more):
    return {"type": "button", "text": plain(text), **more}


def header(text):
    return {"type": "header", "text": plain(text)}


ALERT = {
    "text": "Delivery team/web failed",
    "blocks": [
        header("Delivery team/web failed"),
        section("*verify*: commit `0123abc` is not signed"),
        {"type": "section", "fields": [mrkdwn("*Cluster*\nprod"), plain("Commit 0123abc")]},
        {"type": "divider"},
        {"type": "context", "elements": [mrkdwn("next try in 1 min"), plain("fluxops")]},
        {"type": "actions", "elements": [button(url="https://example.com/commit/0123abc", style="primary")]},
    ],
}

# (what, blocks, a part of what must be said; None where Slack accepts)
LIMITS = [
    ("50 blocks", [{"type": "divider"}] * 50, None),
    ("51 blocks", [{"type": "divider"}] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
    ("section of 3000", [section("x" * 3000)], None),
    ("section of 3001", [section("x" * 3001)], "less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    ("section of 3000 beyond ASCII", [section("ü" * 3000)], None),
    ("empty section", [section("")], "more than 0 characters"),
    ("section of nothing", [{"type": "section"}], "must have text or fields"),
    ("10 fields", [{"type": "section", "fields": [plain("f")] * 10}], None),
    ("11 fields", [{"type": "section", "fields": [plain("f")] * 11}], "no more than 10 items"),
    ("field of 2000", [{"type": "section", "fields": [mrkdwn("x" * 2000)]}], None),
    ("field of 2001", [{"type": "section", "fields": [mrkdwn("x" * 2001)]}], "less than 2001"),
    ("header of 150", [header("x" * 150)], None),
    ("header of 151", [header("x" * 151)], "less than 151"),
    ("header in mrkdwn", [{"type": "header", "text": mrkdwn("x")}], "must be one of plain_text"),
    ("context of 10", [{"type": "context", "elements": [plain("c")] * 10}], None),
    ("context of 11", [{"type": "context", "elements": [plain("c")] * 11}], "no more than 10 items"),
    ("context of 0", [{"type": "context", "elements": []}], "at least 1 item"),
    ("button in context", [{"type": "context", "elements": [button()]}], "must be one of mrkdwn"),
    ("25 actions", [{"type": "actions", "elements": [button()] * 25}], None),
    ("26 actions", [{"type": "actions", "elements": [button()] * 26}], "no more than 25 items"),
    ("action_id twice", [{"type": "actions", "elements": [button(action_id="a")] * 2}], "must be unique"),
    ("button text of 75", [{"type": "actions", "elements": [button("x" * 75)]}], None),
    ("button text of 76", [{"type": "actions", "elements": [button("x" * 76)]}], "less than 76"),
    ("url of 3000", [{"type": "actions", "elements": [button(url="https://e.com/".ljust(3000, "x"))]}], None),
    ("url of 3001", [{"type": "actions", "elements": [button(url="https://e.com/".ljust(3001, "x"))]}], "less than 3001"),
    ("url of another scheme", [{"type": "actions", "elements": [button(url="ssh://e.com/x")]}], "valid URL"),
    ("disabled button", [{"type": "actions", "elements": [button(disabled=True)]}], "no more fields allowed"),
    ("style", [{"type": "actions", "elements": [button(style="green")]}], "must be one of primary, danger"),
    ("block_id of 255", [{"type": "divider", "block_id": "b" * 255}], None),
    ("block_id of 256", [{"type": "divider", "block_id": "b" * 256}], "less than 256"),
    ("block_id twice", [{"type": "divider", "block_id": "b"}] * 2, "must be unique"),
    ("unknown block", [{"type": "banner"}], "unsupported type [json-pointer:/blocks/0/type]"),
    ("method that is no block", [{"type": "id"}], "unsupported type"),
    ("unknown field", [{"type": "divider", "color": "red"}], "no more fields allowed [json-pointer:/blocks/0/color]"),
    ("text that is a string", [{"type": "section", "text": "x"}], "must be a text object"),
    ("markdown text", [{"type": "section", "text": {"type": "markdown", "text": "x"}}], "must be one of"),
    ("emoji in mrkdwn", [{"type": "section", "text": {**mrkdwn("x"), "emoji": True}}], "no more fields allowed"),
    ("emoji that is no boolean", [{"type": "header", "text": {**plain("x"), "emoji": "yes"}}], "must be a boolean"),
    ("block that is a string", ["divider"], "must be an object"),
    ("accessory", [{**section("x"), "accessory": button()}], None),
    ("image", [{"type": "image", "image_url": "https://e.com/a.png", "alt_text": "a"}], None),
    ("image without alt_text", [{"type": "image", "image_url": "https://e.com/a.png"}], "missing required field: alt_text"),
]


class BlockKit(unittest.TestCase):
    def test_limits(self):
        for what, blocks, said in LIMITS:
            with self.subTest(what):
                if said is None:
                    block_kit.check_blocks(blocks)
                    continue
                with self.assertRaises(block_kit.Refused) as caught:
                    block_kit.check_blocks(blocks)
                self.assertEqual(caught.exception.code, "invalid_blocks")
                self.assertIn(said, "\n".join(caught.exception.faults))

    def test_text_of_all_blocks_together(self):
        block_kit.check_blocks([section("x" * 2400)] * 4)
        with self.assertRaises(block_kit.Refused) as caught:
            block_kit.check_blocks([section("x" * 2401)] * 4)
        self.assertEqual(caught.exception.code, "msg_blocks_too_long")

    def test_messages(self):
        for message, code in [
            ({"text": "x" * 40_000}, None),
            ({"text": "x" * 40_001}, "msg_too_long"),
            ({"text": " "}, "no_text"),
            ({"blocks": [{"type": "divider"}]}, "no_text"),
            ({"text": 1}, "invalid_payload"),
            ([], "invalid_payload"),
            ({"text": "x", "blocks": {}}, "invalid_blocks_format"),
            ({"text": "x", "attachments": [{}] * 101}, "too_many_attachments"),
            ({"text": "x", "attachments": [{"color": "#f00", "blocks": [{"type": "banner"}]}]}, "invalid_blocks"),
            (ALERT, None),
        ]:
            with self.subTest(str(message)[:60]):
                if code is None:
                    block_kit.check_message(message)
                    continue
                with self.assertRaises(block_kit.Refused) as caught:
                    block_kit.check_message(message)
                self.assertEqual(caught.exception.code, code)


class Sink(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = pathlib.Path(folder.name) / "messages.jsonl"

    def sink(self, *arguments):
        return harness.running("slack_sink.py", "--log", self.log, *arguments)

    def webhook(self, sink, message, path=WEBHOOK):
        body = message if isinstance(message, bytes) else json.dumps(message)
        status, _, answer = sink.request("POST", path, body, {"Content-Type": "application/json"})
        return status, answer.decode()

    def test_webhook(self):
        with self.sink() as sink:
            self.assertEqual(self.webhook(sink, ALERT), (200, "ok"))
            self.assertEqual(self.webhook(sink, b"{"), (400, "invalid_payload"))
            self.assertEqual(self.webhook(sink, {"text": ""}), (400, "no_text"))
            self.assertEqual(self.webhook(sink, {"text": "x", "blocks": [{"type": "no"}]}), (400, "invalid_blocks"))
            self.assertEqual(self.webhook(sink, ALERT, "/services/T000/B000/other"), (404, "no_service"))
            self.assertEqual(sink.request("POST", WEBHOOK, b'{"text":"x"}')[0], 400, "content type is missing")
            _, messages = sink.request_json("GET", "/messages")
            _, requests = sink.request_json("GET", "/requests")
        self.assertEqual([record["message"] for record in messages], [ALERT])
        self.assertEqual(harness.json_lines(self.log), messages)
        outcomes = ["ok", "invalid_payload", "no_text", "invalid_blocks", "no_service", "invalid_payload"]
        self.assertEqual([request["outcome"] for request in requests], outcomes)

    def test_post_message(self):
        with self.sink() as sink:
            for headers, message, error in [
                ({}, ALERT, "not_authed"),
                ({"Authorization": "Bearer wrong"}, ALERT, "invalid_auth"),
                (TOKEN, ALERT, "channel_not_found"),
                (TOKEN, {"channel": "nowhere", **ALERT}, "channel_not_found"),
                (TOKEN, {"channel": CHANNEL, "text": "x" * 40_001}, "msg_too_long"),
                (TOKEN, {"channel": CHANNEL, "text": "x", "blocks": [header("x" * 151)]}, "invalid_blocks"),
                (TOKEN, [], "json_not_object"),
            ]:
                with self.subTest(error):
                    status, answer = sink.request_json("POST", POST, message, headers)
                    self.assertEqual((status, answer["ok"], answer["error"]), (200, False, error))
            self.assertIn("less than 151", sink.request_json(
                "POST", POST, {"channel": CHANNEL, "text": "x", "blocks": [header("x" * 151)]}, TOKEN
            )[1]["response_metadata"]["messages"][0])
            for channel in (CHANNEL, "deploys", "#deploys"):
                _, answer = sink.request_json("POST", POST, {"channel": channel, **ALERT}, TOKEN)
                self.assertEqual((answer["ok"], answer["channel"]), (True, CHANNEL))
                self.assertRegex(answer["ts"], r"^\d{10}\.\d{6}$")
            stamps = [record["ts"] for record in harness.json_lines(self.log)]
        self.assertEqual(len(set(stamps)), 3)

    def test_update(self):
        with self.sink() as sink:
            _, posted = sink.request_json("POST", POST, {"channel": CHANNEL, **ALERT}, TOKEN)
            update = {"channel": CHANNEL, "ts": posted["ts"], "text": "Delivery team/web is well again"}
            self.assertEqual(sink.request_json("POST", "/api/chat.update", update, TOKEN)[1]["ts"], posted["ts"])
            _, answer = sink.request_json("POST", "/api/chat.update", {**update, "ts": "1.000001"}, TOKEN)
            self.assertEqual(answer["error"], "message_not_found")

    def test_fail_next(self):
        with self.sink("--fail-next", 2, "--fail-status", "429") as sink:
            status, headers, body = sink.request("POST", WEBHOOK, b"{}")
            self.assertEqual((status, headers["Retry-After"], body), (429, "1", b"ratelimited"))
            status, answer = sink.request_json("POST", POST, ALERT, TOKEN)
            self.assertEqual((status, answer), (429, {"ok": False, "error": "ratelimited"}))
            self.assertEqual(self.webhook(sink, ALERT)[0], 200)
        self.assertEqual(len(harness.json_lines(self.log)), 1)

    def test_scripted_faults_come_in_order_and_once(self):
        faults = [
            {"status": 429, "retry_after": 3},
            {"status": 503},
            {"ok": False, "error": "channel_is_archived"},
            {"hang": 0.3},
            {"cut": True},
        ]
        with self.sink() as sink:
            self.assertEqual(sink.request_json("POST", "/control", {"fail": faults})[1]["scheduled"], 5)
            _, headers, _ = sink.request("POST", WEBHOOK, b"{}")
            self.assertEqual(headers["Retry-After"], "3")
            self.assertEqual(self.webhook(sink, ALERT), (503, "internal_error"))
            self.assertEqual(self.webhook(sink, ALERT), (410, "channel_is_archived"))
            started = time.monotonic()
            self.assertEqual(self.webhook(sink, ALERT)[0], 200)
            self.assertGreater(time.monotonic() - started, 0.3)
            with self.assertRaises(ConnectionError):
                self.webhook(sink, ALERT)
            self.assertEqual(self.webhook(sink, ALERT)[0], 200)
            self.assertEqual(len(sink.request_json("GET", "/messages")[1]), 3)
            for bad in ({}, {"fail": [{"sttus": 429}]}, {"fail": [{"ok": True, "error": "x"}]}, {"fail": [{"status": 200}]}):
                self.assertEqual(sink.request_json("POST", "/control", bad)[0], 400)
            sink.request_json("POST", "/reset", {})
            self.assertEqual(sink.request_json("GET", "/messages")[1], [])

    def test_many_at_once(self):
        with self.sink() as sink:
            threads = [threading.Thread(target=self.webhook, args=(sink, ALERT)) for _ in range(40)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            stamps = [record["ts"] for record in sink.request_json("GET", "/messages")[1]]
        self.assertEqual(len(set(stamps)), 40)
        self.assertEqual(len(harness.json_lines(self.log)), 40)


if __name__ == "__main__":
    unittest.main()
