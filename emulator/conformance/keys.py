"""Key folders as published with the test messages: ``<eui>[-pp]-{ds,ka}.{pem,key}``, or ``private_keys.json``.

No private key of a device is published. :class:`HomeKeys` gives the virtual devices what they need all the same: a secret that
two parties agree on is the same from either side, so what a device would derive is derived with the other party's private key;
and a device signs with a key of its own, whose public half goes with what was produced.
"""

import binascii
import json
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, eui_hex, parse_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.gbcs.protect import PrivateKey, PublicKey
from emulator.pki.certificates import CertificateRecord, Usage, read_certificate
from emulator.pki.smki import TestSmki

PREPAYMENT = "PP"
"""Usage under which the prepayment keys (``-pp-ka``) are found."""

_SUFFIXES = (".pem", ".key", ".crt", ".cer")


class FolderKeys:
    """The keys of folders at any depth, by EUI and usage (``DS``, ``KA``); a :class:`emulator.gbcs.explain.KeyLookup`.

    Later folders come first where two have the same key. :class:`Malformed` names a file that holds no key.
    """

    def __init__(self, *folders: Path) -> None:
        self._public: dict[tuple[int, str], PublicKey] = {}
        self._private: dict[tuple[int, str], PrivateKey] = {}
        self._roles: dict[int, RemotePartyRole] = {}
        self._certificates: dict[tuple[int, str], bytes] = {}
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.name == "private_keys.json":
                    self._scalars(path)
                elif path.suffix.lower() in _SUFFIXES:
                    self._file(path)
        for slot, key in self._private.items():
            self._public.setdefault(slot, key.public_key())

    def private_key(self, eui: Eui64, usage: str) -> PrivateKey | None:
        """The private key, or None."""
        return self._private.get((eui, usage))

    def public_key(self, eui: Eui64, usage: str) -> PublicKey | None:
        """The key of the certificate, or None."""
        return self._public.get((eui, usage))

    def certificate(self, eui: Eui64, usage: str) -> bytes | None:
        """DER of the certificate, or None where the key has none."""
        return self._certificates.get((eui, usage))

    def role(self, eui: Eui64) -> RemotePartyRole | None:
        """The Remote Party Role that a certificate of the party names, or None."""
        return self._roles.get(eui)

    def parties(self) -> Iterator[tuple[Eui64, RemotePartyRole]]:
        """Everyone whose certificate names a role, by EUI."""
        for eui, role in sorted(self._roles.items()):
            yield Eui64(eui), role

    def agreeing(self, public_key: PublicKey) -> PrivateKey | None:
        """The private key to a public one, or None."""
        wanted = public_key.public_numbers()
        return next((key for key in self._private.values() if key.public_key().public_numbers() == wanted), None)

    def _scalars(self, path: Path) -> None:
        try:
            named = json.loads(path.read_text())["keys"].items()
            scalars = {name: int(scalar, 16) for name, scalar in named}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Malformed(
                f"the file holds no private keys: {error!r}", where=path.name, expected="`keys`: name to hexadecimal"
            ) from None
        for name, scalar in scalars.items():
            slot = _slot(name)
            if slot is not None:
                self._private[slot] = ec.derive_private_key(scalar, ec.SECP256R1())

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
                self._note(slot, certificate)
                public = certificate.public_key()
            elif b"BEGIN PUBLIC KEY" in data:
                public = serialization.load_pem_public_key(data)
            else:
                certificate = x509.load_der_x509_certificate(data)
                self._note(slot, certificate)
                public = certificate.public_key()
        except (ValueError, TypeError, binascii.Error) as error:
            raise Malformed(f"the file holds no key: {error}", where=path.name) from None
        if isinstance(public, ec.EllipticCurvePublicKey):
            self._public[slot] = public

    def _note(self, slot: tuple[int, str], certificate: x509.Certificate) -> None:
        self._certificates[slot] = certificate.public_bytes(serialization.Encoding.DER)
        for unit in certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME):
            text = str(unit.value)
            try:
                self._roles[slot[0]] = RemotePartyRole(int(text, 16) if len(text) == 2 else -1)
            except ValueError:
                continue


