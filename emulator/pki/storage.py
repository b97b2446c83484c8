"""The key folder of a world: what does not follow from the seed, kept across restarts, and everything for others to read.

``keys.json`` is the only file that is read back. It holds private keys, so it and its folder are for their owner alone.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from emulator.domain.errors import Malformed
from emulator.pki.certificates import (
    CertificateRecord,
    CertificateStatus,
    read_certificate,
    read_pem_certificate,
    read_private_key,
)
from emulator.pki.formats import private_key_pem, to_crypto_zip, to_keystore_json, to_pem_files
from emulator.pki.keystore import KeyStore, seeded_key_store
from emulator.pki.smki import DEFAULT_EPOCH_MS, Organisation, TestSmki

KEYS_FILE = "keys.json"

FORMAT = 1
"""Version of the file's layout."""

MAX_KEYS_BYTES = 64 * 1024 * 1024
"""Of ``keys.json`` (our choice): more than four imports of the largest size."""


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """What a world's keys are made of."""

    seed: int
    epoch_ms: int = DEFAULT_EPOCH_MS
    number: int = 0
    """Number of the key store's content; 0 before there was one."""
    imported: tuple[CertificateRecord, ...] = ()
    statuses: tuple[tuple[str, int, CertificateStatus], ...] = ()
    """Issuer, serial and status of certificates of ours that are not in use any more."""


def open_key_store(stored: StoredKeys, organisations: Iterable[Organisation]) -> KeyStore:
    """The key store of a world: the seeded certificates of its organisations and what was stored."""
    smki = TestSmki(stored.seed, stored.epoch_ms)
    store = seeded_key_store(smki, (record for party in organisations for record in smki.organisation_certificates(party)))
    if stored.number:
        statuses = {(issuer, serial): status for issuer, serial, status in stored.statuses}
        store.restore(stored.imported, statuses, stored.number)
    return store


def stored_keys(store: KeyStore) -> StoredKeys:
    """What of a key store has to be kept; raise :class:`ValueError` for one without a test SMKI."""
    if store.smki is None:
        raise ValueError("a key store without a test SMKI does not follow from a seed")
    imported = store.imported()
    keys = {record.key for record in imported}
    changed = [r for r in store.records() if r.key not in keys and r.status != CertificateStatus.IN_USE]
    return StoredKeys(
        seed=store.smki.seed,
        epoch_ms=store.smki.epoch_ms,
        number=store.number,
        imported=tuple(imported),
        statuses=tuple((record.issuer, record.serial, record.status) for record in changed),
    )


def save(folder: Path, stored: StoredKeys) -> None:
    """Write ``keys.json`` so that a crash leaves the old or the new content."""
    document = {
        "format": FORMAT,
        "seed": stored.seed,
        "epoch_ms": stored.epoch_ms,
        "number": stored.number,
        "imported": [_describe(record) for record in stored.imported],
        "statuses": [[issuer, f"{serial:x}", status] for issuer, serial, status in stored.statuses],
    }
    _make_private(folder)
    _write(folder / KEYS_FILE, json.dumps(document, indent=1).encode() + b"\n")
    _sync_folder(folder)


def load(folder: Path) -> StoredKeys | None:
    """What :func:`save` wrote, None when the folder has no ``keys.json``; raise :class:`Malformed` for a damaged one."""
    path = folder / KEYS_FILE
    try:
        if path.stat().st_size > MAX_KEYS_BYTES:
            raise Malformed("the file is too long", where=KEYS_FILE, expected=f"at most {MAX_KEYS_BYTES} octets")
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Malformed(f"cannot be read: {error.strerror}", where=KEYS_FILE) from None
    except Malformed:  # a ValueError too
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {str(error)[:120]}", where=KEYS_FILE) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Malformed("of another version or no key file", where=KEYS_FILE, expected=f"format {FORMAT}")
    try:
        return StoredKeys(
            seed=_number(document["seed"]),
            epoch_ms=_number(document["epoch_ms"]),
            number=_number(document["number"]),
            imported=tuple(_record(entry) for entry in document["imported"]),
            statuses=tuple((str(issuer), int(serial, 16), CertificateStatus(s)) for issuer, serial, s in document["statuses"]),
        )
    except Malformed as error:
        raise Malformed(str(error), where=KEYS_FILE) from None
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Malformed(f"damaged: {type(error).__name__} {str(error)[:120]}", where=KEYS_FILE) from None


def export(folder: Path, store: KeyStore, devices: Iterable[CertificateRecord] = ()) -> list[Path]:
    """Write everything in the forms that others read, and the certificates of the authorities; return the paths.

    ``devices`` are further certificates, those of the estate's devices, for the forms that have room for them.
    """
    registered = store.records()
    known = {record.key for record in registered}
    everything = registered + [record for record in devices if record.key not in known]
    files: dict[str, bytes] = {
        "keystore.json": to_keystore_json(everything),
        "org-crypto.zip": to_crypto_zip(everything),
        **{f"pem/{name}": content for name, content in to_pem_files(everything).items()},
    }
    if store.smki is not None:
        issuing = (store.smki.organisation_authority, store.smki.device_authority)
        files["root.pem"] = store.smki.root.certificate.public_bytes(Encoding.PEM)
        files["issuing.pem"] = b"".join(authority.certificate.public_bytes(Encoding.PEM) for authority in issuing)
    _make_private(folder)
    _make_private(folder / "pem")
    for name, content in files.items():
        _write(folder / name, content)
    return [folder / name for name in files]


def _describe(record: CertificateRecord) -> dict[str, object]:
    return {
        "name": record.name,
        "prepayment": record.prepayment,
        "status": record.status,
        "certificate": record.pem,
        "private_key": None if record.private_key is None else private_key_pem(record.private_key).decode(),
    }


def _record(entry: Mapping[str, Any]) -> CertificateRecord:
    key = entry["private_key"]
    return read_certificate(
        read_pem_certificate(entry["certificate"].encode()),
        name=str(entry["name"]),
        prepayment=bool(entry["prepayment"]),
        private_key=None if key is None else read_private_key(key.encode()),
        status=CertificateStatus(entry["status"]),
    )


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a number")
    return value


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def _write(path: Path, content: bytes) -> None:
    """Replace a file by way of a new one beside it that reached the disk; readable by its owner alone."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
