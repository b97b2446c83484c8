"""The SMKI repository: search for certificates and retrieve them, and the XML in which that is asked and answered.

The bodies have no namespace, no signature and no schema (wire_contract.md section 5 and duis.md section 8, measured with the
DCC's key store client). Nothing found is HTTP 402 there and bad parameters are 401: here an empty result or None, and
:class:`Malformed`.
"""

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from lxml import etree

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.duis.parse import parse_document
from emulator.pki.certificates import CertificateRecord, CertificateStatus, Usage, read_certificate
from emulator.pki.keystore import KeyStore

E = TypeVar("E", Usage, CertificateStatus)

MAX_REQUEST_BYTES = 65_536
"""Of a search or retrieve body (our choice; the client's have 200 octets)."""

MAX_RESPONSE_BYTES = 1_048_576
"""Of an answer that our client reads (our choice)."""

_SERIAL = re.compile(r"[0-9A-Fa-f]{1,40}")
"""Hexadecimal; X.509 serial numbers have at most 20 octets (RFC 5280)."""

_SUCCESS = ("200", "Success")
"""ResponseCode and ResponseMessage (duis.md section 8, certain)."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is looked for: the certificates of a device or of an organisation, by its EUI."""

    eui: Eui64
    organisation: bool
    usage: Usage | None = None
    status: CertificateStatus | None = None
    role: int | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One certificate as a search answers it."""

    eui: Eui64
    serial: int
    usage: Usage
    status: CertificateStatus
    role: int | None
    """Remote Party Role; None for a device."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Answers about the certificates of a world.

    ``device_exists`` says whether an EUI is that of a device of the estate, whose certificates are then made when asked for.
    """

    store: KeyStore
    device_exists: Callable[[Eui64], bool]

    def search(self, request: SearchRequest) -> tuple[CertificateRecord, ...]:
        """The certificates asked for; empty when there are none.

        An organisation's are all returned with their status. Of a device exactly one per usage is in use, for clients take none
        of two (measured); others of it are not returned.
        """
        found = self._organisation(request.eui) if request.organisation else self._device(request.eui)
        wanted = (request.usage, request.status, request.role)
        return tuple(
            record
            for record in found
            if all(want in (None, has) for want, has in zip(wanted, (record.usage, record.status, record.role), strict=True))
        )

    def retrieve(self, serial: int) -> CertificateRecord | None:
        """The certificate with this serial number, one in use before others; None when there is none."""
        known = sorted(self.store.by_serial(serial), key=lambda record: record.status != CertificateStatus.IN_USE)
        if known:
            return known[0]
        seeded = self.store.seeded_device(serial)
        return seeded if seeded is not None and self.device_exists(seeded.eui) else None

    def _organisation(self, eui: Eui64) -> list[CertificateRecord]:
        return [record for record in self.store.records(eui) if record.role is not None]

    def _device(self, eui: Eui64) -> list[CertificateRecord]:
        if self.device_exists(eui):
            made = (self.store.device(eui, usage) for usage in Usage)
            return [record for record in made if record is not None]
        registered = [r for r in self.store.records(eui) if r.role is None and r.status == CertificateStatus.IN_USE]
        return list({record.usage: record for record in registered}.values())


# --- what a client sends


def encode_search_request(request: SearchRequest) -> bytes:
    """The search body; EUIs in lower case as the DCC's client writes them."""
    root = etree.Element("CertificateSearchRequest")
    _add(root, "CertificateSubjectName" if request.organisation else "CertificateSubjectAltName", format_eui(request.eui).lower())
    for name, value in (("Usage", request.usage), ("Status", request.status), ("Role", request.role)):
        if value is not None:
            _add(root, f"Certificate{name}", str(value))
    return _document(root)


def parse_search_request(data: bytes) -> SearchRequest:
    """Read a search body; raise :class:`Malformed` for one that names not exactly one subject by its EUI."""
    fields = _fields(_root(data, "CertificateSearchRequest", MAX_REQUEST_BYTES))
    allowed = {"CertificateSubjectName", "CertificateSubjectAltName", "CertificateUsage", "CertificateStatus", "CertificateRole"}
    if unknown := fields.keys() - allowed:
        raise Malformed(f"unknown element {min(unknown)[:60]!r}", expected="a subject and usage, status or role")
    subjects = [name for name in ("CertificateSubjectName", "CertificateSubjectAltName") if name in fields]
    if len(subjects) != 1:
        raise Malformed(f"{len(subjects)} subjects", expected="CertificateSubjectName or CertificateSubjectAltName")
    role = fields.get("CertificateRole")
    return SearchRequest(
        eui=parse_eui(fields[subjects[0]]),
        organisation=subjects[0] == "CertificateSubjectName",
        usage=_one_of(Usage, fields["CertificateUsage"]) if "CertificateUsage" in fields else None,
        status=_one_of(CertificateStatus, fields["CertificateStatus"]) if "CertificateStatus" in fields else None,
        role=None if role is None else _role(role),
    )


def encode_data_request(serial: int) -> bytes:
    """The retrieve body."""
    root = etree.Element("CertificateDataRequest")
    _add(root, "CertificateSerial", f"{serial:x}")
    return _document(root)


