"""Requests that put certificates into devices: change of supplier (6.23), renewal (6.15.1), and devices' own (6.17, 6.15.2)."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.client.requests import CANCEL, service_request
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import Element, Request, element
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore


@dataclass(frozen=True, slots=True)
class NewCertificates:
    """What a party puts into the cells of its role, DER, with the authorities that lead to the root."""

    signing: bytes
    agreement: bytes
    top_up: bytes | None
    """For prepayment tokens; suppliers alone have one."""
    path: tuple[bytes, ...]

    def elements(self) -> tuple[Element, ...]:
        """The certificates as 6.15.1, 6.21 and 6.23 name them."""
        offered = (("DigitalSigning", self.signing), ("KeyAgreement", self.agreement), ("KeyAgreementTopUp", self.top_up))
        return tuple(element(f"{kind}Certificate", _base64(der)) for kind, der in offered if der is not None)

    def chain(self) -> Element:
        """The certification path."""
        return element("CertificationPathCertificates", *(element("Certificate", _base64(der)) for der in self.path))


def live_certificates(keys: KeyStore, party: Eui64, path: Sequence[bytes]) -> NewCertificates:
    """The certificates in use of a party, as a key store has them; ``path`` are the authorities' from the issuer on.

    Raise :class:`Malformed` when it has none.
    """
    signing, agreement = keys.live(party, Usage.DIGITAL_SIGNATURE), keys.live(party, Usage.KEY_AGREEMENT)
    if signing is None or agreement is None:
        expected = "a certificate for signing and one for key agreement in use"
        raise Malformed(f"the key store has no certificates of {format_eui(party)}", where="party", expected=expected)
    top_up = keys.live(party, Usage.KEY_AGREEMENT, prepayment=True)
    return NewCertificates(signing.der, agreement.der, None if top_up is None else top_up.der, tuple(path))


def change_of_supplier(
    user: Eui64,
    device: Eui64,
    offered: NewCertificates,
    mpxn: str,
    at_ms: int | None = None,
    *,
    cancel: bool = False,
    floor: int = 0,
    top_up_floor: int = 0,
    check_time: bool = True,
) -> Request:
    """6.23 by the gaining supplier, at once or at a date; ``cancel`` takes back one that waits for its date."""
    return service_request(
        user,
        "6.23",
        _execution(at_ms, cancel),
        element("SupplierFloorSeqNumber", str(floor)),
        element("SupplierPrepaymentTopUpFloorSeqNumber", str(top_up_floor)),
        element("SupplierReplacementCertificates", *offered.elements()),
        offered.chain(),
        element("ApplyTimeBasedCPVChecks", str(check_time).lower()),
        element("ImportMPxN", mpxn),
        target=device,
    )


def renewal(
    user: Eui64,
    device: Eui64,
    role: str,
    offered: NewCertificates,
    at_ms: int | None = None,
    *,
    cancel: bool = False,
    floor: int = 0,
    check_time: bool = True,
) -> Request:
    """6.15.1: new certificates for ``role`` (``Supplier``, ``NetworkOperator`` or ``LoadController``)."""
    return service_request(
        user,
        "6.15.1",
        _execution(at_ms, cancel),
        element("RemotePartyRole", role),
        element("RemotePartyFloorSeqNumber", str(floor)),
        element("ReplacementCertificates", element("SupplierOrNetworkOperatorCertificates", *offered.elements())),
        offered.chain(),
        element("ApplyTimeBasedCPVChecks", str(check_time).lower()),
        target=device,
    )


def issue_credentials(user: Eui64, device: Eui64, usage: Usage) -> Request:
    """6.17: the device makes a key pair and answers with the signing request for it."""
    kind = "Digital Signature" if usage is Usage.DIGITAL_SIGNATURE else "Key Agreement"
    return service_request(user, "6.17", element("CredentialType", kind), target=device)


def device_certificate(user: Eui64, device: Eui64, certificate: bytes) -> Request:
    """6.15.2: the certificate (DER) for the key pair that the device made."""
    return service_request(user, "6.15.2", element("DeviceCertificate", _base64(certificate)), target=device)


def _execution(at_ms: int | None, cancel: bool) -> Element | None:
    if cancel:
        return element("ExecutionDateTime", CANCEL)
    return None if at_ms is None else element("ExecutionDateTime", format_datetime(at_ms))


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
