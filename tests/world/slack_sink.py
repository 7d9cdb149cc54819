#!/usr/bin/env python3
"""Stands in for Slack: takes the messages that Slack would take, and refuses the others as Slack does.

  POST /services/T000/B000/SECRET     incoming webhook; `ok`, or an error word with 400, 404, 410 or 429
  POST /api/chat.postMessage          bot token as bearer, JSON body; {"ok": true, "channel", "ts", "message"}
  POST /api/chat.update               the same with the `ts` of an earlier message
  POST /api/auth.test                 whether the token is good
  GET  /messages                      what was accepted, as a JSON array
  GET  /requests                      every delivery tried, with its outcome
  POST /control                       {"fail": [FAULT, ...]}: what the next deliveries get, in order
  POST /reset                         forgets messages, requests and scheduled faults

A FAULT is {"status": 429, "retry_after": SECONDS}, {"status": 500}, {"ok": false, "error": "WORD"} (the Web API's
way to fail with status 200), {"hang": SECONDS} or {"cut": true} (accept the message, close without an answer).
Accepted messages are also appended to --log as JSON lines.
"""

import json
import sys
import threading
import time

import block_kit
import service

WEBHOOK_PATH = "/services/T000/B000/"
DEFAULT_SECRET = "xxx"
DEFAULT_TOKEN = "xoxb-fluxops-test"
DEFAULT_CHANNELS = {"C0000000001": "deploys"}
DEFAULT_RETRY_AFTER_SECONDS = 1
# More than this in one control message is an error of the test.
MAX_SCHEDULED_FAULTS = 10_000

# What a webhook answers per error; chat.postMessage answers all of them with status 200.
WEBHOOK_STATUS = {"no_service": 404, "channel_not_found": 404, "channel_is_archived": 410, "ratelimited": 429}


class Workspace:
    """The accepted messages and the faults still to come; every method is safe to call from any thread."""

    def __init__(self, secret, token, channels, log, faults):
        self.secret = secret
        self.token = token
        self.channels = channels
        self._log = log
        self._lock = threading.Lock()
        self._faults = list(faults)
        self._messages = []
        self._requests = []
        self._last_ts = 0

    def next_fault(self):
        with self._lock:
            return self._faults.pop(0) if self._faults else None

    def schedule(self, faults):
        with self._lock:
            self._faults.extend(faults)

    def reset(self):
        with self._lock:
            self._faults.clear()
            self._messages.clear()
            self._requests.clear()

    def accept(self, via, channel, message, ts=None):
        """Stores a message; its timestamp, which is also its id (new, or `ts` for an update)."""
        with self._lock:
            if ts is None:
                self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
                ts = f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"
            record = {"ts": ts, "via": via, "channel": channel, "received": time.time(), "message": message}
            self._messages.append(record)
        self._log.append(record)
        return ts

    def note_request(self, path, status, outcome):
        with self._lock:
            self._requests.append({"time": time.time(), "path": path, "status": status, "outcome": outcome})

    def has_message(self, channel, ts):
        with self._lock:
            return any(m["ts"] == ts and m["channel"] == channel for m in self._messages)

    def messages(self):
        with self._lock:
            return list(self._messages)

    def requests(self):
        with self._lock:
            return list(self._requests)

    def channel_id(self, channel):
        """The id of a channel given by id, name or #name; None if there is none."""
        for known_id, name in self.channels.items():
            if channel in (known_id, name, f"#{name}"):
                return known_id
        return None