def parse_data_request(data: bytes) -> int:
    """Read a retrieve body: the serial number, given in hexadecimal with or without leading zeros."""
    fields = _fields(_root(data, "CertificateDataRequest", MAX_REQUEST_BYTES))
    if fields.keys() != {"CertificateSerial"}:
        raise Malformed(f"{len(fields)} elements", expected="one CertificateSerial")
    return _serial(fields["CertificateSerial"])


# --- what the repository answers


def encode_search_response(records: Iterable[CertificateRecord], audit_reference: str) -> bytes:
    """The answer to a search; ``audit_reference`` is any text by which the exchange is found again."""
    root = _answer("CertificateSearchResponse", audit_reference)
    for record in records:
        result = etree.SubElement(root, "Result")
        _add(result, "CertificateSerial", f"{record.serial:x}")
        _add_subject(result, record)
        _add(result, "CertificateStatus", record.status)
        _add(result, "CertificateUsage", record.usage)
        _add_role(result, record)
        _add(result, "ManufacturingFlag", "false")
    return _document(root)


def parse_search_response(data: bytes) -> tuple[SearchResult, ...]:
    """Read the answer to a search."""
    root = _root(data, "CertificateSearchResponse", MAX_RESPONSE_BYTES)
    return tuple(_result(_fields(element)) for element in root.iterchildren("Result"))


def encode_data_response(record: CertificateRecord, audit_reference: str) -> bytes:
    """The answer to a retrieval."""
    root = _answer("CertificateDataResponse", audit_reference)
    content = etree.SubElement(root, "CertificateResponse")
    _add_subject(content, record)
    _add(content, "CertificateSerial", f"{record.serial:x}")
    _add(content, "CertificateStatus", record.status)
    _add(content, "CertificateBody", base64.b64encode(record.der).decode())
    _add_role(content, record)
    _add(content, "CertificateUsage", record.usage)
    _add(content, "ManufacturingFlag", "false")
    return _document(root)


def parse_data_response(data: bytes) -> CertificateRecord:
    """Read the answer to a retrieval."""
    found = _root(data, "CertificateDataResponse", MAX_RESPONSE_BYTES).find("CertificateResponse")
    fields = {} if found is None else _fields(found)
    try:
        der = base64.b64decode("".join(fields["CertificateBody"].split()), validate=True)
    except (KeyError, ValueError):
        raise Malformed("no certificate in the answer", expected="CertificateResponse with CertificateBody in base64") from None
    status = _one_of(CertificateStatus, fields.get("CertificateStatus", CertificateStatus.IN_USE))
    return read_certificate(der, status=status)


# --- XML


def _root(data: bytes, name: str, limit: int) -> etree._Element:
    if len(data) > limit:
        raise Malformed(f"a body of {len(data)} octets", expected=f"at most {limit}")
    root = parse_document(data)
    if root.tag != name:
        raise Malformed(f"the root element is {str(root.tag)[:80]!r}", expected=f"{name} without a namespace")
    return root


def _fields(element: etree._Element) -> dict[str, str]:
    """The texts of the children; raise :class:`Malformed` for repeated or nested ones."""
    fields: dict[str, str] = {}
    for child in element.iterchildren(tag=etree.Element):
        name = str(child.tag)
        if name in fields or len(child):
            raise Malformed(f"{name[:60]!r} is repeated or has children", where=str(element.tag), expected="each once, with text")
        fields[name] = (child.text or "").strip()
    return fields


def _result(fields: dict[str, str]) -> SearchResult:
    organisation = "CertificateSubjectName" in fields
    try:
        return SearchResult(
            eui=parse_eui(fields["CertificateSubjectName" if organisation else "CertificateSubjectAltName"]),
            serial=_serial(fields["CertificateSerial"]),
            usage=_one_of(Usage, fields["CertificateUsage"]),
            status=_one_of(CertificateStatus, fields["CertificateStatus"]),
            role=_role(fields["CertificateRole"]) if organisation else None,
        )
    except KeyError as error:
        raise Malformed(f"a result without {error.args[0]}") from None


def _answer(name: str, audit_reference: str) -> etree._Element:
    root = etree.Element(name)
    _add(root, "ResponseCode", _SUCCESS[0])
    _add(root, "ResponseMessage", _SUCCESS[1])
    _add(root, "AuditReference", audit_reference)
    return root


def _add(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, name).text = text


def _add_subject(parent: etree._Element, record: CertificateRecord) -> None:
    """Clients tell organisations from devices by which of the two names is there."""
    _add(parent, "CertificateSubjectAltName" if record.role is None else "CertificateSubjectName", format_eui(record.eui))


def _add_role(parent: etree._Element, record: CertificateRecord) -> None:
    if record.role is not None:
        _add(parent, "CertificateRole", str(record.role))


def _document(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _serial(text: str) -> int:
    if not _SERIAL.fullmatch(text):
        raise Malformed(f"{text[:60]!r} is not a serial number", expected="hexadecimal digits")
    return int(text, 16)


def _role(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text):
        raise Malformed(f"{text[:20]!r} is not a role", expected="a decimal number")
    return int(text)


def _one_of(kind: type[E], text: str) -> E:
    try:
        return kind(text)
    except ValueError:
        raise Malformed(f"{text[:20]!r} is not a {kind.__name__}", expected=", ".join(kind)) from None
