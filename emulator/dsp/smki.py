"""What the SMKI issued since a world began: certificates that parties renewed, and those of keys that devices made.

The key store of a world follows from its estate and what was imported; what came since follows from this record.
"""

from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.dsp.context import Context, PartyKeys
from emulator.dsp.state import DspState
from emulator.pki.certificates import CertificateRecord
from emulator.pki.csr import SigningRequest, read_signing_request

RENEWABLE = (RemotePartyRole.SUPPLIER, RemotePartyRole.NETWORK_OPERATOR)
"""Parties that can have their certificates on devices replaced: by 6.15.1, each its own."""

MAX_ISSUED = 0x7FFF
"""Certificates that serial numbers can tell apart, for one party or device."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate for a key that a device made."""

    request: SigningRequest
    certificate: bytes
    """DER."""


def bring_back(state: DspState, keys: PartyKeys) -> None:
    """Let the key store of a restored world know what was issued before."""
    for party, generations in state.renewals.items():
        for generation in range(1, generations + 1):
            keys.renew(party, generation)
    for der in state.device_certificates.values():
        keys.take_device_certificate(der)


def renew(context: Context, party: Eui64) -> tuple[CertificateRecord, ...]:
    """New GBCS certificates for a user, live from now on; devices trust them once they were told to (6.15.1).

    Raise :class:`Malformed` for who has none that devices hold.
    """
    user = context.state.users.get(party)
    if user is None or user.remote_party_role not in RENEWABLE:
        expected = "the User ID of a supplier or network operator"
        raise Malformed(f"the certificates of {format_eui(party)} are not renewed", where="party", expected=expected)
    number = context.state.renewals.get(party, 0) + 1
    if number > 25:  # the SMKI names no more generations (pki/smki.py)
        raise Malformed(f"{format_eui(party)} renewed its certificates {number - 1} times", where="party", expected="at most 25")
    renewed = context.keys.renew(party, number)
    context.state.renewals[party] = number
    context.journal("credentials", f"{format_eui(party)} renews its certificates")
    return renewed


def issue(context: Context, request: bytes) -> Issued:
    """A certificate for the key in a device's signing request (6.17); the device uses it once it was given it (6.15.2).

    Raise :class:`Malformed` for what is no such request, or one of an unknown device.
    """
    asked = read_signing_request(request)
    if asked.eui not in context.state.inventory:
        raise Malformed(f"{format_eui(asked.eui)} is not in the inventory", where="request", expected="a device of the world")
    number = context.state.issued.get(asked.eui, 0) + 1
    if number > MAX_ISSUED:
        raise Malformed(f"{format_eui(asked.eui)} got {number - 1} certificates", where="request", expected="no more than that")
    context.state.issued[asked.eui] = number
    context.journal("credentials", f"a certificate is issued to {format_eui(asked.eui)}", device=asked.eui)
    return Issued(asked, context.keys.issue(asked, number))
