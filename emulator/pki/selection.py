"""Which certificate of several the DCC's clients use: the live one (wire_contract.md section 4.3, measured).

Emulated devices must trust the same keys that stock clients sign and decrypt with, so both select alike.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from emulator.domain.vocabulary import RemotePartyRole
from emulator.pki.certificates import CertificateRecord, CertificateStatus

_XML_SIGNING = (RemotePartyRole.XML_SIGN, RemotePartyRole.DSP_XML_SIGN)
"""Never keys of GBCS. Stock clients drop 135 alone; theirs has no role 137 whose name would pass, some key stores have."""

_NAMED = re.compile(r"Z1-(?P<party>[^-]+)-|otherUser-")
_PREPAYMENT_SUFFIX = "PP"


@dataclass(frozen=True, slots=True)
class LiveSelection:
    """The live certificate, or why there is none."""

    record: CertificateRecord | None
    reason: str
    """One line that names the certificates looked at."""


def is_live_name(record: CertificateRecord, prepayment: bool) -> bool:
    """Whether the entry name (and role and status) let the record pass; entries without a name always pass.

    The one addition to the stock rule: an unnamed certificate known to be for prepayment serves nothing else.
    """
    if record.role in _XML_SIGNING or record.status != CertificateStatus.IN_USE:
        return False
    if not record.name:
        return prepayment or not record.prepayment
    found = _NAMED.match(record.name)
    if found is None:
        return False
    return (found["party"] or "").endswith(_PREPAYMENT_SUFFIX) == prepayment


def name_says_prepayment(name: str) -> bool:
    """Whether an entry name is that of a key for top-up tokens, of any generation (``Z1-supplierPP-ka``, ``Z1b-…PP-ka``)."""
    return re.match(r"[^-]+-[^-]*" + _PREPAYMENT_SUFFIX + "-", name) is not None


def select_live(candidates: Iterable[CertificateRecord], prepayment: bool) -> LiveSelection:
    """Choose among the certificates of one EUI and usage: exactly one must remain."""
    looked_at = list(candidates)
    passed = [record for record in looked_at if is_live_name(record, prepayment)]
    if prepayment:
        passed = [record for record in passed if record.prepayment] or passed
    if len(passed) == 1:
        return LiveSelection(passed[0], f"{_label(passed[0])} is the one that passes")
    dropped = ", ".join(_label(record) for record in looked_at if record not in passed) or "none"
    if not passed:
        return LiveSelection(None, f"no certificate passes; dropped: {dropped}")
    names = ", ".join(_label(record) for record in passed)
    return LiveSelection(None, f"{len(passed)} certificates pass where one must: {names}")


def _label(record: CertificateRecord) -> str:
    state = "" if record.status == CertificateStatus.IN_USE else f", status {record.status}"
    return f"{record.name or 'unnamed'} ({record.serial:x}, role {record.role}{state})"
