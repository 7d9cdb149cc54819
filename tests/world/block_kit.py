"""The published rules and limits of Slack's messages and Block Kit, as a checker.

Rules: docs.slack.dev, "Block Kit reference" (blocks, block elements, composition objects) and the method page of
chat.postMessage. Slack counts characters, refuses fields that it does not know, and names what is wrong with a
JSON pointer, as `check_message` does.
"""

import re

MAX_BLOCKS = 50
MAX_TEXT_CHARS = 40_000
MAX_ATTACHMENTS = 100
MAX_BLOCK_ID_CHARS = 255
MAX_ACTION_ID_CHARS = 255
MAX_HEADER_CHARS = 150
MAX_SECTION_TEXT_CHARS = 3000
MAX_SECTION_FIELDS = 10
MAX_FIELD_CHARS = 2000
MAX_CONTEXT_ELEMENTS = 10
MAX_ACTIONS_ELEMENTS = 25
MAX_BUTTON_TEXT_CHARS = 75
MAX_BUTTON_VALUE_CHARS = 2000
MAX_URL_CHARS = 3000
MAX_ALT_TEXT_CHARS = 2000
MAX_IMAGE_TITLE_CHARS = 2000
MAX_MARKDOWN_CHARS = 12_000
# Not in the reference: Slack also bounds the text of all blocks together and answers `msg_blocks_too_long`. Users
# measured 9,597 characters accepted and 11,341 refused (slackapi/bolt-js issue 2867); we take the lower one.
MAX_ALL_BLOCKS_CHARS = 9_600

BUTTON_STYLES = ("primary", "danger")


class Refused(Exception):
    """A message that Slack would refuse: its error code and, per fault, what is wrong and where."""

    def __init__(self, code, faults=()):
        super().__init__(code)
        self.code = code
        self.faults = list(faults)


def check_message(message):
    """Raises `Refused` unless Slack would take this message (the JSON body of a webhook or chat.postMessage)."""
    if not isinstance(message, dict):
        raise Refused("invalid_payload")
    text, blocks, attachments = (message.get(name) for name in ("text", "blocks", "attachments"))
    if text is not None and not isinstance(text, str):
        raise Refused("invalid_payload", ["must be a string [json-pointer:/text]"])
    if attachments is not None:
        if not isinstance(attachments, list) or not all(isinstance(item, dict) for item in attachments):
            raise Refused("invalid_attachments")
        if len(attachments) > MAX_ATTACHMENTS:
            raise Refused("too_many_attachments")
    if text is not None and len(text) > MAX_TEXT_CHARS:
        raise Refused("msg_too_long")
    if blocks is not None:
        check_blocks(blocks)
    for index, attachment in enumerate(attachments or []):
        if "blocks" in attachment:
            check_blocks(attachment["blocks"], f"/attachments/{index}/blocks")
    # Slack takes blocks without a text, but then notifications and screen readers have nothing to show: the
    # reference asks for the text, and so do we.
    if not (text or "").strip():
        raise Refused("no_text")


def check_blocks(blocks, at="/blocks"):
    """Raises `Refused` unless `blocks` is a list of valid blocks within the limits of a message."""
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    checker = _Checker()
    if len(blocks) > MAX_BLOCKS:
        checker.fault(at, f"no more than {MAX_BLOCKS} items allowed")
    seen = set()
    for index, block in enumerate(blocks):
        checker.block(block, f"{at}/{index}")
        block_id = block.get("block_id") if isinstance(block, dict) else None
        if isinstance(block_id, str):
            if block_id in seen:
                checker.fault(f"{at}/{index}/block_id", "must be unique in the message")
            seen.add(block_id)
    if checker.faults:
        raise Refused("invalid_blocks", checker.faults)
    if checker.chars > MAX_ALL_BLOCKS_CHARS:
        raise Refused("msg_blocks_too_long")


