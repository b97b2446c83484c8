"""Whom a device trusts: its trust anchor cells, what is in them, and how they are read (CS02a and CS02f).

A cell holds one certificate for a Remote Party Role and a purpose. A device remembers a certificate only where one was put in;
every other cell holds that of the party that the device knows in the role, as it was before that party renewed any. Source:
gbcs.md 8 and the test messages of CS02.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, RECOVERY, TRANSITIONAL_COS, WAN_PROVIDER, Eui64
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.shapes import encode_shape
from emulator.pki.certificates import CertificateRecord, Usage, read_certificate
from emulator.pki.smki import key_identifier
from emulator.premises.context import Context
from emulator.premises.state import ChangedCredentials, DeviceState, OwnKey

DIGITAL_SIGNATURE, KEY_AGREEMENT, CERTIFICATE_SIGNING = bytes.fromhex("0780"), bytes.fromhex("0308"), bytes.fromhex("0204")
"""Key usages as BIT STRINGs with their count of unused bits (gbcs.md 8, proven)."""

USAGES: Mapping[bytes, Usage] = {DIGITAL_SIGNATURE: Usage.DIGITAL_SIGNATURE, KEY_AGREEMENT: Usage.KEY_AGREEMENT}
BITS: Mapping[Usage, bytes] = {usage: bits for bits, usage in USAGES.items()}

TOP_UPS = 1
"""Cell usage of key agreement for top-up tokens; management is 0, which is left out (gbcs.md 8, proven)."""

READ, NOT_FOUND = 0, 25
"""Status of a role that was asked for: 25 where the device has no such cell (test messages CS02aMAC and CS02aSignature)."""

READERS = (0x0008, 0x011B)
"""Message codes of CS02a and CS02f."""

PARTIES: Mapping[RemotePartyRole, Eui64] = {
    RemotePartyRole.RECOVERY: RECOVERY,
    RemotePartyRole.ACCESS_CONTROL_BROKER: ACCESS_CONTROL_BROKER,
    RemotePartyRole.TRANSITIONAL_COS: TRANSITIONAL_COS,
    RemotePartyRole.WAN_PROVIDER: WAN_PROVIDER,
}
"""The DCC's parties, of which there is one each."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One place for a certificate."""

    role: int
    usage: Usage
    prepayment: bool = False

    @property
    def key(self) -> str:
        """Its name in the state of a device."""
        return f"{self.role} {'PP' if self.prepayment else self.usage}"

    @property
    def target(self) -> dict[str, object]:
        """Its name in GBCS."""
        return {"role": self.role, "usage": BITS[self.usage], "cell": TOP_UPS if self.prepayment else None}


@dataclass(frozen=True, slots=True)
class Slots:
    """The cells of one role."""

    role: RemotePartyRole
    cells: tuple[Cell, ...]
    default: Eui64 | None
    """Whose certificates lie there while the device knows no party in the role."""


_CELLS = {"DS": (Usage.DIGITAL_SIGNATURE, False), "KA": (Usage.KEY_AGREEMENT, False), "PP": (Usage.KEY_AGREEMENT, True)}


@cache
def _table() -> Mapping[tuple[DeviceType, int], Slots]:
    text = resources.files("emulator.premises").joinpath("data/trust_anchors.toml").read_text("utf-8")
    table = tomllib.loads(text)
    found: dict[tuple[DeviceType, int], Slots] = {}
    for row in table["rows"]:
        named = dict(zip(table["columns"], row, strict=True))
        role, default = RemotePartyRole[named["role"]], named["default"]
        cells = tuple(Cell(int(role), *_CELLS[key]) for key in named["keys"].split())
        found[DeviceType(named["device"]), int(role)] = Slots(role, cells, PARTIES[RemotePartyRole[default]] if default else None)
    return found


def slots_of(device_type: DeviceType, role: int) -> Slots | None:
    """The cells of a device for a role, or None where it has none."""
    return _table().get((device_type, role))


def roles_of(device_type: DeviceType) -> tuple[RemotePartyRole, ...]:
    """The roles for which a device has cells."""
    return tuple(slots.role for (kind, _), slots in _table().items() if kind is device_type)


def party_in(device: DeviceState, role: int) -> int | None:
    """EUI of the party whose certificates the device holds in a role, or None."""
    known = device.credentials.get(role)
    if known is not None:
        return known
    slots = slots_of(device.device_type, role)
    return None if slots is None else slots.default


def roles_held(device: DeviceState, party: int) -> list[RemotePartyRole]:
    """The roles in which the device holds a party's certificates."""
    roles = dict.fromkeys((*map(RemotePartyRole, device.credentials), *roles_of(device.device_type)))
    return [role for role in roles if party_in(device, role) == party]


