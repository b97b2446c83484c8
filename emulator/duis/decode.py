"""XML trees to typed messages.

Every field is read from its one place, counted from the root, never searched for: what is wrapped elsewhere in a document
does not exist. A Signature may stand after Body and is not looked at.
"""

import base64
import binascii
import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final

from lxml import etree

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import RequestId
from emulator.duis.datetimes import parse_datetime_ms
from emulator.duis.messages import DccAlert, DeviceAlert, Element, Message, Request, ServiceResponse, Throttled
from emulator.duis.namespaces import DS, DUIS

_WHITE_SPACE: Final = " \t\r\n"
_DECIMAL: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}

_REQUEST_HEADER: Final = (
    ("RequestID", True),
    ("FirstInSequence", False),
    ("PrecedingServiceRequestID", False),
    ("CommandVariant", True),
    ("ServiceReference", True),
    ("ServiceReferenceVariant", True),
)
_RESPONSE_HEADER: Final = (
    ("RequestID", False),
    ("ResponseID", False),
    ("ResponseCode", True),
    ("ResponseDateTime", True),
)
_THROTTLING: Final = (("ThrottledAlertSequenceId", False), ("ThrottledAlertCount", False))
_DEVICE_ALERT: Final = (("AlertCode", True), *_THROTTLING, ("GBCSPayload", True))
_DCC_ALERT: Final = (("DCCAlertCode", True), *_THROTTLING, ("DCCAlert", True))
# name and whether it must be there, in the order of the schema (source: schema V5.4 by way of duis_body_elements.json, exact)


def decode_request(root: etree._Element) -> Request:
    """Read a Service Request or Signed Pre-Command; raise :class:`Malformed` where it is not as the schema has it."""
    header, body = _envelope(root, "Request")
    fields = _fields(header, _REQUEST_HEADER, "Request/Header")
    first, preceding = fields.get("FirstInSequence"), fields.get("PrecedingServiceRequestID")
    variant = _text(fields["CommandVariant"])
    if not variant.isascii() or not variant.isdecimal() or len(variant) > 9:
        raise Malformed(f"{variant[:60]!r} is not a Command Variant", where="Request/Header/CommandVariant", expected="1 to 8")
    return Request(
        request_id=_request_id(fields["RequestID"], "Request/Header/RequestID"),
        command_variant=int(variant),
        service_reference=_text(fields["ServiceReference"]),
        service_reference_variant=_text(fields["ServiceReferenceVariant"]),
        body=_element(_only_child(body, "Request/Body"), "Request/Body"),
        schema_version=_schema_version(root, "Request"),
        first_in_sequence=None if first is None else _boolean(_text(first), "Request/Header/FirstInSequence"),
        preceding_request_id=(None if preceding is None else _request_id(preceding, "Request/Header/PrecedingServiceRequestID")),
    )


def decode_message(root: etree._Element) -> Message:
    """Read what the DCC sends: the answer to a request, a Device Alert or a DCC Alert.

    Raise :class:`Malformed` where the document is not as the schema has it, and for SMETS1 responses.
    """
    header, body = _envelope(root, "Response")
    fields = _fields(header, _RESPONSE_HEADER, "Response/Header")
    request_id = _text(fields["RequestID"]) if "RequestID" in fields else None
    response_id = _text(fields["ResponseID"]) if "ResponseID" in fields else None
    code = _text(fields["ResponseCode"])
    at_ms = parse_datetime_ms(_text(fields["ResponseDateTime"]))
    content = _only_child(body, "Response/Body")
    name = _local_name(content, "Response/Body")
    where = f"Response/Body/{name}"
    if name == "ResponseMessage":
        reference, variant, payload = _response_message(content, where)
        return ServiceResponse(code, at_ms, request_id, response_id, reference, variant, payload)
    if name not in ("DeviceAlertMessage", "DCCAlertMessage"):
        raise Malformed(f"unknown content {name}", where=where, expected="ResponseMessage, DeviceAlertMessage or DCCAlertMessage")
    if code != "I0":
        raise Malformed(f"an alert with response code {code!r}", where="Response/Header/ResponseCode", expected="I0")
    if name == "DeviceAlertMessage":
        return _device_alert(content, at_ms, response_id or "", where)
    return _dcc_alert(content, at_ms, response_id or "", where)


def check_schema_version(text: str, supported: Collection[str] = ()) -> Refusal | None:
    """None where ``text`` is among the supported versions; without such a list any decimal will do.

    Versions are numbers: 5.1 and 5.10 are the same (source: duis.md section 1.1, schema V5.4, certain).
    """
    stripped = text.strip(_WHITE_SPACE)
    if not _DECIMAL.fullmatch(stripped):
        return Refusal("http.400", f"schemaVersion {text[:40]!r} is not a decimal", where="schemaVersion", expected="e.g. 5.4")
    if supported and Decimal(stripped) not in map(Decimal, supported):
        return Refusal(
            "http.400", f"schemaVersion {stripped} is not supported", where="schemaVersion", expected=" or ".join(supported)
        )
    return None


def _envelope(root: etree._Element, name: str) -> tuple[etree._Element, etree._Element]:
    """Header and Body, the first two children of a root that has nothing else but a Signature."""
    if root.tag != f"{DUIS}{name}":
        raise Malformed(f"the root element is {_clark(root)}", where=f"/{etree.QName(root).localname}", expected=f"{DUIS}{name}")
    tags = [child.tag for child in root]
    expected = [f"{DUIS}Header", f"{DUIS}Body"]
    if tags != expected and tags != [*expected, f"{DS}Signature"]:
        found = ", ".join(str(tag) for tag in tags[:6]) or "nothing"
        raise Malformed(f"{name} contains {found}", where=name, expected="Header, Body and at most one ds:Signature")
    return root[0], root[1]