class _Checker:
    """Walks blocks and collects every fault, and the number of characters of all their texts."""

    def __init__(self):
        self.faults = []
        self.chars = 0

    def fault(self, at, what):
        self.faults.append(f"{what} [json-pointer:{at}]")

    def block(self, block, at):
        if not isinstance(block, dict):
            return self.fault(at, "must be an object")
        check = getattr(self, f"block_{block.get('type')}", None) if isinstance(block.get("type"), str) else None
        if check is None:
            return self.fault(f"{at}/type", "unsupported type")
        self.string(block, "block_id", at, MAX_BLOCK_ID_CHARS, required=False)
        return check(block, at)

    def block_header(self, block, at):
        self.fields(block, at, ("text",), ("level",))
        self.text_object(block.get("text"), f"{at}/text", MAX_HEADER_CHARS, ("plain_text",))

    def block_divider(self, block, at):
        self.fields(block, at, ())

    def block_section(self, block, at):
        self.fields(block, at, (), ("text", "fields", "accessory", "expand"))
        if "text" not in block and "fields" not in block:
            self.fault(at, "must have text or fields")
        if "text" in block:
            self.text_object(block["text"], f"{at}/text", MAX_SECTION_TEXT_CHARS)
        if "fields" in block:
            for index, field in self.items(block["fields"], f"{at}/fields", MAX_SECTION_FIELDS):
                self.text_object(field, f"{at}/fields/{index}", MAX_FIELD_CHARS)
        if "accessory" in block:
            self.element(block["accessory"], f"{at}/accessory", ("button", "image"))

    def block_context(self, block, at):
        self.fields(block, at, ("elements",))
        for index, element in self.items(block.get("elements"), f"{at}/elements", MAX_CONTEXT_ELEMENTS):
            if isinstance(element, dict) and element.get("type") == "image":
                self.element(element, f"{at}/elements/{index}", ("image",))
            else:
                self.text_object(element, f"{at}/elements/{index}", MAX_SECTION_TEXT_CHARS)

    def block_actions(self, block, at):
        self.fields(block, at, ("elements",))
        seen = set()
        for index, element in self.items(block.get("elements"), f"{at}/elements", MAX_ACTIONS_ELEMENTS):
            self.element(element, f"{at}/elements/{index}", ("button",))
            action_id = element.get("action_id") if isinstance(element, dict) else None
            if isinstance(action_id, str):
                if action_id in seen:
                    self.fault(f"{at}/elements/{index}/action_id", "must be unique in the block")
                seen.add(action_id)

    def block_image(self, block, at):
        self.fields(block, at, ("image_url", "alt_text"), ("title",))
        self.url(block, "image_url", at)
        self.string(block, "alt_text", at, MAX_ALT_TEXT_CHARS)
        if "title" in block:
            self.text_object(block["title"], f"{at}/title", MAX_IMAGE_TITLE_CHARS, ("plain_text",))

    def block_markdown(self, block, at):
        self.fields(block, at, ("text",))
        self.chars += len(self.string(block, "text", at, MAX_MARKDOWN_CHARS))

    def element(self, element, at, types):
        if not isinstance(element, dict) or element.get("type") not in types:
            return self.fault(f"{at}/type", f"must be one of {', '.join(types)}")
        return getattr(self, f"element_{element['type']}")(element, at)

    def element_button(self, button, at):
        optional = ("action_id", "url", "value", "style", "confirm", "accessibility_label")
        self.fields(button, at, ("text",), optional, block_id=False)
        self.text_object(button.get("text"), f"{at}/text", MAX_BUTTON_TEXT_CHARS, ("plain_text",))
        self.string(button, "action_id", at, MAX_ACTION_ID_CHARS, required=False)
        self.string(button, "value", at, MAX_BUTTON_VALUE_CHARS, required=False)
        self.string(button, "accessibility_label", at, MAX_BUTTON_TEXT_CHARS, required=False)
        self.url(button, "url", at, required=False)
        if "style" in button and button["style"] not in BUTTON_STYLES:
            self.fault(f"{at}/style", f"must be one of {', '.join(BUTTON_STYLES)}")

    def element_image(self, image, at):
        self.fields(image, at, ("image_url", "alt_text"), block_id=False)
        self.url(image, "image_url", at)
        self.string(image, "alt_text", at, MAX_ALT_TEXT_CHARS)

    def text_object(self, value, at, limit, types=("mrkdwn", "plain_text")):
        if not isinstance(value, dict):
            return self.fault(at, "must be a text object")
        if value.get("type") not in types:
            return self.fault(f"{at}/type", f"must be one of {', '.join(types)}")
        flag = "emoji" if value["type"] == "plain_text" else "verbatim"
        self.fields(value, at, ("text",), (flag,), block_id=False)
        if not isinstance(value.get(flag, False), bool):
            self.fault(f"{at}/{flag}", "must be a boolean")
        self.chars += len(self.string(value, "text", at, limit))
        return None

    def fields(self, value, at, required, optional=(), block_id=True):
        """Faults missing and unknown fields; every object has a type, every block may have a block_id."""
        for name in required:
            if name not in value:
                self.fault(at, f"missing required field: {name}")
        allowed = {"type", *required, *optional} | ({"block_id"} if block_id else set())
        for name in sorted(set(value) - allowed):
            self.fault(f"{at}/{name}", "no more fields allowed")

    def items(self, value, at, limit):
        if not isinstance(value, list):
            self.fault(at, "must be an array")
            return []
        if not value:
            self.fault(at, "must have at least 1 item")
        if len(value) > limit:
            self.fault(at, f"no more than {limit} items allowed")
        return list(enumerate(value))

    def string(self, value, name, at, limit, required=True):
        """The field's string, "" where it is absent or faulty; what is present must have 1 to `limit` characters."""
        if name not in value:
            if required:
                self.fault(at, f"missing required field: {name}")
            return ""
        text = value[name]
        if not isinstance(text, str):
            self.fault(f"{at}/{name}", "must be a string")
            return ""
        if not text:
            self.fault(f"{at}/{name}", "must be more than 0 characters")
        if len(text) > limit:
            self.fault(f"{at}/{name}", f"must be less than {limit + 1} characters")
        return text

    def url(self, value, name, at, required=True):
        url = self.string(value, name, at, MAX_URL_CHARS, required)
        if url and not re.fullmatch(r"https?://[^\s<>|]+", url):
            self.fault(f"{at}/{name}", "must be a valid URL")
