"""The registry of certificates that a world knows: seeded, imported, revoked.

A certificate is looked up by issuer and serial to verify DUIS signatures, by EUI and usage for GBCS. Device certificates that
follow from the seed are not held; they are made when asked for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.duis.signature import SigningCertificate, normalise_issuer
from emulator.pki.certificates import CertificateRecord, CertificateStatus, Usage
from emulator.pki.reports import ImportEntry, ImportReport
from emulator.pki.selection import LiveSelection, is_live_name, select_live
from emulator.pki.smki import Organisation, TestSmki

PREFERRED_DSP_SERIAL = 0x7DAC7283AAD29BDD23C9EFBFDDB52A41
"""The DSP's XML signing certificate that all versions of the DCC's signing tool know (wire_contract.md section 4.1, measured)."""

PLAYED_HERE = frozenset({RemotePartyRole.ACCESS_CONTROL_BROKER, RemotePartyRole.TRANSITIONAL_COS, RemotePartyRole.DSP_XML_SIGN})
"""Roles in which the emulator itself signs or agrees keys, so that their private keys are needed (gbcs.md sections 2 and 3)."""

Key = tuple[str, int]
"""Issuer and serial."""


class KeyStore:
    """All certificates of a world, with the private keys that are known.

    ``number`` changes whenever the content does, so that a verdict reached with an older content can be told.
    """

    def __init__(self, smki: TestSmki | None = None) -> None:
        """``smki`` vouches for chains and makes device certificates."""
        self.smki = smki
        self.number = 0
        self._records: dict[Key, CertificateRecord] = {}
        self._by_eui: defaultdict[Eui64, dict[Key, None]] = defaultdict(dict)
        self._by_serial: defaultdict[int, dict[Key, None]] = defaultdict(dict)
        self._imported: dict[Key, None] = {}
        self._live: dict[tuple[Eui64, Usage, bool], LiveSelection] = {}
        self._signing: dict[Key, SigningCertificate] = {}
        self._anchors: dict[tuple[Eui64, Usage, bool], CertificateRecord] = {}
        """Certificates that were live before a party renewed them for the first time."""
        self._generations: dict[Eui64, int] = {}
        self._own: dict[tuple[Eui64, Usage], CertificateRecord] = {}
        """Certificates that devices took after the world began."""

    def __len__(self) -> int:
        return len(self._records)

    def copy(self) -> "KeyStore":
        """Another key store with the same content, which goes its own way."""
        other = KeyStore(self.smki)
        for record in self._records.values():
            other._put(record)
        other.number = self.number
        other._imported |= self._imported
        other._anchors |= self._anchors
        other._generations |= self._generations
        other._own |= self._own
        return other

    def add(self, record: CertificateRecord) -> None:
        """Add a certificate, or what is newly known of one already there.

        Raise :class:`Malformed` when another certificate has the same issuer and serial.
        """
        known = self._records.get(record.key)
        if known is not None:
            if known.der != record.der:
                raise Malformed(f"another certificate of {record.issuer} has the serial {record.serial:x}")
            record = replace(record, private_key=record.private_key or known.private_key, name=record.name or known.name)
            if record == known and record.private_key is known.private_key:
                return
        self._put(record)
        self._changed()

    def adopt(self, report: ImportReport) -> ImportReport:
        """Take in what was imported; certificates of ours for the same EUI and purpose go out of use.

        Returned is the report with what could not be taken in as well.
        """
        adopted = ImportReport(tuple(self._adopt(entry) for entry in report.entries))
        if adopted.records:
            self._changed()
        return adopted

    def restore(self, imported: Iterable[CertificateRecord], statuses: Mapping[Key, CertificateStatus], number: int) -> None:
        """Bring back a stored state exactly: imports as they were, statuses of other certificates, and the number."""
        for record in imported:
            self._put(record)
            self._imported[record.key] = None
        for (issuer, serial), status in statuses.items():
            self.set_status(serial, status, issuer)
        self._changed()
        self.number = number

    def revoke(self, serial: int, issuer: str | None = None) -> tuple[CertificateRecord, ...]:
        """Revoke the certificates with this serial number (of one issuer), device certificates included; return them."""
        return self.set_status(serial, CertificateStatus.REVOKED, issuer)

    def set_status(self, serial: int, status: CertificateStatus, issuer: str | None = None) -> tuple[CertificateRecord, ...]:
        """Give the certificates with this serial number another status; return them as they are now."""
        wanted = None if issuer is None else normalise_issuer(issuer)
        found = [record for record in self.by_serial(serial) if wanted in (None, record.issuer)]
        seeded = self.seeded_device(serial)
        if not found and seeded is not None and wanted in (None, seeded.issuer):
            found = [seeded]
        changed = tuple(replace(record, status=status) for record in found)
        for record in changed:
            self._put(record)
        if changed:
            self._changed()
        return changed

    def records(self, eui: Eui64 | None = None, usage: Usage | None = None, role: int | None = None) -> list[CertificateRecord]:
        """The registered certificates of an EUI, a usage, a role, or all, in the order in which they came."""
        keys = self._records.keys() if eui is None else self._by_eui.get(eui, {}).keys()
        found = (self._records[key] for key in keys)
        return [record for record in found if usage in (None, record.usage) and role in (None, record.role)]

    def imported(self) -> list[CertificateRecord]:
        """What came by :meth:`adopt`."""
        return [self._records[key] for key in self._imported]

    def by_serial(self, serial: int) -> list[CertificateRecord]:
        """The registered certificates with this serial number: one, unless issuers chose the same."""
        return [self._records[key] for key in self._by_serial.get(serial, ())]

    def private_key(self, issuer: str, serial: int) -> EllipticCurvePrivateKey | None:
        """The private key of a registered certificate, where it is known; certificates out of use keep theirs."""
        record = self._records.get((issuer, serial))
        return None if record is None else record.private_key

    def seeded_device(self, serial: int) -> CertificateRecord | None:
        """The device certificate of our SMKI with this serial number; the caller asks whether there is such a device."""
        return self.smki.device_of(serial) if self.smki else None

    def live(self, eui: Eui64, usage: Usage, *, prepayment: bool = False) -> CertificateRecord | None:
        """The one certificate that GBCS uses for an organisation, None when there is none or no single one."""
        return self.explain_live(eui, usage, prepayment=prepayment).record

    def explain_live(self, eui: Eui64, usage: Usage, *, prepayment: bool = False) -> LiveSelection:
        """The live certificate with the reason for the choice, or for there being none."""
        key = (eui, usage, prepayment)
        found = self._live.get(key)
        if found is None:
            found = self._live[key] = select_live(self.records(eui, usage), prepayment)
        return found

    def anchor(self, eui: Eui64, usage: Usage, *, prepayment: bool = False) -> CertificateRecord | None:
        """The certificate of an organisation that devices hold until another is put in its place: the live one, as it was before
        the organisation renewed any."""
        return self._anchors.get((eui, usage, prepayment)) or self.live(eui, usage, prepayment=prepayment)

    def signing_keys(self, eui: Eui64) -> list[CertificateRecord]:
        """The certificates under which an organisation may sign GBCS: the live one first, then those that it renewed."""
        live = self.live(eui, Usage.DIGITAL_SIGNATURE)
        if live is None or eui not in self._generations:
            return [] if live is None else [live]
        earlier = self.records(eui, Usage.DIGITAL_SIGNATURE, live.role)
        return [live, *(each for each in earlier if each != live and each.status is not CertificateStatus.REVOKED)]

    def renew(self, eui: Eui64, generation: int) -> tuple[CertificateRecord, ...]:
        """New GBCS certificates of an organisation, live from now on; those before stay known, and out of use.

        The new ones have no entry names: those of later generations pass no client's selection. Raise :class:`Malformed` for an
        organisation without live certificates.
        """
        smki, slots = self.smki, [(Usage.DIGITAL_SIGNATURE, False), (Usage.KEY_AGREEMENT, False), (Usage.KEY_AGREEMENT, True)]
        before = {slot: record for slot in slots if (record := self.live(eui, slot[0], prepayment=slot[1])) is not None}
        roles = {record.role for record in before.values() if record.role is not None}
        if smki is None or len(roles) != 1:
            raise Malformed(f"{format_eui(eui)} has no certificates to renew", expected="an organisation with live certificates")
        party = Organisation(eui, roles.pop(), "renewed", prepayment=(Usage.KEY_AGREEMENT, True) in before)
        renewed = tuple(replace(record, name="") for record in smki.organisation_certificates(party, generation))
        for record in renewed:
            old = before.get((record.usage, record.prepayment))
            if old is not None:
                self._anchors.setdefault((eui, record.usage, record.prepayment), old)
                self._put(replace(old, status=CertificateStatus.NOT_IN_USE))
            self._put(record)
        self._generations[eui] = generation
        self._changed()
        return renewed

    def generation(self, eui: Eui64) -> int:
        """How often an organisation renewed its certificates."""
        return self._generations.get(eui, 0)

    def take_device_certificate(self, record: CertificateRecord) -> None:
        """A device uses this certificate from now on."""
        self._put(record)
        self._own[record.eui, record.usage] = record
        self._changed()

    def device(self, eui: Eui64, usage: Usage) -> CertificateRecord | None:
        """The certificate a device uses: one that it took since, an imported one with its private key, else that of the test
        SMKI.

        An imported one without its private key is of no use to an emulated device. Any EUI gets one from the test SMKI.
        """
        if self._own and (taken := self._own.get((eui, usage))) is not None:
            return taken
        known = self.records(eui, usage) if self._imported else ()
        own = [r for r in known if r.role is None and r.private_key is not None and r.key in self._imported]
        in_use = [record for record in own if record.status == CertificateStatus.IN_USE]
        if in_use or self.smki is None:
            return in_use[-1] if in_use else None
        seeded = self.smki.device_certificate(eui, usage)
        return self._records.get(seeded.key, seeded)

    def xml_signing(self, eui: Eui64) -> CertificateRecord | None:
        """The certificate with which a user signs DUIS, or the DSP when ``eui`` is its own.

        A user without one of role 135 signs with its GBCS certificate, as stock clients do for the second supplier
        (wire_contract.md section 4.1, measured). Certificates with known private keys come first.
        """
        if eui == ACCESS_CONTROL_BROKER:
            return self.dsp_signing()
        found = self._in_use(eui, RemotePartyRole.XML_SIGN)
        return found[0] if found else self.live(eui, Usage.DIGITAL_SIGNATURE)

    def dsp_signing(self) -> CertificateRecord | None:
        """The certificate with which the DSP signs its answers; of several the one that every stock client knows."""
        found = self._in_use(ACCESS_CONTROL_BROKER, RemotePartyRole.DSP_XML_SIGN)
        return min(found, key=lambda record: (record.private_key is None, record.serial != PREFERRED_DSP_SERIAL), default=None)

    def find_signing(self, issuer: str, serial: int) -> SigningCertificate | None:
        """What the verifier of a DUIS signature needs to know of a certificate; None for an unknown one or no signing one."""
        record = self._records.get((issuer, serial)) or self._records.get((normalise_issuer(issuer), serial))
        if record is None or record.role is None or record.usage != Usage.DIGITAL_SIGNATURE:
            return None
        found = self._signing.get(record.key)
        if found is None:
            found = self._signing[record.key] = self._signing_certificate(record, record.role)
        return found

    def chain_trusted(self, record: CertificateRecord) -> bool:
        """Whether the certificate's chain ends at the root of our test SMKI."""
        return self.smki is not None and self.smki.issued(record)

    def _signing_certificate(self, record: CertificateRecord, role: int) -> SigningCertificate:
        return SigningCertificate(
            eui=record.eui,
            role=role,
            serial=record.serial,
            issuer=record.issuer,
            public_key=record.public_key,
            not_before_ms=record.not_before_ms,
            not_after_ms=record.not_after_ms,
            revoked=record.status == CertificateStatus.REVOKED,
            chain_trusted=self.chain_trusted(record),
        )

    def _in_use(self, eui: Eui64, role: int) -> list[CertificateRecord]:
        found = [r for r in self.records(eui, Usage.DIGITAL_SIGNATURE, role) if r.status == CertificateStatus.IN_USE]
        return sorted(found, key=lambda record: record.private_key is None)

    def _adopt(self, entry: ImportEntry) -> ImportEntry:
        record = entry.record
        if record is None:
            return entry
        if record.role in PLAYED_HERE and record.private_key is None:
            return ImportEntry(entry.place, None, "the emulator acts in this role and needs its private key")
        known = self._records.get(record.key)
        if known is not None and known.der != record.der:
            return ImportEntry(entry.place, None, f"another certificate of {record.issuer} has the serial {record.serial:x}")
        if known is None:
            self._supersede(record)
        elif known.private_key is not None and record.private_key is None:
            record = replace(record, private_key=known.private_key)
        self._put(record)
        self._imported[record.key] = None
        return replace(entry, record=record)

    def _supersede(self, newcomer: CertificateRecord) -> None:
        """Put seeded certificates out of use whose place an imported one takes; one that is never selected takes no place."""
        xml_signing = newcomer.role in (RemotePartyRole.XML_SIGN, RemotePartyRole.DSP_XML_SIGN)
        if newcomer.role is None or not (xml_signing or is_live_name(newcomer, newcomer.prepayment)):
            return
        for record in self.records(newcomer.eui, newcomer.usage, newcomer.role):
            ours = record.key not in self._imported and record.status == CertificateStatus.IN_USE
            if ours and record.prepayment == newcomer.prepayment:
                self._put(replace(record, status=CertificateStatus.NOT_IN_USE))

    def _put(self, record: CertificateRecord) -> None:
        self._records[record.key] = record
        self._by_eui[record.eui][record.key] = None
        self._by_serial[record.serial][record.key] = None

    def _changed(self) -> None:
        self.number += 1
        self._live.clear()
        self._signing.clear()


def seeded_key_store(smki: TestSmki, certificates: Iterable[CertificateRecord]) -> KeyStore:
    """A key store of a test SMKI that holds the certificates it issued to the organisations of a world."""
    store = KeyStore(smki)
    for record in certificates:
        store.add(record)
    return store
