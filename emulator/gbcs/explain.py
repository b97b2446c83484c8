"""Any GBCS message as nested fields with names, offsets and values, for people.

Nothing here depends on a use case: a message code without a row is taken apart by its form. The result holds only what JSON can
hold. Offsets count octets of the whole message from 0.
"""

from typing import Protocol

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.gbcs.alertcodes import alert_name
from emulator.gbcs.commands import read_command
from emulator.gbcs.dissect import Node, cosem_text, payload_fields, readable
from emulator.gbcs.message import MAC_BYTES, Cra, GbcsMessage, decode_message
from emulator.gbcs.messagecodes import BETWEEN_DEVICES, MESSAGE_NAMES
from emulator.gbcs.naming import condensed
from emulator.gbcs.octets import encode_length
from emulator.gbcs.protect import PrivateKey, PublicKey, shared_secret, verify_mac, verify_signature
from emulator.gbcs.protected import unsealing_key
from emulator.gbcs.results import ReaderKeys, read_result
from emulator.gbcs.usecases import rows_of


class KeyLookup(Protocol):
    """The keys at hand; ``usage`` is ``DS`` or ``KA``."""

    def private_key(self, eui: Eui64, usage: str) -> PrivateKey | None:
        """The private key of a party, or None."""

    def public_key(self, eui: Eui64, usage: str) -> PublicKey | None:
        """The key of a party's certificate, or None."""


def explain(data: bytes, keys: KeyLookup | None = None) -> Node:
    """Take a message apart; :class:`Malformed` where not even its outer structure can be read.

    ``summary`` one line; ``fields`` the octets in order; ``result`` the readable values of :func:`read_result` or of the Command,
    where the table has the use case; ``checks`` signature, MAC and encryption with a verdict (``valid``, ``invalid``, ``null``,
    ``absent`` or ``unchecked``) and the reason.
    """
    message = decode_message(data)
    checks = [_check_signature(message, keys), _check_mac(message, keys)]
    secret, why_not = reader_secret(message, keys)
    key = None if secret is None else unsealing_key(message, secret)
    fields, start = _outer_fields(message)
    payload: Node = {"name": "content", "offset": start, "length": len(message.content)}
    sealed: list[str] = []
    try:
        payload["fields"] = payload_fields(message, start, key, sealed)
    except Malformed as problem:
        payload |= {"unreadable": f"in the content, {problem}", "value": message.content.hex()}
    if sealed:
        checks.append({"what": "encryption", **_sealed_verdict(sealed, why_not)})
    fields.append(payload)
    fields.extend(_tail_fields(message, start + len(message.content)))
    return {
        "summary": _summary(message), "length": len(data), "kind": message.cra.name.lower(),
        "message_code": f"{message.message_code:04X}", "use_case": MESSAGE_NAMES.get(message.message_code, _row_name(message)),
        "title": _title(message), "fields": fields, "result": _result(message, keys, payload), "checks": checks,
    }  # fmt: skip


def _row_name(message: GbcsMessage) -> str:
    rows = rows_of(message.message_code)
    return rows[0].name if rows else ""


def _title(message: GbcsMessage) -> str:
    rows = rows_of(message.message_code)
    return rows[0].title if rows else ""


def _summary(message: GbcsMessage) -> str:
    name = MESSAGE_NAMES.get(message.message_code) or _row_name(message) or "an unknown use case"
    return (
        f"{message.cra.name.capitalize()} {message.message_code:04X} ({name}) from {format_eui(message.originator)} "
        f"to {format_eui(message.recipient)}, counter {message.counter}"
    )


_PLAIN_ANSWERS = {"default response", "read attributes response"}
"""What the table names already."""


def _asked(payload: Node) -> Node:
    """What a DLMS or GBZ Command asks, or a GBZ Response answers, by the names of its fields."""
    asked = []
    for field in payload.get("fields", []):
        if field["name"] in ("get", "get_selective", "set", "action"):
            about = {"about": field["meaning"]} if field.get("meaning") else {}
            inner = {part["name"]: condensed(part) for part in field["fields"] if part.get("type") != "null"}
            asked.append({field["name"]: field["value"], **about, **inner})
        elif field["name"].startswith("cluster "):
            inner = {f"{part['name']} {n}" if part["name"] == "attribute" else part["name"]: condensed(part)
                     for n, part in enumerate(field.get("fields", []), start=1)}  # fmt: skip
            asked.append({"cluster": field["name"].removeprefix("cluster "), "command": field["meaning"], **inner})
    return {"asked": asked} if asked else {}


def _result(message: GbcsMessage, keys: KeyLookup | None, payload: Node) -> Node:
    try:
        if message.cra is Cra.COMMAND:
            view = read_command(message)
            values = {} if view is None else view.values
            return {name: readable(name, value) for name, value in values.items()} or _asked(payload)
        values = dict(read_result(message, _reader_keys(message, keys)))
    except Malformed as problem:
        return {"unreadable": str(problem)}
    shown = {name: readable(name, value) for name, value in values.items()}
    code = values.get("alert_code")
    if message.cra is Cra.RESPONSE:
        answers = [part for part in _asked(payload).get("asked", []) if part.get("command") not in _PLAIN_ANSWERS | {None}]
        shown |= {"answers": answers} if answers else {}
    return shown | ({"alert": alert_name(code)} if isinstance(code, int) else {})


