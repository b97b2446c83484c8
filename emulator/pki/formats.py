"""Key stores in the forms that the field uses: ``keystore.json``, ``org-crypto.zip`` and folders of PEM.

``keystore.json`` (wire_contract.md section 4.2, measured): EUI in 16 lower-case digits → ``digitalSignature`` or
``keyAgreement`` → serial in decimal → ``certificate``, ``privateKey``, ``role`` and ``name``; a device has no role.

``org-crypto.zip`` (section 5, measured): ``…/cert/<name>.pem`` with ``…/key/<name>.key`` (PKCS#8 in PEM).

Folders: the same unpacked; ``<eui>[-pp|-xml]-{ds,ka}.pem`` with ``.key`` (the GBCS test data; ``-xml`` is ours); or any
``<name>.pem`` with ``<name>.key``. Private keys may also stand in one ``private_keys.json`` as hexadecimal numbers.

What is wrong with one entry is reported for it and skips it; :class:`Malformed` is for a whole that cannot be read.
"""

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, eui_hex
from emulator.domain.vocabulary import RemotePartyRole
from emulator.pki.certificates import (
    MAX_CERTIFICATE_BYTES,
    CertificateRecord,
    CertificateStatus,
    Usage,
    read_certificate,
    read_pem_certificate,
    read_private_key,
)
from emulator.pki.reports import ImportEntry, ImportReport
from emulator.pki.selection import is_live_name, name_says_prepayment

MAX_IMPORT_BYTES = 16 * 1024 * 1024
"""Of a key store file, or of all files of a folder or archive together, unpacked (our choice; the DCC's has 60 kB)."""

MAX_IMPORT_ENTRIES = 20_000
"""Files in a folder or archive (our choice; the GBCS test data has 417)."""

MAX_FOLDER_DEPTH = 4
"""Levels of folders that are looked into (our choice; an unpacked archive has two)."""

_PRIVATE_KEYS = "private_keys.json"
_SUFFIXES = (".pem", ".key", ".json")
_JSON_USAGE = {Usage.DIGITAL_SIGNATURE: "digitalSignature", Usage.KEY_AGREEMENT: "keyAgreement"}
_UNREADABLE_ARCHIVE = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, OSError, EOFError, ValueError)
_EUI_NAME = re.compile(r"(?P<eui>[0-9A-Fa-f]{16})(?P<purpose>-pp|-xml)?-(?P<usage>ds|ka)")
_ENTRY_NAME = re.compile(r"[ -~]{0,200}")
_UNSAFE_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_XML_ROLES = (RemotePartyRole.XML_SIGN, RemotePartyRole.DSP_XML_SIGN)

_PARTY_NAME: Mapping[int, str] = {
    RemotePartyRole.RECOVERY: "recovery",
    RemotePartyRole.SUPPLIER: "supplier",
    RemotePartyRole.NETWORK_OPERATOR: "networkOperator",
    RemotePartyRole.ACCESS_CONTROL_BROKER: "accessControlBroker",
    RemotePartyRole.TRANSITIONAL_COS: "transitionalCoS",
    RemotePartyRole.WAN_PROVIDER: "wanProvider",
    RemotePartyRole.LOAD_CONTROLLER: "loadController",
    RemotePartyRole.OTHER: "otherUser",
}
"""How the DCC's key store calls its parties (wire_contract.md section 4.2, measured)."""


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the place of an entry says of its certificate; None where it says nothing."""

    eui: int | None = None
    usage: Usage | None = None
    serial: int | None = None
    role: int | None = None
    purpose: str | None = None


class _Pairs(tuple[tuple[str, Any], ...]):
    """A JSON object as it was written, repeated names included."""

    __slots__ = ()


# --- reading


def read_key_store(path: Path) -> ImportReport:
    """Import a ``keystore.json``, an ``org-crypto.zip`` or a folder, whichever it is; raise :class:`Malformed` if it is none."""
    if path.is_dir():
        return read_folder(path)
    try:
        if path.stat().st_size > MAX_IMPORT_BYTES:
            raise Malformed("the file is too long", where=path.name, expected=f"at most {MAX_IMPORT_BYTES} octets")
        data = path.read_bytes()
    except OSError as error:
        raise Malformed(f"cannot be read: {error.strerror}", where=path.name) from None
    try:
        return read_crypto_zip(data) if data[:2] == b"PK" else read_keystore_json(data)
    except Malformed as error:
        where = f"{path.name}: {error.where}" if error.where else path.name
        raise Malformed(error.detail, where=where, expected=error.expected) from None


def read_keystore_json(data: bytes) -> ImportReport:
    """Import the key store of the DCC's clients; raise :class:`Malformed` when it is not JSON of that form."""
    entries = []
    for eui, usages in _members(_load_json(data), "the key store"):
        for usage, serials in _members(usages, eui):
            for serial, content in _members(serials, f"{eui}/{usage}"):
                entries.append(_json_entry(eui, usage, serial, content))
                if len(entries) > MAX_IMPORT_ENTRIES:
                    raise Malformed("too many entries", expected=f"at most {MAX_IMPORT_ENTRIES}")
    return ImportReport(_without_repetition(entries))


