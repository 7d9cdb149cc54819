#!/usr/bin/env python3
"""Prints the messages that arrived in the demo's chat rooms, oldest first, as their readers see them.

  chat slack          what the Slack sink at $SLACK_URL accepted
  chat matrix         what is in the room $MATRIX_ROOM_ID of $MATRIX_URL

--last prints the newest message alone.
"""

import argparse
import json
import os
import re
import sys
import urllib.parse
import urllib.request

# More than the demo sends.
MATRIX_PAGE = 50
REQUEST_SECONDS = 10


def fetched(url, token=None):
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    # Proxies of the environment are for the world outside.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=REQUEST_SECONDS) as response:
        return json.load(response)


def slack():
    return [block_kit_text(entry["message"]["blocks"]) for entry in fetched(os.environ["SLACK_URL"] + "/messages")]


def block_kit_text(blocks):
    """The texts of Block Kit, one paragraph a block, markup taken away."""
    paragraphs = []
    for block in blocks:
        texts = [block["text"]] if "text" in block else block.get("elements", [])
        paragraphs += [plain(text) for text in texts if "text" in text]
    return "\n".join(paragraphs)


def plain(text):
    """Slack's mrkdwn (links, *bold*, `code`, three escapes) as plain text."""
    if text["type"] != "mrkdwn":
        return text["text"]
    shown = re.sub(r"<[^|>]+\|([^>]+)>", r"\1", text["text"])
    shown = re.sub(r"\*([^*\n]+)\*", r"\1", shown).replace("`", "")
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def matrix():
    room = urllib.parse.quote(os.environ["MATRIX_ROOM_ID"])
    url = f"{os.environ['MATRIX_URL']}/_matrix/client/v3/rooms/{room}/messages?dir=b&limit={MATRIX_PAGE}"
    events = fetched(url, os.environ["MATRIX_TOKEN"])["chunk"]
    return [event["content"]["body"] for event in reversed(events) if event["type"] == "m.room.message"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("service", choices=("slack", "matrix"))
    parser.add_argument("--last", action="store_true")
    options = parser.parse_args()
    try:
        messages = slack() if options.service == "slack" else matrix()
    except OSError as error:
        sys.exit(f"chat: {error}")
    for message in messages[-1:] if options.last else messages:
        print("\n".join(f"┃ {line}".rstrip() for line in message.splitlines()))


if __name__ == "__main__":
    main()