class SlackHandler(service.Handler):
    """Routes a request and answers it the way of its API."""

    def do_GET(self):
        if self.path == "/messages":
            self.answer_json(200, self.server.state.messages())
        elif self.path == "/requests":
            self.answer_json(200, self.server.state.requests())
        else:
            self.answer(404, b"not found\n")

    def do_POST(self):
        body = self.read_body()
        if body is None:
            return
        if self.path == "/control":
            self.control(body)
        elif self.path == "/reset":
            self.server.state.reset()
            self.answer_json(200, {"ok": True})
        elif self.path.startswith("/services/"):
            self.deliver(body, self.take_webhook, self.answer_webhook)
        elif self.path.startswith("/api/"):
            self.deliver(body, self.take_api_call, self.answer_api)
        else:
            self.answer(404, b"not found\n")

    def control(self, body):
        try:
            faults = checked_faults(json.loads(body))
        except ValueError as error:
            return self.answer_json(400, {"ok": False, "error": str(error)})
        self.server.state.schedule(faults)
        return self.answer_json(200, {"ok": True, "scheduled": len(faults)})

    def deliver(self, body, take, answer):
        """Takes a message with `take`, unless a fault is due, and sends the outcome with `answer`."""
        fault = self.server.state.next_fault() or {}
        if "hang" in fault:
            time.sleep(fault["hang"])
        if "status" in fault:
            return self.answer_fault(fault, answer)
        if fault.get("ok") is False:
            return answer(block_kit.Refused(fault["error"]))
        try:
            outcome = take(body)
        except block_kit.Refused as refused:
            outcome = refused
        if fault.get("cut"):
            self.server.state.note_request(self.path, None, "cut")
            self.close_connection = True
            return None
        return answer(outcome)

    def answer_fault(self, fault, answer):
        if fault["status"] == 429:
            return answer(block_kit.Refused("ratelimited"), 429, fault.get("retry_after", DEFAULT_RETRY_AFTER_SECONDS))
        return answer(block_kit.Refused("internal_error"), fault["status"])

    def take_webhook(self, body):
        if self.path != WEBHOOK_PATH + self.server.state.secret:
            raise block_kit.Refused("no_service")
        message = self.parsed(body)
        block_kit.check_message(message)
        self.server.state.accept("webhook", None, message)
        return {}

    def answer_webhook(self, outcome, status=None, retry_after=None):
        if isinstance(outcome, block_kit.Refused):
            self.note(status or WEBHOOK_STATUS.get(outcome.code, 400), outcome.code)
            headers = [("Retry-After", str(retry_after))] if retry_after is not None else []
            status = status or WEBHOOK_STATUS.get(outcome.code, 400)
            return self.answer(status, outcome.code.encode(), headers=headers)
        self.note(200, "ok")
        return self.answer(200, b"ok", "text/html")

    def take_api_call(self, body):
        workspace = self.server.state
        method = self.path.removeprefix("/api/")
        token = self.headers.get("Authorization")
        if method not in ("chat.postMessage", "chat.update", "auth.test"):
            raise block_kit.Refused("unknown_method")
        if token is None:
            raise block_kit.Refused("not_authed")
        if token != f"Bearer {workspace.token}":
            raise block_kit.Refused("invalid_auth")
        if method == "auth.test":
            return {"team": "fluxops", "user": "fluxops"}
        message = self.parsed(body)
        if not isinstance(message, dict):
            raise block_kit.Refused("json_not_object")
        channel = workspace.channel_id(message.get("channel"))
        if channel is None:
            raise block_kit.Refused("channel_not_found")
        block_kit.check_message(message)
        ts = None
        if method == "chat.update":
            ts = message.get("ts")
            if not workspace.has_message(channel, ts):
                raise block_kit.Refused("message_not_found")
        ts = workspace.accept(method, channel, message, ts)
        return {"channel": channel, "ts": ts, "message": {"type": "message", "text": message["text"], "ts": ts}}

    def answer_api(self, outcome, status=None, retry_after=None):
        headers = [("Retry-After", str(retry_after))] if retry_after is not None else []
        if not isinstance(outcome, block_kit.Refused):
            self.note(200, "ok")
            return self.answer_json(200, {"ok": True, **outcome})
        self.note(status or 200, outcome.code)
        answer = {"ok": False, "error": outcome.code}
        if outcome.faults:
            answer["errors"] = outcome.faults
            answer["response_metadata"] = {"messages": [f"[ERROR] {fault}" for fault in outcome.faults]}
        return self.answer_json(status or 200, answer, headers)

    def note(self, status, outcome):
        self.server.state.note_request(self.path, status, outcome)

    def parsed(self, body):
        """The JSON body; Slack reads JSON only where the content type says so."""
        is_json = self.headers.get_content_type() == "application/json"
        try:
            if is_json:
                return json.loads(body)
        except ValueError:
            pass
        raise block_kit.Refused("invalid_payload" if self.path.startswith("/services/") else "invalid_json")


def checked_faults(control):
    """The faults of a control message; ValueError says what is wrong with it."""
    if not isinstance(control, dict) or set(control) != {"fail"} or not isinstance(control["fail"], list):
        raise ValueError('wanted {"fail": [...]}')
    if len(control["fail"]) > MAX_SCHEDULED_FAULTS:
        raise ValueError("too many faults")
    kinds = {"status": {"status", "retry_after"}, "ok": {"ok", "error"}, "hang": {"hang"}, "cut": {"cut"}}
    for fault in control["fail"]:
        kind = next((kind for kind in kinds if isinstance(fault, dict) and kind in fault), None)
        if kind is None or not set(fault) <= kinds[kind]:
            raise ValueError(f"unknown fault: {json.dumps(fault)}")
        if kind == "ok" and (fault["ok"] is not False or not isinstance(fault.get("error"), str)):
            raise ValueError('wanted {"ok": false, "error": "WORD"}')
        if kind == "status" and not (isinstance(fault["status"], int) and 300 <= fault["status"] <= 599):
            raise ValueError("status must be 300 to 599")
    return control["fail"]


def first_faults(count, status):
    """The faults of --fail-next and --fail-status."""
    fault = {"ok": False, "error": "fatal_error"} if status == "ok-false" else {"status": int(status)}
    return [fault] * count


def main():
    parser = service.arguments(__doc__)
    parser.add_argument("--log", metavar="FILE", help="append accepted messages as JSON lines")
    parser.add_argument("--webhook-secret", default=DEFAULT_SECRET, help="last element of the webhook's path")
    parser.add_argument("--token-file", metavar="FILE", help=f"the bot token (default: {DEFAULT_TOKEN})")
    parser.add_argument("--channel", action="append", metavar="ID=NAME", help="a channel (default: C0000000001=deploys)")
    parser.add_argument("--fail-next", type=int, default=0, metavar="N", help="fail the first N deliveries")
    parser.add_argument("--fail-status", choices=("429", "500", "ok-false"), default="500", help="how they fail")
    options = parser.parse_args()
    channels = dict(entry.split("=", 1) for entry in options.channel) if options.channel else DEFAULT_CHANNELS
    workspace = Workspace(
        options.webhook_secret,
        service.secret_file(options.token_file) if options.token_file else DEFAULT_TOKEN,
        channels,
        service.JsonLines(options.log),
        first_faults(options.fail_next, options.fail_status),
    )
    service.serve(service.Server(options.port, SlackHandler, workspace), options)


if __name__ == "__main__":
    sys.exit(main())
