"""The published GBCS test messages and their keys, where the reference folder is present."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.protect import PrivateKey, PublicKey

TYPES = {
    0xA0: DeviceType.ESME,
    0xA1: DeviceType.GSME,
    0xA2: DeviceType.CHF,
    0xA3: DeviceType.GPF,
    0xA4: DeviceType.PPMID,
    0xA5: DeviceType.HCALCS,
    0xA6: DeviceType.ESME,
}
"""Last octet of the test devices (gbcs.md section 11); A6 is a SAPC, which the inventory lists as an electricity meter."""


@dataclass(frozen=True, slots=True)
class Vector:
    """One published message."""

    name: str
    folder: str
    kind: str
    octets: bytes
    message: GbcsMessage

    @property
    def variant(self) -> str:
        """The Service Reference Variant of its folder; ``NA`` where there is none."""
        return self.folder.split("_")[0]

    @property
    def device_type(self) -> DeviceType | None:
        """The type of the device that receives the Command or sends the rest."""
        return TYPES.get((self.message.recipient if self.message.cra is Cra.COMMAND else self.message.originator) & 0xFF)


class Pack:
    """All vectors, certificates and keys."""

    def __init__(self, reference: Path) -> None:
        self.folder = reference / "gbcs" / "rtds"
        self.templates = reference / "duis" / "templates"
        self.vectors = [self._vector(path) for path in sorted(self.folder.glob("messages/*/*.HEX"))]
        self.certificates: dict[tuple[Eui64, str], x509.Certificate] = {}
        self.public: dict[tuple[Eui64, str], PublicKey] = {}
        self.private: dict[tuple[Eui64, str], PrivateKey] = {}
        for path in self.folder.glob("keystore/*.pem"):
            self._public(path)
        scalars = json.loads((self.folder / "keystore" / "private_keys.json").read_text())["keys"]
        for name, scalar in scalars.items():
            eui, _, usage = name.partition("-")
            self.private[Eui64(int(eui, 16)), usage.upper()] = ec.derive_private_key(int(scalar, 16), ec.SECP256R1())

    def _vector(self, path: Path) -> Vector:
        octets = bytes.fromhex("".join(path.read_text().split()))
        name = path.name.removesuffix("_GBCS.HEX")
        kind = next(kind for kind in ("PRECOMMAND", "COMMAND", "RESPONSE", "ALERT") if f"_{kind}" in name)
        return Vector(name, path.parent.name, kind, octets, decode_message(octets))

    def _public(self, path: Path) -> None:
        eui, _, usage = path.stem.partition("-")
        slot = (Eui64(int(eui, 16)), usage.upper())
        data = path.read_bytes()
        if b"BEGIN CERTIFICATE" in data:
            self.certificates[slot] = x509.load_pem_x509_certificate(data)
            key = self.certificates[slot].public_key()
        else:
            key = serialization.load_pem_public_key(data)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        self.public[slot] = key

    def private_key(self, eui: Eui64, usage: str) -> PrivateKey | None:
        """For :class:`emulator.gbcs.explain.KeyLookup`."""
        return self.private.get((eui, usage))

    def public_key(self, eui: Eui64, usage: str) -> PublicKey | None:
        """For :class:`emulator.gbcs.explain.KeyLookup`."""
        return self.public.get((eui, usage))

    def pair(self, message: GbcsMessage) -> tuple[PrivateKey, PublicKey] | None:
        """Two key-agreement keys that give the MAC of ``message``, from whichever side has a private one."""
        first = ACCESS_CONTROL_BROKER if message.cra is Cra.COMMAND else message.originator
        for own, other in ((first, message.recipient), (message.recipient, first)):
            if (own, "KA") in self.private and (other, "KA") in self.public:
                return self.private[own, "KA"], self.public[other, "KA"]
        return None

    def template(self, name: str) -> Path | None:
        """The DUIS request of a case: of its own name, else of a successful sibling."""
        case = re.sub(r"_(PRECOMMAND|COMMAND)$", "", name)
        sibling = re.sub(r"(ERROR|NOT_FOUND).*$", "SUCCESS", case)
        for stem in (case, sibling):
            path = self.templates / f"{stem}_REQUEST_DUIS.XML"
            if path.exists():
                return path
        siblings = sorted(self.templates.glob("_".join(case.split("_")[:2]) + "_*SUCCESS*.XML"))
        return siblings[0] if siblings else None
