"""Payloads as nested fields: DLMS, GBZ and DER, for :mod:`emulator.gbcs.explain`.

Offsets of DLMS and GBZ follow from the lengths of what was read, because what decodes re-encodes to the same octets.
"""

import re
from collections.abc import Sequence
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.gbcs import asn1, gbz, times
from emulator.gbcs.alertcodes import alert_name
from emulator.gbcs.dlms import (
    AccessRequest,
    AccessResponse,
    Attribute,
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
from emulator.gbcs.messagecodes import MESSAGE_NAMES
from emulator.gbcs.naming import SELECTION, attribute_name, name_element, name_nodes, protection, value_template, zcl_attributes
from emulator.gbcs.octets import encode_length
from emulator.gbcs.protect import unseal
from emulator.gbcs.protected import is_protected_result
from emulator.gbcs.shapes import SHAPES
from emulator.gbcs.usecases import Asn1Item, DlmsItem, Format, UseCase, all_use_cases, rows_of
from emulator.gbcs.zcl_fields import cluster_name, command_layout, payload_nodes, status_name

Node = dict[str, Any]
"""``name``, ``offset``, ``length``, and ``value`` or ``fields``; ``meaning`` where the value says more."""

_RESULTS = {0: "success", 1: "hardware fault", 2: "temporary failure", 3: "access denied", 4: "no such object", 250: "other"}
"""Access results (gbcs.md section 6)."""

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
    dissector = _Dissector(message, key, sealed)
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
    element = asn1.decode_element(content)
    node, (name, shape) = _der(element, offset), _shape_of(message)
    if shape is None:
        return [node]
    named = name_element(node, element, shape)
    return [named | {"name": name.replace("_", " ")} if named["name"] in _DER_NAMES.values() else named]


def _row_of(message: GbcsMessage, form: Format) -> UseCase | None:
    return next((row for row in rows_of(message.message_code) if row.format is form), None)


def _relative_of(message: GbcsMessage) -> UseCase | None:
    """For a message code without a row: one of the same family, such as CS02b, which says the same of other parties."""
    family = re.match(r"[A-Z]+\d+[a-z]?", MESSAGE_NAMES.get(message.message_code, ""))
    if family is None:
        return None
    return next((row for row in all_use_cases() if row.name.startswith(family[0]) and row.format is Format.ASN1), None)


def _shape_of(message: GbcsMessage) -> tuple[str, asn1.Shape | None]:
    row = _row_of(message, Format.ASN1) or _relative_of(message)
    if row is None:
        return "", None
    item = row.request[0] if message.cra is Cra.COMMAND and row.request else row.alert
    name = item.shape if message.cra is not Cra.RESPONSE and isinstance(item, Asn1Item) else row.response_shape
    return name, SHAPES.get(name)


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
    if (name == "time" or name.endswith("_ms")) and (value is None or isinstance(value, int)):
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


def instruction_text(octets: bytes) -> str | None:
    """What an alert about a dated Command repeats of it (gbcs.md 6 and 7), in words; None for anything else."""
    if len(octets) not in (14, 19) or not rows_of(int.from_bytes(octets[:2], "big")):
        return None
    said = f"message code {octets[:2].hex().upper()}, counter {int.from_bytes(octets[2:10], 'big')}"
    if len(octets) == 19:
        attribute = Attribute(int.from_bytes(octets[10:12], "big"), octets[12:18], octets[18])
        return f"{said}: {attribute} {attribute_name(attribute, Operation.SET)}"
    layout = command_layout(int.from_bytes(octets[10:12], "big"), octets[12], octets[13])
    return f"{said}: cluster {octets[10:12].hex()}, {layout.name if layout else f'command {octets[13]:02X}'}"


class _Dissector:
    """Walks payloads of one message, opening encrypted parts where it can."""

    def __init__(self, message: GbcsMessage, key: bytes | None, sealed: list[str]) -> None:
        self.message = message
        self.originator = message.originator
        self.row = _row_of(message, Format.DLMS)
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
            about = attribute_name(item.attribute, item.operation)
            node |= {"meaning": about} if about else {}
            inner: list[Node] = []
            at += 10
            if item.operation is Operation.GET_SELECTIVE:
                node["selector"] = item.selector
                inner.append(name_nodes(self.data("selection", item.selection, at + 1), SELECTION))
                at += 1 + len(item.selection.encode())
            template = value_template(item.attribute, item.operation, answer=False)
            inner.append(name_nodes(self.data("data", item.data, data_at), template))
            data_at += len(item.data.encode())
            fields.append(node | {"fields": inner})
        return fields

    def response(self, response: AccessResponse, offset: int) -> list[Node]:
        """Results with what was read."""
        fields, at = _dlms_head("access response", response.invoke_id, offset, 7)
        count = len(encode_length(len(response.items)))
        at += count
        result_at = at + count + sum(len(item.data.encode()) for item in response.items)
        for item, asked in zip(response.items, self.asked(len(response.items)), strict=True):
            node = _node(item.operation.name.lower(), result_at, 2, item.code, _RESULTS.get(item.code))
            data = self.data("data", item.data, at)
            if asked is None:
                node["about"] = "what the Command names: a Response does not say it"
            else:
                node["attribute"] = str(asked.attribute)
                node["about"] = attribute_name(asked.attribute, asked.operation)
                name_nodes(data, value_template(asked.attribute, asked.operation, answer=True))
                self.name_plaintext(data, asked)
            fields.append(node | {"fields": [data]})
            at += len(item.data.encode())
            result_at += 2
        return fields

    def asked(self, count: int) -> list[DlmsItem | None]:
        """What a Response answers, by the row: a Response does not say it. None where the row leaves it open."""
        items = [item for item in (self.row.request if self.row else ()) if isinstance(item, DlmsItem)]
        if len(items) != count or any(item.varying or item.each for item in items):
            return [None] * count
        return list(items)

    def name_plaintext(self, data: Node, asked: DlmsItem) -> None:
        """Names inside what a protected read returned, where it was opened."""
        for field in data.get("fields", []):
            plain = field.get("plaintext")
            if isinstance(plain, dict):
                for inner, attribute in zip(plain.get("fields", []), asked.protected, strict=False):
                    inner["name"] = attribute_name(attribute, Operation.GET) or str(attribute)
                    name_nodes(inner, value_template(attribute, Operation.GET, answer=True))

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
                name_nodes(value["fields"][2], protection())
                value["fields"][3] |= {"name": "sealed", "plaintext": self.plaintext(rest[1].octets)}
                self.name_sealed(value["fields"][3]["plaintext"])
                return [*fields, value]
            for field, element in zip(value["fields"][2:], rest, strict=True):
                told = instruction_text(element.value) if isinstance(element.value, bytes) else None
                field |= {"meaning": told} if told else {}
            for template, field in zip(self.row.alert_result if self.row else (), value["fields"][2:], strict=False):
                name_nodes(field, template)
            for field in value["fields"][2:]:
                field["name"] = "details" if field["name"].isdigit() and "fields" in field else field["name"]
        return [*fields, value]

    def name_sealed(self, plain: object) -> None:
        """Names inside what an alert carries encrypted, where it was opened."""
        if isinstance(plain, dict):
            for template, field in zip(self.row.alert_result if self.row else (), plain.get("fields", []), strict=False):
                name_nodes(field, template)

    def data(self, name: str, data: Data, offset: int | None) -> Node:
        """A DLMS value; what is inside a compact array has no offsets."""
        node = _node(name, offset, len(data.encode()))
        node["type"] = data.tag.name.lower().replace("_", "-")
        if isinstance(data.value, CompactArray):
            return node | {"fields": [self.data(f"item {n}", item, None) for n, item in enumerate(data.items, start=1)]}
        if isinstance(data.value, tuple):
            at = None if offset is None else offset + 1 + len(encode_length(len(data.value)))
            inner = []
            for n, item in enumerate(data.value):
                inner.append(self.data(f"item {n + 1}" if data.tag is Tag.ARRAY else str(n), item, at))
                at = None if at is None else at + len(item.encode())
            if tuple(item.tag for item in data.value) == (Tag.INT8, Tag.ENUM):  # as class 3 has it
                inner[0]["name"], inner[1]["name"] = "scaler", "unit"
                node["name"] = "scaler and unit" if name.isdigit() else name
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
        known = cluster_name(component.cluster)
        node = _node(f"cluster {component.cluster:04X}" + (f" {known}" if known else ""), offset, size)
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
        row = _row_of(self.message, Format.GBZ)
        named = row.alert_result[0] if row and row.alert_result else "alert content"
        try:
            return [name_nodes(self.data("alert content", decode_data(extra), offset), named)]
        except Malformed:
            pass
        component = gbz.alert_component(extra)
        if component is not None:
            return [self.component(component, offset, len(extra))]
        name = named.partition(":")[0] if isinstance(named, str) else "alert content"
        skipped = int(extra[0] == len(extra) - 1)
        return [_node(name, offset + skipped, len(extra) - skipped, extra[skipped:].hex(), instruction_text(extra[skipped:]))]


def _dlms_head(name: str, invoke: int, offset: int, length: int) -> tuple[list[Node], int]:
    return [_node(name, offset, 1), _node("invoke id", offset + 1, 4, f"{invoke:08x}")], offset + length


def _command_name(component: gbz.Component) -> str:
    if component.frame_control & 0x03:
        layout = command_layout(component.cluster, component.frame_control, component.command)
        return "cluster command" if layout is None else layout.name
    names = {
        gbz.READ_ATTRIBUTES: "read attributes",
        gbz.READ_ATTRIBUTES_RESPONSE: "read attributes response",
        gbz.DEFAULT_RESPONSE: "default response",
    }
    return names.get(component.command, "general command")


def _zcl(component: gbz.Component, payload: bytes, offset: int) -> list[Node]:
    if component.frame_control & 0x03:
        layout = command_layout(component.cluster, component.frame_control, component.command)
        if layout is None:
            return [_node("payload", offset, len(payload), payload.hex())]
        return payload_nodes(layout, payload, offset)
    if component.command == gbz.READ_ATTRIBUTES:
        wanted = gbz.requested_attributes(component)
        names = [zcl_attributes().get((component.cluster, attribute)) for attribute in wanted]
        return [
            _node("attribute", offset + 2 * n, 2, f"{attribute:04X}", name)
            for n, (attribute, name) in enumerate(zip(wanted, names, strict=True))
        ]
    if component.command == gbz.READ_ATTRIBUTES_RESPONSE:
        return _records(component.cluster, payload, offset)
    if component.command == gbz.DEFAULT_RESPONSE and len(payload) == 2:
        command, status = payload
        layout = command_layout(component.cluster, component.frame_control ^ 0x08, command)
        said = "not reached" if command == gbz.NOT_REACHED else layout.name if layout else None
        return [
            _node("answered command", offset, 1, f"{command:02X}", said),
            _node("status", offset + 1, 1, status, status_name(status)),
        ]
    return [_node("payload", offset, len(payload), payload.hex())]


def _records(cluster: int, payload: bytes, offset: int) -> list[Node]:
    fields = []
    for record in gbz.decode_records(payload):
        size = len(gbz.encode_records([record]))
        name = zcl_attributes().get((cluster, record.attribute))
        node = _node(f"attribute {record.attribute:04X}" + (f" {name}" if name else ""), offset, size)
        if record.value is None:
            node |= {"status": record.status, "meaning": status_name(record.status)}
        else:
            raw = record.value.value
            node |= {"type": f"{record.value.type:02X}", "value": raw.hex() if isinstance(raw, bytes) else raw}
            if record.value.type == gbz.CHARACTER_STRING and isinstance(raw, bytes):
                node["meaning"] = raw.decode("latin-1")
        fields.append(node)
        offset += size
    return fields


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