class HomeKeys:
    """The keys of a virtual home: :class:`emulator.premises.context.DeviceKeys` over the keys at hand."""

    _OWN = TestSmki(seed=1)

    def __init__(self, folder: FolderKeys) -> None:
        self._folder = folder

    def private_key(self, eui: int, usage: str) -> PrivateKey | None:
        """The key of a device: its own where it is at hand; else a signing key of ours, and for key agreement what agrees with
        its certificate."""
        held = self._folder.private_key(Eui64(eui), usage)
        if held is not None:
            return held
        if usage == Usage.DIGITAL_SIGNATURE:
            return self._OWN.private_key(eui, Usage.DIGITAL_SIGNATURE)
        public = self._folder.public_key(Eui64(eui), usage)
        return None if public is None else OtherSide(public, self._folder)

    def public_key(self, eui: int, usage: str) -> PublicKey | None:
        """The key of a certificate, or None."""
        return self._folder.public_key(Eui64(eui), usage)

    def anchor(self, party: int, usage: str, *, prepayment: bool = False) -> CertificateRecord | None:
        """What a device holds of a party: its certificate, or what is known of it where there is only the key."""
        return self._record(Eui64(party), usage, PREPAYMENT if prepayment else usage)

    def own_certificate(self, device: int, usage: str) -> CertificateRecord | None:
        """The certificate of a device."""
        return self._record(Eui64(device), usage, usage)

    def generated_key(self, device: int, usage: str, number: int) -> PrivateKey:
        """A key pair that a device makes."""
        return self._OWN.private_key(device, Usage(usage), number, "made by the device")

    def root(self) -> bytes | None:
        """None: no root is published."""
        return None

    def _record(self, eui: Eui64, usage: str, slot: str) -> CertificateRecord | None:
        der, public = self._folder.certificate(eui, slot), self._folder.public_key(eui, slot)
        if der is not None:
            try:
                return read_certificate(der, prepayment=slot == PREPAYMENT)
            except Malformed:  # two of the test certificates are not written as they must be
                der = None
        if public is None:
            return None
        return CertificateRecord(eui, Usage(usage), None, "", slot == PREPAYMENT, 0, "", b"", 0, 0, public)

    def write_signing_key(self, eui: int, folder: Path) -> None:
        """Put the public half of the key with which a device signs beside what was produced, where it is one of ours."""
        if self._folder.private_key(Eui64(eui), Usage.DIGITAL_SIGNATURE) is None:
            public = self._OWN.private_key(eui, Usage.DIGITAL_SIGNATURE).public_key()
            folder.mkdir(parents=True, exist_ok=True)
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            folder.joinpath(f"{eui_hex(eui)}-ds.pem").write_bytes(public.public_bytes(serialization.Encoding.PEM, form))


class OtherSide(ec.EllipticCurvePrivateKey):
    """A key-agreement key of which only the public half is at hand, with the private keys of those it agrees with."""

    def __init__(self, public: PublicKey, others: FolderKeys) -> None:
        self._public = public
        self._others = others

    def exchange(self, algorithm: ec.ECDH, peer_public_key: PublicKey) -> bytes:
        """The shared secret, from the other side; :class:`Malformed` where the peer's private key is not at hand either."""
        peer = self._others.agreeing(peer_public_key)
        if peer is None:
            raise Malformed("neither private key of a key agreement is at hand", where="keys")
        return peer.exchange(algorithm, self._public)

    def public_key(self) -> PublicKey:
        """The public half."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """Bits of the curve."""
        return self._public.key_size

    def sign(self, data: object, signature_algorithm: object) -> bytes:
        """Not possible without the private half."""
        raise Malformed("there is no private key to sign with", where="keys")

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Not possible without the private half."""
        raise Malformed("there is no private key", where="keys")

    def private_bytes(self, encoding: object, format: object, encryption_algorithm: object) -> bytes:
        """Not possible without the private half."""
        raise Malformed("there is no private key", where="keys")

    def __copy__(self) -> "OtherSide":
        return self

    def __deepcopy__(self, memo: object) -> "OtherSide":
        return self


def _slot(name: str) -> tuple[int, str] | None:
    eui, *rest = name.lower().replace("_", "-").split("-")
    usage = {("ds",): "DS", ("ka",): "KA", ("pp", "ka"): PREPAYMENT}.get(tuple(rest))
    if usage is None:
        return None
    try:
        return parse_eui(eui), usage
    except Malformed:
        return None
