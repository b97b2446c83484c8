"""Payloads as nested fields: DLMS, GBZ and DER, for :mod:`emulator.gbcs.explain`.

Offsets of DLMS and GBZ follow from the lengths of what was read, because what decodes re-encodes to the same octets.
"""

from collections.abc import Sequence
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.gbcs import asn1, gbz, times
from emulator.gbcs.alertcodes import alert_name
from emulator.gbcs.dlms import (
    AccessRequest,
    AccessResponse,
    CompactArray,
    Data,
    DataNotification,
    Operation,
    Tag,
    decode_access_request,
    decode_access_response,
    decode_data,
    decode_notification,
)
from emulator.gbcs.message import Cra, GbcsMessage
from emulator.gbcs.octets import encode_length
from emulator.gbcs.protect import unseal
from emulator.gbcs.protected import is_protected_result

Node = dict[str, Any]
"""``name``, ``offset``, ``length``, and ``value`` or ``fields``; ``meaning`` where the value says more."""

_RESULTS = {0: "success", 1: "hardware fault", 2: "temporary failure", 3: "access denied", 4: "no such object", 250: "other"}
"""Access results (gbcs.md section 6)."""

_STATUSES = {0: "success", 1: "failure", 0x8B: "not found", 0xC0: "hardware failure"}
"""ZCL statuses (gbcs.md section 7)."""

_DER_NAMES = {
    0x01: "BOOLEAN", 0x02: "INTEGER", 0x03: "BIT STRING", 0x04: "OCTET STRING", 0x05: "NULL", 0x06: "OBJECT IDENTIFIER",
    0x0A: "ENUMERATED", 0x0C: "UTF8String", 0x13: "PrintableString", 0x17: "UTCTime", 0x18: "GeneralizedTime",
    0x30: "SEQUENCE", 0x31: "SET",
}  # fmt: skip


def payload_fields(message: GbcsMessage, offset: int, key: bytes | None, sealed: list[str]) -> list[Node]:
    """The fields of the content, which begins at ``offset``.

    ``sealed`` receives one word per encrypted part: ``read`` (with ``key``), ``broken`` (the key does not fit) or ``closed``
    (no key). :class:`Malformed` when the content cannot be read.
    """
    content = message.content
    dissector = _Dissector(message.originator, key, sealed)
    first = content[:1]
    if first == b"\xd9":
        return dissector.request(decode_access_request(content), offset)
    if first == b"\xda":
        return dissector.response(decode_access_response(content), offset)
    if first == b"\x0f":
        return dissector.notification(decode_notification(content), offset)
    if content[:2] == gbz.PROFILE:
        if message.cra is Cra.ALERT:
            return dissector.gbz_alert(gbz.decode_alert(content), offset)
        return dissector.components(gbz.decode_components(content), offset)
    return [_der(asn1.decode_element(content), offset)]


def cosem_text(octets: bytes) -> str | None:
    """A COSEM date-time for people; None where the octets are none."""
    try:
        return times.as_text(times.read_cosem(octets))
    except Malformed:
        return None