def read_crypto_zip(data: bytes) -> ImportReport:
    """Import an ``org-crypto.zip``; raise :class:`Malformed` for a damaged, oversized or suspicious archive."""
    return read_files(_unzip(data))


def read_folder(folder: Path) -> ImportReport:
    """Import a folder of PEM files; links are not followed. Raise :class:`Malformed` when it holds too much."""
    files: dict[str, bytes] = {}
    refused: list[ImportEntry] = []
    total = 0
    for path in _walk(folder, MAX_FOLDER_DEPTH):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file():
            refused.append(ImportEntry(name, None, "not a plain file"))
            continue
        limit = MAX_IMPORT_BYTES if path.name == _PRIVATE_KEYS else MAX_CERTIFICATE_BYTES
        try:
            with path.open("rb") as file:
                content = file.read(limit + 1)
        except OSError as error:
            refused.append(ImportEntry(name, None, f"cannot be read: {error.strerror}"))
            continue
        if len(content) > limit:
            refused.append(ImportEntry(name, None, f"longer than {limit} octets"))
            continue
        total += len(content)
        if total > MAX_IMPORT_BYTES or len(files) >= MAX_IMPORT_ENTRIES:
            raise Malformed("the folder holds too much", where=folder.name, expected=f"{MAX_IMPORT_BYTES} octets at most")
        files[name] = content
    return ImportReport((*read_files(files).entries, *refused))


def read_files(files: Mapping[str, bytes]) -> ImportReport:
    """Import certificates and keys by their relative paths."""
    scalars, entries = _private_keys(files)
    used: set[str] = set()
    for path in sorted(name for name in files if name.endswith(".pem")):
        key_path, key = _key_beside(path, files)
        stem = PurePosixPath(path).stem
        used.update((key_path, stem))
        entries.append(_file_entry(path, files[path], key if key is not None else scalars.get(stem)))
    left = [path for path in files if path.endswith(".key") and path not in used]
    left += [_printable(f"{_PRIVATE_KEYS}: {stem}") for stem in scalars if stem not in used]
    entries += [ImportEntry(place, None, "a private key without a certificate") for place in sorted(left)]
    return ImportReport(_without_repetition(entries))