def _fields(parent: etree._Element, names: Sequence[tuple[str, bool]], where: str) -> dict[str, etree._Element]:
    """The children of ``parent`` by local name: each of ``names`` at most once, in this order, and nothing else."""
    found: dict[str, etree._Element] = {}
    children = iter(parent)
    child = next(children, None)
    for name, required in names:
        if child is not None and child.tag == DUIS + name:
            found[name] = child
            child = next(children, None)
        elif required:
            instead = "nothing" if child is None else _clark(child)
            raise Malformed(f"found {instead}", where=f"{where}/{name}", expected=name)
    if child is not None:
        raise Malformed(f"unexpected {_clark(child)}", where=where, expected="nothing after it")
    return found


def _only_child(parent: etree._Element, where: str) -> etree._Element:
    if len(parent) != 1:
        raise Malformed(f"{len(parent)} elements", where=where, expected="exactly one element")
    return parent[0]


def _response_message(content: etree._Element, where: str) -> tuple[str, str, Element | None]:
    tags = [child.tag for child in content]
    if tags[:2] != [f"{DUIS}ServiceReference", f"{DUIS}ServiceReferenceVariant"] or len(tags) > 3:
        raise Malformed(
            f"contains {', '.join(map(str, tags[:4])) or 'nothing'}",
            where=where,
            expected="ServiceReference, ServiceReferenceVariant and at most one payload",
        )
    payload = _element(content[2], where) if len(tags) == 3 else None
    return _text(content[0]), _text(content[1]), payload


def _device_alert(content: etree._Element, at_ms: int, response_id: str, where: str) -> DeviceAlert:
    fields = _fields(content, _DEVICE_ALERT, where)
    try:
        octets = bytes.fromhex(_text(fields["AlertCode"]))
    except ValueError:
        octets = b""
    if len(octets) != 2:
        raise Malformed("the alert code cannot be read", where=f"{where}/AlertCode", expected="4 hexadecimal digits")
    try:
        payload = base64.b64decode("".join(_text(fields["GBCSPayload"]).split()), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the payload cannot be read", where=f"{where}/GBCSPayload", expected="base64") from None
    return DeviceAlert(at_ms, response_id, int.from_bytes(octets, "big"), payload, _throttled(fields, where))


def _dcc_alert(content: etree._Element, at_ms: int, response_id: str, where: str) -> DccAlert:
    fields = _fields(content, _DCC_ALERT, where)
    body = _element(_only_child(fields["DCCAlert"], f"{where}/DCCAlert"), f"{where}/DCCAlert")
    return DccAlert(at_ms, response_id, _text(fields["DCCAlertCode"]), body, _throttled(fields, where))


def _throttled(fields: Mapping[str, etree._Element], where: str) -> Throttled | None:
    """What an alert says of others that were held back; a field that is missing says 0."""
    numbers = []
    for name, _ in _THROTTLING:
        text = _text(fields[name]) if name in fields else "0"
        if not (text.isascii() and text.isdecimal() and len(text) < 11):
            raise Malformed(f"{text[:20]!r} is not a number", where=f"{where}/{name}", expected="a whole number")
        numbers.append(int(text))
    return Throttled(*numbers) if any(name in fields for name, _ in _THROTTLING) else None


def _element(node: etree._Element, where: str) -> Element:
    """The tree below ``node``; white space between elements is dropped, text is kept as it is."""
    name = _local_name(node, where)
    attributes = _attributes(node, where)
    text = node.text or ""
    if len(node) == 0:
        return Element(name, text, (), attributes)
    where = f"{where}/{name}"
    children = tuple([_element(child, where) for child in node])
    if text.strip(_WHITE_SPACE) or any((child.tail or "").strip(_WHITE_SPACE) for child in node):
        raise Malformed("text between elements", where=where, expected="either text or elements")
    return Element(name, "", children, attributes)


def _attributes(node: etree._Element, where: str) -> tuple[tuple[str, str], ...]:
    found = sorted((str(name), str(value)) for name, value in node.items())
    for name, _ in found:
        if name.startswith("{"):
            raise Malformed(f"attribute {name} of another namespace", where=where, expected="attributes without namespace")
    return tuple(found)


def _local_name(node: etree._Element, where: str) -> str:
    tag = str(node.tag)
    if not tag.startswith(DUIS):
        raise Malformed(f"element {_clark(node)} of another namespace", where=where, expected=f"an element of {DUIS}")
    return tag[len(DUIS) :]


def _clark(node: etree._Element) -> str:
    return str(node.tag)[:120]


def _text(node: etree._Element) -> str:
    """The text of a field that has no children, without the white space that its type collapses."""
    if len(node):
        raise Malformed(f"{_clark(node)} has elements inside", expected="text")
    return (node.text or "").strip(_WHITE_SPACE)


def _request_id(node: etree._Element, where: str) -> RequestId:
    try:
        return RequestId.parse(_text(node))
    except Malformed as error:
        raise Malformed(error.detail, where=where, expected=error.expected or "originator EUI:target EUI:counter") from None


def _boolean(text: str, where: str) -> bool:
    if text not in _BOOLEANS:
        raise Malformed(f"{text[:20]!r} is not a boolean", where=where, expected="true or false")
    return _BOOLEANS[text]


def _schema_version(root: etree._Element, name: str) -> str:
    version = root.get("schemaVersion")
    if version is None:
        raise Malformed("attribute schemaVersion is missing", where=name, expected="a decimal such as 5.4")
    return version
