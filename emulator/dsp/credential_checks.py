"""What the DSP asks of requests that replace certificates on devices: 6.15.1, 6.15.2, 6.21 and 6.23 (duis.md 3.4, checks low).

The transitional CoS party is played here: a 6.23 goes to the device in its name, so what it would look at is looked at here, when
the request comes and again when it is due.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.registration import SUPPLIERS, claims, registered
from emulator.duis.messages import Element
from emulator.pki.certificates import CertificateRecord, Usage, read_certificate
from emulator.pki.paths import path_is_trusted

CERTIFICATE_TYPES = ("DigitalSigning", "KeyAgreement", "KeyAgreementTopUp")
"""Purposes of certificates, as alerts name them; elements of requests have ``Certificate`` behind (DUIS schema, certain)."""

_USAGES = dict(zip(CERTIFICATE_TYPES, (Usage.DIGITAL_SIGNATURE, Usage.KEY_AGREEMENT, Usage.KEY_AGREEMENT), strict=True))

_BY_ITSELF = {
    "Supplier": RemotePartyRole.SUPPLIER,
    "NetworkOperator": RemotePartyRole.NETWORK_OPERATOR,
    # The load controller's come from the supplier (test messages CS02gLoadControllerBySupplier).
    "LoadController": RemotePartyRole.SUPPLIER,
}
"""Who may replace the certificates of which role by 6.15.1, as a party to devices."""

_HANDED_OVER = {"Supplier": RemotePartyRole.SUPPLIER, "NetworkOperator": RemotePartyRole.NETWORK_OPERATOR}
"""Roles that 6.21 gives to a party."""


@dataclass(frozen=True, slots=True)
class Offered:
    """One certificate of a request."""

    kind: str
    """One of :data:`CERTIFICATE_TYPES`."""
    record: CertificateRecord


def offered(body: Element) -> Iterator[Offered]:
    """The certificates that a request offers; raise :class:`Malformed` for one that is not what its element says."""
    container = body.find("SupplierReplacementCertificates") or body.find("ReplacementCertificates")
    if container is not None and (inner := container.find("SupplierOrNetworkOperatorCertificates")) is not None:
        container = inner
    for kind in CERTIFICATE_TYPES:
        text = None if container is None else container.value(f"{kind}Certificate")
        if text is None:
            continue
        record = read_certificate(decoded(text), prepayment=kind == CERTIFICATE_TYPES[2])
        if record.role is None or record.usage is not _USAGES[kind]:
            raise Malformed(f"the certificate is not one for {kind} of an organisation", where=f"{kind}Certificate")
        yield Offered(kind, record)


def decoded(text: str) -> bytes:
    """The octets of base64 text."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise Malformed("a certificate is not base64") from None


def _refuse(context: Context, case: Case, check: str, detail: str) -> Refusal:
    return Refusal(context.codes.code(check, case.row.service_reference), detail, where=check)


def _check_certificates(context: Context, case: Case, may_own: Callable[[Eui64], bool]) -> Refusal | None:
    """The certificates can be read, are those of whom they must be, and lead to an authority that is known."""
    body = case.request.body
    chain = body.find("CertificationPathCertificates")
    path = [] if chain is None else [decoded(each.text) for each in chain.children]
    try:
        certificates = list(offered(body))
    except Malformed as error:
        return _refuse(context, case, "credentials_unreadable", str(error))
    if not certificates:
        return _refuse(context, case, "credentials_unreadable", "there is no certificate to put in place")
    for each in certificates:
        if not may_own(each.record.eui):
            detail = f"the certificate for {each.kind} is of {format_eui(each.record.eui)}"
            return _refuse(context, case, "credentials_owner", detail)
    known = [context.keys.party_certificate(each.record.eui, each.record.usage) for each in certificates]
    known.append(context.keys.party_certificate(case.sender.eui, Usage.DIGITAL_SIGNATURE))
    held = [der for der in known if der is not None]
    for each in certificates:
        if not path_is_trusted(each.record.der, path, context.keys.root(), held):
            detail = f"the certificate for {each.kind} does not lead to a known authority by its certification path"
            return _refuse(context, case, "credentials_path", detail)
    return None


def check_update(context: Context, case: Case) -> Refusal | None:
    """6.15.1: a party replaces its own certificates, or as supplier those of the load controller."""
    role = case.request.body.required("RemotePartyRole")
    if _BY_ITSELF.get(role) is not case.sender.remote_party_role:
        return _refuse(context, case, "credentials_role", f"{case.sender.name} may not replace certificates of {role}")
    own = role != "LoadController"
    return _check_certificates(context, case, lambda eui: not own or eui == case.sender.eui)


def check_device_certificate(context: Context, case: Case) -> Refusal | None:
    """6.15.2: the certificate is one of this device."""
    try:
        record = read_certificate(decoded(case.request.body.required("DeviceCertificate")))
    except Malformed as error:
        return _refuse(context, case, "device_credentials", str(error))
    if record.role is not None or record.eui != case.target.eui:
        return _refuse(context, case, "device_credentials", f"the certificate is of {format_eui(record.eui)}")
    return None


def check_handover(context: Context, case: Case) -> Refusal | None:
    """6.21: a device whose certificates in a role are the DCC's goes to the party that is to have the role."""
    device, role = case.target, case.request.body.required("RemotePartyRole")
    if role not in _HANDED_OVER:
        return _refuse(context, case, "handover_role", f"{role} is not handed over")
    holder = device.supplier if role == "Supplier" else device.network_operator
    if holder is not None:
        detail = f"{format_eui(device.eui)} has {format_eui(holder)} as {role}: the DCC does not control it"
        return _refuse(context, case, "handover_not_controlled", detail)

    def may_own(eui: Eui64) -> bool:
        user = context.state.users.get(eui)
        if role == "Supplier":
            return eui == case.sender.eui
        return user is not None and user.remote_party_role is _HANDED_OVER[role]

    return _check_certificates(context, case, may_own)


def check_change_of_supplier(context: Context, case: Case) -> Refusal | None:
    """6.23: the requester is the supplier at the date, for the MPxN that it names, and offers certificates of its own."""
    mpxn = case.request.body.required("ImportMPxN")
    roles = {role for claimed, role in claims(context, case.target) if claimed == mpxn and role in SUPPLIERS}
    if not roles:
        return _refuse(context, case, "cos_mpxn", f"{mpxn} is no import MPxN of {format_eui(case.target.eui)}")
    when_ms = case.at_ms if case.execution_ms is None or case.cancels else case.execution_ms
    incoming = any(registered(context, mpxn, role, case.sender.party, when_ms) for role in roles)
    if not (incoming or case.cancels or not context.settings.check_responsibility):
        return _refuse(context, case, "cos_not_registered", f"{mpxn} is not registered to {case.sender.party} at that date")
    return _check_certificates(context, case, lambda eui: eui == case.sender.eui)