def _json_entry(eui: str, usage: str, serial: str, content: Any) -> ImportEntry:
    place = f"{eui}/{usage}/{serial}"
    try:
        if not re.fullmatch(r"[0-9]{1,60}", serial) or not re.fullmatch(r"[0-9A-Fa-f]{16}", eui):
            raise Malformed("the names are not an EUI-64 and a decimal serial")
        fields = dict(_members(content, place))
        role, name = fields.get("role"), fields.get("name") or ""
        if not isinstance(name, str) or not (role is None or (isinstance(role, int) and not isinstance(role, bool))):
            raise Malformed("name and role have the wrong type", expected="text and a number")
        certificate, key = fields.get("certificate"), fields.get("privateKey")
        if not isinstance(certificate, str) or not isinstance(key, str | None):
            raise Malformed("no certificate in it", expected="certificate and privateKey as PEM text")
        known = {text: value for value, text in _JSON_USAGE.items()}
        expected = _Expected(eui=int(eui, 16), usage=known.get(usage), serial=int(serial), role=role)
        if expected.usage is None:
            raise Malformed(f"{usage[:40]!r} is not a usage", expected="digitalSignature or keyAgreement")
        private_key = key.encode("ascii", "replace") if key else None
        return _entry(f"{place} {name}".rstrip(), certificate.encode("ascii", "replace"), private_key, name, expected)
    except Malformed as error:
        return ImportEntry(_printable(place), None, str(error))


def _file_entry(path: str, pem: bytes, key: bytes | int | None) -> ImportEntry:
    stem = PurePosixPath(path).stem
    found = _EUI_NAME.fullmatch(stem)
    if found is None:
        return _entry(path, pem, key, stem, _Expected())
    expected = _Expected(eui=int(found["eui"], 16), usage=Usage(found["usage"].upper()), purpose=found["purpose"] or "")
    return _entry(path, pem, key, "", expected)


def _entry(place: str, pem: bytes, key: bytes | int | None, name: str, expected: _Expected) -> ImportEntry:
    place = _printable(place)
    try:
        if not _ENTRY_NAME.fullmatch(name):
            raise Malformed("the name is too long or not plain text", expected="at most 200 printable ASCII characters")
        private_key = _scalar_key(key) if isinstance(key, int) else read_private_key(key) if key is not None else None
        prepayment = expected.purpose == "-pp" or name_says_prepayment(name)
        der = read_pem_certificate(pem)
        record = read_certificate(der, name=name, prepayment=prepayment, private_key=private_key)
        _check(record, expected)
    except Malformed as error:
        return ImportEntry(place, None, str(error))
    return ImportEntry(place, record, "" if private_key is not None or record.role is None else "no private key")


def _printable(text: str) -> str:
    return text[:200].encode("ascii", "backslashreplace").decode()


def _check(record: CertificateRecord, expected: _Expected) -> None:
    if expected.eui not in (None, record.eui):
        raise Malformed(f"the certificate is that of {eui_hex(record.eui)}", expected=eui_hex(expected.eui or 0))
    if expected.usage not in (None, record.usage):
        raise Malformed(f"the certificate is for {record.usage}", expected=str(expected.usage))
    if expected.serial not in (None, record.serial):
        raise Malformed(f"the certificate has the serial {record.serial}", expected=str(expected.serial))
    if expected.role not in (None, record.role):
        raise Malformed(f"the certificate has the role {record.role}", expected=str(expected.role))
    if (expected.purpose == "-xml") != (record.role in _XML_ROLES) and expected.purpose is not None:
        raise Malformed(f"the certificate has the role {record.role}", expected="XML signing certificates alone in -xml-ds files")


def _without_repetition(entries: Iterable[ImportEntry]) -> tuple[ImportEntry, ...]:
    """Skip what has the issuer and serial of an earlier entry."""
    first: dict[tuple[str, int], ImportEntry] = {}
    kept = []
    for entry in entries:
        earlier = first.setdefault(entry.record.key, entry) if entry.record else entry
        if earlier is not entry and earlier.record and entry.record:
            same = "the same certificate" if earlier.record.der == entry.record.der else "the serial of another certificate"
            entry = ImportEntry(entry.place, None, f"{same}, {earlier.place}")
        kept.append(entry)
    return tuple(kept)


