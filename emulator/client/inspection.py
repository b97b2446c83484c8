"""One DUIS or GBCS message taken apart and checked as far as the keys at hand allow, as JSON values."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from emulator.client.decode import StoreKeys, payload_of
from emulator.client.signing import wall_clock_ms
from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import format_eui
from emulator.domain.tables import WEB_SERVICE, dcc_alerts, response_codes, service_reference_variants
from emulator.duis.datetimes import format_datetime
from emulator.duis.decode import decode_message, decode_request
from emulator.duis.messages import DccAlert, DeviceAlert, Element, Message, Request, Signer
from emulator.duis.namespaces import DS, DUIS
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet
from emulator.duis.signature import SignaturePolicy, check_originator, verify_document
from emulator.gbcs.explain import explain
from emulator.pki.keystore import KeyStore

ANY_SIGNER = SignaturePolicy(check_role=False, check_dates=False, check_chain=False)
MAX_SHOWN = 200
"""Longer texts, such as firmware images, are cut."""


@dataclass(slots=True)
class Inspection:
    """What was found."""

    report: dict[str, Any]
    checks: list[dict[str, str]] = field(default_factory=list)
    """``what``, ``verdict`` (``valid``, ``invalid``, ``unchecked``, ``null``, ``absent``) and ``reason``."""

    @property
    def in_order(self) -> bool:
        """Whether nothing was found to be wrong; what could not be checked is not wrong."""
        return all(check["verdict"] != "invalid" for check in self.checks)

    def note(self, what: str, problem: Refusal | str | None, reason: str = "") -> None:
        """Add a check: invalid where there is a problem."""
        verdict = "valid" if problem is None else "invalid"
        self.checks.append({"what": what, "verdict": verdict, "reason": reason if problem is None else _reason(problem)})


def read_octets(data: bytes) -> bytes:
    """The message in what a user has: XML or octets as they are, or hexadecimal or base64 text. Raises :class:`Malformed`."""
    stripped = data.strip().removeprefix(b"\xef\xbb\xbf")
    if stripped.startswith(b"<"):
        return data
    if data[:1] in (b"\xdd", b"\xdf"):
        return data
    text = b"".join(stripped.split())
    try:
        octets = binascii.unhexlify(text)
    except binascii.Error:
        try:
            octets = base64.b64decode(text, validate=True)
        except binascii.Error:
            octets = b""
    if not octets:
        raise Malformed("this is no message", expected="XML, or GBCS octets as they are, in hexadecimal or in base64")
    return octets


def inspect(data: bytes, keys: KeyStore, schemas: SchemaSet | None = None) -> Inspection:
    """Explain a message; raises :class:`Malformed` when not even its outer structure can be read."""
    octets = read_octets(data)
    if octets.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _inspect_duis(octets, keys, schemas or SchemaSet())
    explanation = explain(octets, StoreKeys(keys))
    return Inspection({"kind": "GBCS", **{k: v for k, v in explanation.items() if k != "checks"}}, explanation["checks"])


def _inspect_duis(document: bytes, keys: KeyStore, schemas: SchemaSet) -> Inspection:
    root = parse_document(document)
    found = Inspection({"kind": "DUIS", "octets": len(document)})
    found.note("schema", schemas.validate(root), f"valid against the schemas of {schemas.folder.name}")
    try:
        content: Request | Message = decode_request(root) if root.tag == f"{DUIS}Request" else decode_message(root)
    except Malformed as error:
        found.note("structure", str(error))
        return found
    if isinstance(content, Request):
        found.report |= _describe_request(content)
        found.note("consistency", _inconsistency(content), "variant, service reference, body and web service go together")
    else:
        found.report |= describe_message(content)
    _check_signature(root, content, keys, found)
    payload = _payload(content)
    if payload is not None:
        _explain_payload(payload, keys, found)
    return found


def _reason(problem: Refusal | str) -> str:
    """The words of a refusal without its code: nothing is refused here."""
    return problem if isinstance(problem, str) else str(problem).removeprefix(f"{problem.code}: ")


def _check_signature(root: etree._Element, content: Request | Message, keys: KeyStore, found: Inspection) -> None:
    if root.find(f".//{DS}Signature") is None:
        found.checks.append({"what": "XML signature", "verdict": "absent", "reason": "the document is not signed"})
        return
    signer = verify_document(root, keys, ANY_SIGNER, wall_clock_ms())
    if isinstance(signer, Refusal):
        unknown = "is known" in signer.detail and "no certificate" in signer.detail
        verdict = "unchecked" if unknown else "invalid"
        found.checks.append({"what": "XML signature", "verdict": verdict, "reason": _reason(signer)})
        return
    found.report["signed_by"] = _describe_signer(signer)
    found.note("XML signature", None, f"made with the key of {format_eui(signer.eui)}")
    if isinstance(content, Request):
        found.note("originator", check_originator(signer, content), "the signer is the originator")


def _explain_payload(payload: bytes, keys: KeyStore, found: Inspection) -> None:
    try:
        explanation = explain(payload, StoreKeys(keys))
    except Malformed as error:
        found.note("GBCS payload", str(error))
        return
    found.checks += [{**check, "what": f"GBCS {check['what']}"} for check in explanation.pop("checks")]
    found.report["gbcs"] = explanation


def _payload(content: Request | Message) -> bytes | None:
    if not isinstance(content, Request):
        return payload_of(content)
    encoded = content.body.value("GBCSPayload")
    return None if encoded is None else base64.b64decode("".join(encoded.split()))


def _describe_request(request: Request) -> dict[str, Any]:
    row = service_reference_variants().get(request.service_reference_variant)
    service = WEB_SERVICE.get(request.command_variant)
    return {
        "message": "Request",
        "schema_version": request.schema_version,
        "request_id": str(request.request_id),
        "originator": format_eui(request.request_id.originator),
        "target": format_eui(request.request_id.target),
        "counter": request.request_id.counter,
        "command_variant": request.command_variant,
        "web_service": None if service is None else f"service{service}",
        "service_reference": request.service_reference,
        "service_reference_variant": request.service_reference_variant,
        "critical": None if row is None else row.critical,
        "eligible_roles": None if row is None else list(row.roles),
        "body": {request.body.name: _tree(request.body)},
    }


def describe_message(message: Message) -> dict[str, Any]:
    """What the DCC says, with codes in words."""
    if isinstance(message, DeviceAlert):
        return {
            "message": "DeviceAlertMessage",
            "response_id": message.response_id,
            "time": format_datetime(message.at_ms),
            "alert_code": f"{message.alert_code:04X}",
        }
    if isinstance(message, DccAlert):
        row = dcc_alerts().get(message.alert_code)
        return {
            "message": "DCCAlertMessage",
            "response_id": message.response_id,
            "time": format_datetime(message.at_ms),
            "alert_code": message.alert_code,
            "meaning": None if row is None else row.meaning,
            "body": {message.body.name: _tree(message.body)},
        }
    code, payload = response_codes().get(message.code), message.payload
    handed_out = payload.value("GBCSPayload") if payload is not None and payload.name == "LocalCommand" else None
    return {
        "message": "ResponseMessage",
        "code": message.code,
        "meaning": None if code is None else code.meaning,
        "time": format_datetime(message.at_ms),
        "request_id": message.request_id,
        "response_id": message.response_id,
        "service_reference": message.service_reference,
        "service_reference_variant": message.service_reference_variant,
        "payload": None if payload is None else {payload.name: _tree(payload)},
        # In full, since whoever delivers it needs all of it.
        **({} if handed_out is None else {"local_command": handed_out}),
    }


def _describe_signer(signer: Signer) -> dict[str, Any]:
    return {"eui": format_eui(signer.eui), "role": signer.role, "serial": str(signer.serial), "issuer": signer.issuer}


def _inconsistency(request: Request) -> str | None:
    row = service_reference_variants().get(request.service_reference_variant)
    if row is None:
        return f"there is no Service Reference Variant {request.service_reference_variant}"
    if request.service_reference != row.service_reference:
        return f"variant {row.srv} belongs to Service Reference {row.service_reference}, not {request.service_reference}"
    if request.command_variant not in row.command_variants:
        allowed = ", ".join(map(str, row.command_variants))
        return f"Command Variant {request.command_variant} is not one of {row.srv} ({allowed})"
    wanted = "SignedPreCommand" if request.command_variant in (5, 6, 7) else row.body_element
    return None if request.body.name == wanted else f"the body is {request.body.name}, not {wanted}"


def _tree(element: Element) -> Any:
    """Text, or the children as a mapping; repeated ones become a list."""
    if not element.children:
        return element.text if len(element.text) <= MAX_SHOWN else f"{element.text[:MAX_SHOWN]}… ({len(element.text)} characters)"
    tree: dict[str, Any] = {}
    for child in element:
        value = _tree(child)
        if child.name in tree:
            known = tree[child.name]
            tree[child.name] = [*known, value] if isinstance(known, list) else [known, value]
        else:
            tree[child.name] = value
    return tree


def flat(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """The report without the octet-by-octet fields, for a first look."""
    return {name: flat(value) if isinstance(value, Mapping) else value for name, value in report.items() if name != "fields"}
