"""Key folders as published with the test messages: ``<eui>[-pp]-{ds,ka}.{pem,key}``, or ``private_keys.json``."""

import binascii
import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, parse_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.gbcs.protect import PrivateKey, PublicKey


class FolderKeys:
    """The keys of a folder at any depth, by EUI and usage (``DS``, ``KA``); a :class:`emulator.gbcs.explain.KeyLookup`.

    Prepayment keys (``-pp-``) are left out: no message is protected with them. :class:`Malformed` names a file that holds no key.
    """

    def __init__(self, folder: Path) -> None:
        self._public: dict[tuple[int, str], PublicKey] = {}
        self._private: dict[tuple[int, str], PrivateKey] = {}
        self._roles: dict[int, RemotePartyRole] = {}
        for path in sorted(folder.rglob("*")):
            if path.name == "private_keys.json":
                self._scalars(path)
            elif path.suffix in (".pem", ".key", ".crt", ".cer"):
                self._file(path)
        for slot, key in self._private.items():
            self._public.setdefault(slot, key.public_key())

    def private_key(self, eui: Eui64, usage: str) -> PrivateKey | None:
        """The private key, or None."""
        return self._private.get((eui, usage))

    def public_key(self, eui: Eui64, usage: str) -> PublicKey | None:
        """The key of the certificate, or None."""
        return self._public.get((eui, usage))

    def role(self, eui: Eui64) -> RemotePartyRole | None:
        """The Remote Party Role that a certificate of the party names, or None."""
        return self._roles.get(eui)

    def _scalars(self, path: Path) -> None:
        for name, scalar in json.loads(path.read_text())["keys"].items():
            slot = _slot(name)
            if slot is not None:
                self._private[slot] = ec.derive_private_key(int(scalar, 16), ec.SECP256R1())

    def _file(self, path: Path) -> None:
        slot, data = _slot(path.stem), path.read_bytes()
        if slot is None:
            return
        try:
            if b"PRIVATE KEY" in data:
                private = serialization.load_pem_private_key(data, None)
                if isinstance(private, ec.EllipticCurvePrivateKey):
                    self._private[slot] = private
                return
            public: object
            if b"BEGIN CERTIFICATE" in data:
                certificate = x509.load_pem_x509_certificate(data)
                self._note_role(slot[0], certificate)
                public = certificate.public_key()
            else:
                public = serialization.load_pem_public_key(data)
        except (ValueError, binascii.Error) as error:
            raise Malformed(f"the file holds no key: {error}", where=path.name) from None
        if isinstance(public, ec.EllipticCurvePublicKey):
            self._public[slot] = public

    def _note_role(self, eui: int, certificate: x509.Certificate) -> None:
        for unit in certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME):
            number = int(str(unit.value), 16) if str(unit.value).isalnum() and len(str(unit.value)) == 2 else None
            if number is not None and number in set(RemotePartyRole):
                self._roles[eui] = RemotePartyRole(number)


def _slot(name: str) -> tuple[int, str] | None:
    parts = name.lower().split("-")
    if len(parts) != 2 or parts[1] not in ("ds", "ka"):
        return None
    try:
        return parse_eui(parts[0]), parts[1].upper()
    except Malformed:
        return None