def _key_beside(path: str, files: Mapping[str, bytes]) -> tuple[str, bytes | None]:
    """The key file of a certificate: in the parallel folder ``key``, else in the same folder."""
    pure = PurePosixPath(path).with_suffix(".key")
    parts = ["key" if part == "cert" else part for part in pure.parent.parts]
    for candidate in (str(PurePosixPath(*parts, pure.name)), str(pure)):
        if candidate in files:
            return candidate, files[candidate]
    return str(pure), None


def _private_keys(files: Mapping[str, bytes]) -> tuple[dict[str, int], list[ImportEntry]]:
    """The hexadecimal numbers of ``private_keys.json`` by file stem, and what is wrong there."""
    scalars: dict[str, int] = {}
    wrong: list[ImportEntry] = []
    for path in sorted(name for name in files if PurePosixPath(name).name == _PRIVATE_KEYS):
        try:
            keys = dict(_members(_load_json(files[path]), path)).get("keys")
            for stem, text in _members(keys, f"{path}: keys"):
                if isinstance(text, str) and re.fullmatch(r"[0-9A-Fa-f]{1,64}", text):
                    scalars[stem] = int(text, 16)
                else:
                    wrong.append(ImportEntry(_printable(f"{path}: {stem}"), None, "not a hexadecimal number of 32 octets"))
        except Malformed as error:
            wrong.append(ImportEntry(path, None, str(error)))
    return scalars, wrong


def _scalar_key(scalar: int) -> ec.EllipticCurvePrivateKey:
    try:
        return ec.derive_private_key(scalar, ec.SECP256R1())
    except ValueError:
        raise Malformed("the private key is not a number below the order of P-256") from None


def _load_json(data: bytes) -> Any:
    if len(data) > MAX_IMPORT_BYTES:
        raise Malformed(f"a key store of {len(data)} octets", expected=f"at most {MAX_IMPORT_BYTES}")
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {str(error)[:120]}", expected="a keystore.json or an org-crypto.zip") from None


def _members(value: Any, place: str) -> _Pairs:
    if not isinstance(value, _Pairs):
        raise Malformed("not a JSON object", where=_printable(place), expected="an object")
    return value


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise Malformed(f"cannot be read: {error.strerror}", where=folder.name) from None
    for path in inside:
        if path.is_dir() and not path.is_symlink():
            if depth > 1:
                yield from _walk(path, depth - 1)
        elif path.suffix in _SUFFIXES:
            yield path


def _unzip(data: bytes) -> dict[str, bytes]:
    """The PEM and key files of an archive. Nothing is written to a disk; suspicious names are refused all the same."""
    if len(data) > MAX_IMPORT_BYTES:
        raise Malformed(f"an archive of {len(data)} octets", expected=f"at most {MAX_IMPORT_BYTES}")
    files: dict[str, bytes] = {}
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MAX_IMPORT_ENTRIES:
                raise Malformed("the archive has too many entries", expected=f"at most {MAX_IMPORT_ENTRIES}")
            for info in archive.infolist():
                _check_name(info)
                if info.is_dir() or not info.filename.endswith((".pem", ".key")):
                    continue
                if info.filename in files:
                    raise Malformed("the archive names a file twice", where=info.filename[:120])
                with archive.open(info) as file:
                    content = file.read(MAX_CERTIFICATE_BYTES + 1)
                total += len(content)
                if len(content) > MAX_CERTIFICATE_BYTES or total > MAX_IMPORT_BYTES:
                    raise Malformed("the archive unpacks to too much", where=info.filename[:120])
                files[info.filename] = content
    except Malformed:  # a ValueError too
        raise
    except _UNREADABLE_ARCHIVE as error:
        raise Malformed(f"not a readable archive: {str(error)[:120]}", expected="a zip file") from None
    return files