def readable(name: str, value: object) -> object:
    """A named value for people: times as ISO text, EUIs with hyphens, octets as hexadecimal text."""
    if isinstance(value, list):
        return [readable(name, item) for item in value]
    if isinstance(value, dict):
        return {inner: readable(inner, item) for inner, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if name.endswith("_ms") and (value is None or isinstance(value, int)):
        return times.as_text(value)
    if name in ("device", "other_device") and isinstance(value, int):
        return format_eui(value)
    return value


def _node(name: str, offset: int | None, length: int, value: object = None, meaning: object = None) -> Node:
    node: Node = {"name": name} if offset is None else {"name": name, "offset": offset, "length": length}
    if value is not None:
        node["value"] = value
    return node if meaning is None else node | {"meaning": meaning}


def _hint(data: Data) -> str | None:
    raw = data.value
    if not isinstance(raw, bytes):
        return None
    if len(raw) == 12:
        return cosem_text(raw)
    if len(raw) > 1 and raw.isascii() and raw.decode("ascii").isprintable():
        return raw.decode("ascii")
    return format_eui(int.from_bytes(raw, "big")) if len(raw) == 8 else None


class _Dissector:
    """Walks payloads of one message, opening encrypted parts where it can."""

    def __init__(self, originator: Eui64, key: bytes | None, sealed: list[str]) -> None:
        self.originator = originator
        self.key = key
        self.sealed = sealed

    def open(self, octets: bytes) -> bytes | str:
        """The plaintext of an encrypted part, or why there is none."""
        if self.key is None:
            self.sealed.append("closed")
            return "encrypted, and no key is at hand"
        try:
            plain = unseal(octets, self.key, self.originator)
        except Malformed as problem:
            self.sealed.append("broken")
            return problem.detail
        self.sealed.append("read")
        return plain

    def request(self, request: AccessRequest, offset: int) -> list[Node]:
        """Accesses with their data."""
        fields, at = _dlms_head("access request", request.invoke_id, offset, 6)
        count = len(encode_length(len(request.items)))
        at += count
        data_at = at + count
        for item in request.items:
            data_at += 10
            if item.operation is Operation.GET_SELECTIVE:
                data_at += 1 + len(item.selection.encode())
        for item in request.items:
            node = _node(item.operation.name.lower(), at, 10, str(item.attribute))
            inner: list[Node] = []
            at += 10
            if item.operation is Operation.GET_SELECTIVE:
                node["selector"] = item.selector
                inner.append(self.data("selection", item.selection, at + 1))
                at += 1 + len(item.selection.encode())
            inner.append(self.data("data", item.data, data_at))
            data_at += len(item.data.encode())
            fields.append(node | {"fields": inner})
        return fields

    def response(self, response: AccessResponse, offset: int) -> list[Node]:
        """Results with what was read."""
        fields, at = _dlms_head("access response", response.invoke_id, offset, 7)
        count = len(encode_length(len(response.items)))
        at += count
        result_at = at + count + sum(len(item.data.encode()) for item in response.items)
        for item in response.items:
            node = _node(item.operation.name.lower(), result_at, 2, item.code, _RESULTS.get(item.code))
            fields.append(node | {"fields": [self.data("data", item.data, at)]})
            at += len(item.data.encode())
            result_at += 2
        return fields

    def notification(self, notification: DataNotification, offset: int) -> list[Node]:
        """An alert."""
        fields, at = _dlms_head("data notification", notification.invoke_id, offset, 6)
        value = self.data("alert", notification.value, at)
        if notification.value.tag is Tag.STRUCTURE and value.get("fields"):
            code = value["fields"][0]
            code |= {"name": "alert code", "meaning": alert_name(code["value"])} if isinstance(code.get("value"), int) else {}
            for name, field in zip(("time",), value["fields"][1:], strict=False):
                field["name"] = name
            rest = notification.value.items[2:]
            if is_protected_result(Data(Tag.STRUCTURE, rest)):
                value["fields"][3]["plaintext"] = self.plaintext(rest[1].octets)
        return [*fields, value]

    def data(self, name: str, data: Data, offset: int | None) -> Node:
        """A DLMS value; what is inside a compact array has no offsets."""
        node = _node(name, offset, len(data.encode()))
        node["type"] = data.tag.name.lower().replace("_", "-")
        if isinstance(data.value, CompactArray):
            return node | {"fields": [self.data(str(n), item, None) for n, item in enumerate(data.items)]}
        if isinstance(data.value, tuple):
            at = None if offset is None else offset + 1 + len(encode_length(len(data.value)))
            inner = []
            for n, item in enumerate(data.value):
                inner.append(self.data(str(n), item, at))
                at = None if at is None else at + len(item.encode())
            if is_protected_result(data):
                inner[1]["plaintext"] = self.plaintext(data.value[1].octets)
            return node | {"fields": inner}
        if data.tag is Tag.BOOLEAN:
            return node | {"value": bool(data.value)}
        hint = _hint(data)
        value = data.value.hex() if isinstance(data.value, bytes) else data.value
        return node | {"value": value} | ({} if hint is None else {"meaning": hint})

    def plaintext(self, octets: bytes) -> object:
        """What a protected read returned, as fields, or why it stays closed."""
        plain = self.open(octets)
        if isinstance(plain, str):
            return plain
        try:
            return self.data("plaintext", decode_data(plain), 0)
        except Malformed as problem:
            return {"unreadable": str(problem), "value": plain.hex()}

    def components(self, components: Sequence[gbz.Component], offset: int) -> list[Node]:
        """GBZ components."""
        fields = [_node("profile", offset, 2, "0109"), _node("components", offset + 2, 1, len(components))]
        at = offset + 3
        for component in components:
            size = len(component.encode(last=False))
            fields.append(self.component(component, at, size))
            at += size
        return fields

    def component(self, component: gbz.Component, offset: int, size: int) -> Node:
        """One component with its ZCL command."""
        node = _node(f"cluster {component.cluster:04X}", offset, size)
        node |= {
            "frame_control": f"{component.frame_control:02X}", "sequence": component.sequence,
            "command": f"{component.command:02X}", "meaning": _command_name(component),
        }  # fmt: skip
        if component.from_time is not None:
            node["from"] = times.as_text(times.read_utc_time(component.from_time))
        payload: bytes | str = component.payload
        at = offset + size - len(component.payload)
        if component.encrypted:
            node |= {"frame_counter": component.frame_counter, "encrypted": component.payload.hex()}
            payload, at = self.open(component.payload), 0
        if isinstance(payload, str):
            return node | {"value": payload}
        try:
            return node | {"fields": _zcl(component, payload, at)}
        except Malformed as problem:
            return node | {"unreadable": str(problem), "value": payload.hex()}

    def gbz_alert(self, alert: gbz.GbzAlert, offset: int) -> list[Node]:
        """A GBZ alert; what follows code and time is a DLMS value, a component or octets."""
        fields = [
            _node("profile", offset, 2, "0109"),
            _node("components", offset + 2, 1, 1 if alert.extra else 0),
            _node("alert code", offset + 3, 2, f"{alert.alert_code:04X}", alert_name(alert.alert_code)),
            _node("time", offset + 5, 4, alert.time, times.as_text(times.read_utc_time(alert.time))),
        ]
        return fields + (self.alert_content(alert.extra, offset + 9) if alert.extra else [])

    def alert_content(self, extra: bytes, offset: int) -> list[Node]:
        """What follows code and time of a GBZ alert."""
        try:
            return [self.data("alert content", decode_data(extra), offset)]
        except Malformed:
            pass
        component = gbz.alert_component(extra)
        if component is not None:
            return [self.component(component, offset, len(extra))]
        return [_node("alert content", offset, len(extra), extra.hex())]


def _dlms_head(name: str, invoke: int, offset: int, length: int) -> tuple[list[Node], int]:
    return [_node(name, offset, 1), _node("invoke id", offset + 1, 4, f"{invoke:08x}")], offset + length


def _command_name(component: gbz.Component) -> str:
    if component.frame_control & 0x03:
        return "cluster command"
    names = {
        gbz.READ_ATTRIBUTES: "read attributes",
        gbz.READ_ATTRIBUTES_RESPONSE: "read attributes response",
        gbz.DEFAULT_RESPONSE: "default response",
    }
    return names.get(component.command, "general command")


def _zcl(component: gbz.Component, payload: bytes, offset: int) -> list[Node]:
    if component.frame_control & 0x03:
        return [_node("payload", offset, len(payload), payload.hex())]
    if component.command == gbz.READ_ATTRIBUTES:
        wanted = gbz.requested_attributes(component)
        return [_node("attribute", offset + 2 * n, 2, f"{attribute:04X}") for n, attribute in enumerate(wanted)]
    if component.command == gbz.READ_ATTRIBUTES_RESPONSE:
        fields = []
        for record in gbz.decode_records(payload):
            size = len(gbz.encode_records([record]))
            node = _node(f"attribute {record.attribute:04X}", offset, size)
            if record.value is None:
                node |= {"status": record.status, "meaning": _STATUSES.get(record.status)}
            else:
                raw = record.value.value
                node |= {"type": f"{record.value.type:02X}", "value": raw.hex() if isinstance(raw, bytes) else raw}
                if record.value.type == gbz.CHARACTER_STRING and isinstance(raw, bytes):
                    node["meaning"] = raw.decode("latin-1")
            fields.append(node)
            offset += size
        return fields
    if component.command == gbz.DEFAULT_RESPONSE and len(payload) == 2:
        status = _node("status", offset + 1, 1, payload[1], _STATUSES.get(payload[1]))
        return [_node("answered command", offset, 1, f"{payload[0]:02X}"), status]
    return [_node("payload", offset, len(payload), payload.hex())]


def _der(element: asn1.Element, offset: int) -> Node:
    tag = element.tag
    name = _DER_NAMES.get(tag, f"[{tag & 0x1F}]" if tag & 0x80 else f"tag {tag:02X}")
    node = _node(name, offset + element.offset, len(element.raw))
    if element.constructed:
        return node | {"fields": [_der(child, offset) for child in element.children]}
    raw = element.contents
    if tag in (asn1.INTEGER, asn1.ENUMERATED):
        value = int.from_bytes(raw, "big", signed=True)
        return node | {"value": value} | ({"meaning": alert_name(value)} if 0x8000 <= value <= 0x8FFF else {})
    if tag == asn1.GENERALIZED_TIME:
        text = raw.decode("latin-1")
        return node | {"value": text} | ({"meaning": "never"} if text.startswith("99991231") else {})
    if tag == asn1.NULL:
        return node
    hint = _hint(Data(Tag.OCTET_STRING, raw))
    return node | {"value": raw.hex()} | ({} if hint is None else {"meaning": hint})
