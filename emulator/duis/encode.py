"""Typed messages to compact DUIS XML.

What is written is its own canonical form (Canonical XML 1.0): no declaration, no white space between elements, empty elements
as two tags, attributes in order, C14N's escapes. So a signature is computed over these octets without building a tree, and
the stock client, which drops white space before it digests, finds the same digest (source: wire_contract.md section 0 item 1,
measured).
"""

import base64
import re
from typing import Final

from emulator.domain.errors import Broken, Malformed
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import DccAlert, DeviceAlert, Element, Message, Request, Throttled, element
from emulator.duis.namespaces import SERVICE_USER_GATEWAY

DEFAULT_SCHEMA_VERSION: Final = "5.4"
"""schemaVersion of what the DCC sends (source: duis.md section 1.1, certain)."""

REMEMBERED: Final = frozenset({"Device"})
"""Elements whose text is remembered by their identity: an inventory lists the same ones in many answers."""
MAX_REMEMBERED: Final = 4_096
"""How many of them, some 1 kB of text each."""
_WRITTEN: dict[int, tuple[str, Element]] = {}
"""Their texts by the identities of the elements, which stay theirs because they are kept here too."""

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def encode_message(message: Message, schema_version: str = DEFAULT_SCHEMA_VERSION) -> bytes:
    """A Response: header and body in the order of the schema, unsigned.

    Raise :class:`Malformed` for text that XML cannot carry.
    """
    if isinstance(message, DeviceAlert):
        header = _response_header(None, message.response_id, "I0", message.at_ms)
        body = element(
            "DeviceAlertMessage",
            element("AlertCode", f"{message.alert_code:04X}"),
            *_throttling(message.throttled),
            element("GBCSPayload", base64.b64encode(message.gbcs_payload).decode("ascii")),
        )
    elif isinstance(message, DccAlert):
        header = _response_header(None, message.response_id, "I0", message.at_ms)
        body = element(
            "DCCAlertMessage",
            element("DCCAlertCode", message.alert_code),
            *_throttling(message.throttled),
            element("DCCAlert", message.body),
        )
    else:
        header = _response_header(message.request_id, message.response_id, message.code, message.at_ms)
        references = (
            f"{_field('ServiceReference', message.service_reference)}"
            f"{_field('ServiceReferenceVariant', message.service_reference_variant)}"
        )
        payload = "" if message.payload is None else _text(message.payload)
        text = f"<sr:ResponseMessage>{references}{payload}</sr:ResponseMessage>"
        return _document("Response", schema_version, header, text, where="ResponseMessage")
    return _document("Response", schema_version, header, _text(body), where=body.name)


def _throttling(throttled: Throttled | None) -> tuple[Element, ...]:
    if throttled is None:
        return ()
    sequence_id, count = str(throttled.sequence_id), str(throttled.count)
    return element("ThrottledAlertSequenceId", sequence_id), element("ThrottledAlertCount", count)


def encode_request(request: Request) -> bytes:
    """A Request: header and body in the order of the schema, unsigned.

    Raise :class:`Malformed` for text that XML cannot carry.
    """
    first, preceding = request.first_in_sequence, request.preceding_request_id
    header = (
        f"{_field('RequestID', str(request.request_id))}"
        f"{'' if first is None else _field('FirstInSequence', str(first).lower())}"
        f"{'' if preceding is None else _field('PrecedingServiceRequestID', str(preceding))}"
        f"{_field('CommandVariant', str(request.command_variant))}"
        f"{_field('ServiceReference', request.service_reference)}"
        f"{_field('ServiceReferenceVariant', request.service_reference_variant)}"
    )
    return _document("Request", request.schema_version, header, _text(request.body), where=request.body.name)


def escape_text(text: str) -> str:
    """Text as canonical XML writes it between tags (source: Canonical XML 1.0 section 2.3, exact)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _escape_attribute(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return escaped.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")


def _response_header(request_id: str | None, response_id: str | None, code: str, at_ms: int) -> str:
    return (
        f"{_field('RequestID', request_id) if request_id else ''}{_field('ResponseID', response_id) if response_id else ''}"
        f"{_field('ResponseCode', code)}{_field('ResponseDateTime', format_datetime(at_ms))}"
    )


def _field(name: str, text: str) -> str:
    return f"<sr:{name}>{text if text.isalnum() else escape_text(text)}</sr:{name}>"


def _document(name: str, schema_version: str, header: str, body: str, *, where: str) -> bytes:
    text = (
        f'<sr:{name} xmlns:sr="{SERVICE_USER_GATEWAY}" schemaVersion="{_escape_attribute(schema_version)}">'
        f"<sr:Header>{header}</sr:Header><sr:Body>{body}</sr:Body></sr:{name}>"
    )
    if not text.isprintable() and (found := _NOT_XML.search(text)):
        raise Malformed(f"U+{ord(found[0]):04X} cannot be written in XML", where=where, expected="XML characters")
    return text.encode()


def _text(node: Element) -> str:
    parts: list[str] = []
    _write(node, parts)
    return "".join(parts)


def _write(node: Element, parts: list[str]) -> None:
    name, attributes = node.name, ""
    if node.attributes:
        attributes = "".join(f' {key}="{_escape_attribute(value)}"' for key, value in sorted(node.attributes))
    if not node.children:
        text = node.text
        parts.append(f"<sr:{name}{attributes}>{text if text.isalnum() else escape_text(text)}</sr:{name}>")
        return
    if node.text:
        raise Broken(f"element {name} has both text and children")
    if name in REMEMBERED and (known := _WRITTEN.get(id(node))) is not None:
        parts.append(known[0])
        return
    start = len(parts)
    parts.append(f"<sr:{name}{attributes}>")
    for child in node.children:
        _write(child, parts)
    parts.append(f"</sr:{name}>")
    if name in REMEMBERED:
        if len(_WRITTEN) >= MAX_REMEMBERED:
            _WRITTEN.clear()
        _WRITTEN[id(node)] = "".join(parts[start:]), node