def _outer_fields(message: GbcsMessage) -> tuple[list[Node], int]:
    """The fields before the content, and the offset of the content."""
    fields: list[Node] = []
    offset = 0

    def add(name: str, length: int, value: object, prefix: int = 0, meaning: object = None) -> None:
        nonlocal offset
        node: Node = {"name": name, "offset": offset + prefix, "length": length, "value": value}
        fields.append(node if meaning is None else node | {"meaning": meaning})
        offset += prefix + length

    if message.mac is not None:
        body = 5 + len(message.general_signing()) + MAC_BYTES
        add("general ciphering", 7, "dd000000000000")
        add("length", len(encode_length(body)), body)
        add("security header", 5, "1100000000", meaning="suite 1, authentication only")
    add("general signing", 1, "df")
    add("CRA flag", 1, int(message.cra), 1, message.cra.name.lower())
    add("originator counter", 8, message.counter)
    add("originator", 8, format_eui(message.originator), 1, _party(message.originator))
    add("recipient", 8, format_eui(message.recipient), 1, _party(message.recipient))
    date_time = message.date_time or b""
    add("date-time", len(date_time), date_time.hex(), 1, cosem_text(date_time) if date_time else "none")
    behind = message.supplementary
    octets = behind.encode() if behind else b""
    names = _row_name(message) or MESSAGE_NAMES.get(message.message_code)
    add("message code", 2, f"{message.message_code:04X}", len(encode_length(len(octets) + 2)), names)
    if behind is not None:
        add("supplementary remote party", 8, format_eui(behind.party))
        if behind.counter is not None:
            add("supplementary remote party counter", 8, behind.counter)
        if behind.originator_counter is not None:
            add("supplementary originator counter", 8, behind.originator_counter)
        if behind.certificate is not None:
            add("supplementary certificate", len(behind.certificate), behind.certificate.hex())
    return fields, offset + len(encode_length(len(message.content)))


def _party(eui: Eui64) -> str | None:
    return "access control broker" if eui == ACCESS_CONTROL_BROKER else None


def _tail_fields(message: GbcsMessage, offset: int) -> list[Node]:
    fields: list[Node] = []
    if message.signature is not None:
        raw = message.signature
        value = raw.hex() or "null"
        fields.append({"name": "signature", "offset": offset + bool(raw), "length": len(raw) or 1, "value": value})
        offset += 1 + len(raw)
    if message.mac is not None:
        fields.append({"name": "MAC", "offset": offset, "length": MAC_BYTES, "value": message.mac.hex()})
    return fields


def _check_signature(message: GbcsMessage, keys: KeyLookup | None) -> Node:
    what = {"what": "signature"}
    if message.signature is None:
        return what | {"verdict": "absent", "reason": "there is no signature field: a Pre-Command"}
    if not message.signature:
        return what | {"verdict": "null", "reason": "the message is not signed"}
    public = keys.public_key(message.originator, "DS") if keys else None
    name = format_eui(message.originator)
    if public is None:
        return what | {"verdict": "unchecked", "reason": f"no digital-signature certificate of {name} at hand"}
    right = verify_signature(message, public)
    reason = f"{'made' if right else 'not made'} with the digital-signature key of {name}"
    return what | {"verdict": "valid" if right else "invalid", "reason": reason}


def _check_mac(message: GbcsMessage, keys: KeyLookup | None) -> Node:
    what = {"what": "MAC"}
    if message.mac is None:
        return what | {"verdict": "absent", "reason": "critical Responses, critical Alerts and Pre-Commands have none"}
    by_broker = message.cra is Cra.COMMAND and message.message_code not in BETWEEN_DEVICES
    first = ACCESS_CONTROL_BROKER if by_broker else message.originator
    names = f"{format_eui(first)} and {format_eui(message.recipient)}"
    pair = _pair(keys, first, message.recipient)
    if pair is None:
        return what | {"verdict": "unchecked", "reason": f"no private key and certificate for key agreement of {names} at hand"}
    right = verify_mac(message, *pair)
    reason = f"{'of' if right else 'not of'} the key-agreement keys of {names}"
    return what | {"verdict": "valid" if right else "invalid", "reason": reason}


def _pair(keys: KeyLookup | None, one: Eui64, other: Eui64) -> tuple[PrivateKey, PublicKey] | None:
    if keys is None:
        return None
    for own, peer in ((one, other), (other, one)):
        private, public = keys.private_key(own, "KA"), keys.public_key(peer, "KA")
        if private is not None and public is not None:
            return private, public
    return None


def _reader(message: GbcsMessage) -> Eui64:
    return message.recipient if message.supplementary is None else message.supplementary.party


def _reader_keys(message: GbcsMessage, keys: KeyLookup | None) -> ReaderKeys | None:
    pair = _pair(keys, message.originator, _reader(message))
    return None if pair is None else ReaderKeys(*pair)


def reader_secret(message: GbcsMessage, keys: KeyLookup | None) -> tuple[bytes | None, str]:
    """The secret under which encrypted parts are, or None and why there is none."""
    if message.cra is Cra.COMMAND:
        return None, "Commands are not encrypted"
    pair = _pair(keys, message.originator, _reader(message))
    names = f"{format_eui(message.originator)} and {format_eui(_reader(message))}"
    if pair is None:
        return None, f"no private key and certificate for key agreement of {names} at hand"
    return shared_secret(*pair), f"it does not belong to the key-agreement keys of {names}"


def _sealed_verdict(sealed: list[str], why_not: str) -> Node:
    if all(state == "read" for state in sealed):
        return {"verdict": "valid", "reason": f"{len(sealed)} encrypted parts were decrypted"}
    if "broken" in sealed:
        return {"verdict": "invalid", "reason": why_not}
    return {"verdict": "unchecked", "reason": why_not}