def held(context: Context, device: DeviceState, cell: Cell) -> CertificateRecord | None:
    """The certificate in a cell, or None where there is none."""
    changed = device.changed_credentials
    digest = None if changed is None else changed.cells.get(cell.key)
    if digest is not None:
        return _read(context.state.certificates[digest])
    party = party_in(device, cell.role)
    if party is None:
        return None
    found = context.keys.anchor(party, cell.usage, prepayment=cell.prepayment)
    # A party without a key of its own for top-ups has its other one there (test message CS02bSupplierBySupplierHandover).
    return found or (context.keys.anchor(party, cell.usage) if cell.prepayment else None)


def signing_key(context: Context, device: DeviceState, role: int) -> ec.EllipticCurvePublicKey | None:
    """The key by which the device knows signatures in a role."""
    record = held(context, device, Cell(role, Usage.DIGITAL_SIGNATURE))
    return None if record is None else record.public_key


def agreement_key(context: Context, device: DeviceState, party: int) -> ec.EllipticCurvePublicKey | None:
    """The key with which the device agrees keys with a party, by the certificate that it holds of it."""
    for role in roles_held(device, party):
        record = held(context, device, Cell(int(role), Usage.KEY_AGREEMENT))
        if record is not None:
            return record.public_key
    return context.keys.public_key(party, Usage.KEY_AGREEMENT)


def put(context: Context, device: DeviceState, cell: Cell, record: CertificateRecord) -> None:
    """Put a certificate into a cell."""
    changed_credentials(device).cells[cell.key] = keep(context, record.der)


def forget(device: DeviceState, role: int) -> None:
    """Whatever was put into the cells of a role: the party's own certificates are there again."""
    changed = device.changed_credentials
    if changed is not None:
        for key in [key for key in changed.cells if key.startswith(f"{role} ")]:
            del changed.cells[key]


def changed_credentials(device: DeviceState) -> ChangedCredentials:
    """What differs on this device from how it was built."""
    if device.changed_credentials is None:
        device.changed_credentials = ChangedCredentials()
    return device.changed_credentials


def keep(context: Context, der: bytes) -> str:
    """Keep a certificate once for all devices; its name there."""
    digest = hashlib.sha256(der).hexdigest()
    context.state.certificates.setdefault(digest, der)
    return digest


@lru_cache(1_024)
def _read(der: bytes) -> CertificateRecord:
    return read_certificate(der)


# The device's own keys


def own_key(context: Context, device: DeviceState, usage: Usage) -> ec.EllipticCurvePrivateKey | None:
    """The private key that the device uses."""
    own = _own(device, usage)
    if own is None or not own.certificate:
        return context.keys.private_key(device.eui, usage)
    return context.keys.generated_key(device.eui, usage, own.number)


def own_certificate(context: Context, device: DeviceState, usage: Usage) -> bytes | None:
    """DER of the device's own certificate."""
    own = _own(device, usage)
    if own is not None and own.certificate:
        return context.state.certificates[own.certificate]
    record = context.keys.own_certificate(device.eui, usage)
    return None if record is None else record.der


def _own(device: DeviceState, usage: Usage) -> OwnKey | None:
    changed = device.changed_credentials
    return None if changed is None else changed.own.get(str(usage))


# CS02a and CS02f


def read_parties(
    context: Context, device: DeviceState, message: GbcsMessage, payload: Mapping[str, object], now_ms: int
) -> bytes:
    """CS02a and CS02f: whose certificates the device holds in the roles asked for, and the counters of these parties."""
    roles = payload["roles"]
    assert isinstance(roles, list)
    return encode_shape("retrieve_credentials_result", {"parties": [_party(context, device, role) for role in roles]})


def _party(context: Context, device: DeviceState, role: int) -> dict[str, object]:
    if role == RemotePartyRole.ROOT:
        return _root(context)
    slots, party = slots_of(device.device_type, role), party_in(device, role)
    records = [] if slots is None or party is None else [(cell, held(context, device, cell)) for cell in slots.cells]
    credentials = [
        {**cell.target, "party": record.eui, "key": key_identifier(record.public_key)}
        for cell, record in records
        if record is not None
    ]
    if not credentials or party is None:
        return {"role": role, "status": NOT_FOUND}
    return {"role": role, "status": READ, "counter": device.command_counters.get(party, 0), "credentials": credentials}


def _root(context: Context) -> dict[str, object]:
    """The root signs certificates only and has no EUI (test message CS02bAnyByContingency)."""
    der = context.keys.root()
    if der is None:
        return {"role": int(RemotePartyRole.ROOT), "status": NOT_FOUND}
    public_key = x509.load_der_x509_certificate(der).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    root = {"usage": CERTIFICATE_SIGNING, "party": Eui64(0), "key": key_identifier(public_key)}
    return {"role": int(RemotePartyRole.ROOT), "status": READ, "counter": 0, "credentials": [root]}