def _check_name(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    if not info.filename:  # zipfile itself stumbles over it
        raise Malformed("the archive has an entry without a name", expected="names of files")
    if name.startswith("/") or "\\" in name or "\0" in name or ":" in name or ".." in name.split("/"):
        raise Malformed("the archive has a name that leads elsewhere", where=repr(name[:120]), expected="relative paths")
    if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Malformed("encrypted or packed in a rare way", where=repr(name[:120]), expected="plain or deflated entries")


# --- writing


def to_keystore_json(records: Iterable[CertificateRecord]) -> bytes:
    """The key store of the DCC's clients, with the private keys that are known."""
    named = entry_names(records)
    tree: dict[str, dict[str, dict[str, dict[str, object]]]] = {}
    for record in sorted(named, key=lambda record: (record.eui, record.usage, record.serial)):
        content: dict[str, object] = {"certificate": record.pem}
        if record.private_key is not None:
            content["privateKey"] = private_key_pem(record.private_key).decode()
        if record.role is not None:
            content |= {"role": record.role, "name": record.name}
        tree.setdefault(eui_hex(record.eui), {}).setdefault(_JSON_USAGE[record.usage], {})[str(record.serial)] = content
    return json.dumps(tree, indent=2).encode() + b"\n"


def to_crypto_zip(records: Iterable[CertificateRecord]) -> bytes:
    """The archive of organisation certificates with their private keys; those without a key are left out."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for path, content in sorted(to_crypto_files(records).items()):
            info = zipfile.ZipInfo(f"org-crypto/{path}", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # the same octets on every system
            info.external_attr = 0o600 << 16
            archive.writestr(info, content)
    return output.getvalue()


def to_crypto_files(records: Iterable[CertificateRecord]) -> dict[str, bytes]:
    """The archive's content: ``cert/<name>.pem`` and ``key/<name>.key``."""
    files = {}
    for record in entry_names(record for record in records if record.role is not None and record.private_key is not None):
        assert record.private_key is not None
        files[f"cert/{record.name}.pem"] = record.pem.encode()
        files[f"key/{record.name}.key"] = private_key_pem(record.private_key)
    return files


def to_pem_files(records: Iterable[CertificateRecord]) -> dict[str, bytes]:
    """Files by EUI and purpose: ``<eui>[-pp|-xml]-{ds,ka}.pem`` and ``.key``.

    The form has one certificate per EUI and purpose: the one that the DCC's clients would select, else the first.
    """
    files: dict[str, bytes] = {}
    for record in sorted(_in_use(records), key=lambda record: not is_live_name(record, record.prepayment)):
        purpose = "-xml" if record.role in _XML_ROLES else "-pp" if record.prepayment else ""
        stem = f"{eui_hex(record.eui)}{purpose}-{record.usage.lower()}"
        if f"{stem}.pem" in files:
            continue
        files[f"{stem}.pem"] = record.pem.encode()
        if record.private_key is not None:
            files[f"{stem}.key"] = private_key_pem(record.private_key)
    return dict(sorted(files.items()))


def entry_names(records: Iterable[CertificateRecord]) -> list[CertificateRecord]:
    """The records in use, with names that are safe in paths and unlike each other; organisations always get one.

    The forms have no room for a status, and their readers take every certificate for one in use.
    """
    taken: set[str] = set()
    named = []
    for record in _in_use(records):
        name = _UNSAFE_NAME.sub("_", record.name).lstrip(".") or _usual_name(record)
        if name in taken:
            name = f"{name}-{record.serial:x}"
        if record.role is not None:
            taken.add(name)
            record = replace(record, name=name)
        named.append(record)
    return named


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8 in PEM, not encrypted: these are test keys."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _in_use(records: Iterable[CertificateRecord]) -> list[CertificateRecord]:
    return [record for record in records if record.status == CertificateStatus.IN_USE]


def _usual_name(record: CertificateRecord) -> str:
    if record.role in _XML_ROLES:
        prefix = "xml-sign" if record.role == RemotePartyRole.XML_SIGN else "dsp-xml-sign"
        return f"{prefix}-{record.eui:016X}-{record.usage.lower()}"
    party = _PARTY_NAME.get(record.role or 0, f"role{record.role}") + eui_hex(Eui64(record.eui))
    return f"Z1-{party}{'PP' if record.prepayment else ''}-{record.usage.lower()}"
