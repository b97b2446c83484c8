"""The table of use cases: one row per use case and message code, loaded from ``data/usecases.toml``.

Every row names its source and how sure it is. Nothing in the code knows a use case by name, except where a payload needs a
handler of its own. How the modules of this package work together is in ``emulator/gbcs/__init__.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from emulator.domain.vocabulary import DeviceType, RemotePartyRole


class Format(StrEnum):
    """How the payload is written."""

    DLMS = "dlms"
    GBZ = "gbz"
    ASN1 = "asn1"


class Category(StrEnum):
    """Message categories (gbcs.md section 3): command or alert, critical or not."""

    CRITICAL_COMMAND = "SME.C.C"
    COMMAND = "SME.C.NC"
    CRITICAL_ALERT = "SME.A.C"
    ALERT = "SME.A.NC"

    @property
    def critical(self) -> bool:
        """Commands carry a signature beside the MAC; Responses and Alerts a signature instead of one."""
        return self in (Category.CRITICAL_COMMAND, Category.CRITICAL_ALERT)


class Originator(StrEnum):
    """Whose title and counter a Command carries (gbcs.md sections 4 and 5)."""

    USER = "user"
    """The user itself: its EUI and the counter of its RequestID."""
    ACB = "acb"
    """The ACB with its own counter; user and RequestID counter go into the supplementary fields."""
    ACB_ALONE = "acb_alone"
    """The ACB for itself, without supplementary fields."""


@dataclass(frozen=True, slots=True)
class UseCase:
    """One row of the table, resolved for one Service Reference Variant and device type by :func:`use_case_for`."""

    name: str
    """The code of the use case, e.g. ``ECS52``; with ``-DLMS`` or ``-GBZ`` where one code has both forms."""
    code: int
    """Message code."""
    title: str
    format: Format
    category: Category
    device_types: frozenset[DeviceType]
    originator: Originator = Originator.USER
    date_time_status: int | None = None
    """Clock-status octet of the date-time in the header of Responses; None: Responses carry none."""
    replay_protected: bool = True
    """Whether devices refuse a counter that is not above the last one of the same party."""
    known_parties: frozenset[RemotePartyRole] = frozenset()
    """Roles for which ``originator = user`` holds; anyone else goes through the ACB."""
    alert_codes: frozenset[int] = frozenset()
    """Alert codes that this message carries; empty for commands."""
    recipient: RemotePartyRole | None = None
    """For alerts: the role to which the device addresses them."""
    source: str = ""
    confidence: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def critical(self) -> bool:
        """See :attr:`Category.critical`."""
        return self.category.critical

    @property
    def needs_pre_command(self) -> bool:
        """Whether the user has to sign: critical, and the Command is the user's own. Critical ones of the ACB it signs itself."""
        return self.critical and self.originator is Originator.USER


def use_case_for(
    variant: str,
    device_type: DeviceType,
    parameters: Mapping[str, object] | None = None,
    *,
    gbcs_version: str = "",
    user_role: RemotePartyRole | None = None,
) -> UseCase | None:
    """The use case for a Service Reference Variant (``"11.2"``) on a device of this type, or None where the table has none.

    ``parameters`` are those of :func:`emulator.gbcs.commands.command_content`; some variants choose by the body.
    ``gbcs_version`` is the device's (``"4.2"``; empty means newest) and chooses between old and new message codes.
    ``user_role`` is the role of the user's certificates on devices; with a role that the device does not know for this use
    case, or that is not in ``known_parties``, the Command becomes one of the ACB (:attr:`Originator.ACB`). None: a known party.
    """
    raise NotImplementedError


def by_code(code: int, device_type: DeviceType | None = None) -> UseCase | None:
    """The row of a message code, for reading messages; ``device_type`` chooses where a code has a DLMS and a GBZ form."""
    raise NotImplementedError


def by_name(name: str) -> UseCase:
    """The row of this name; ``KeyError`` for an unknown one."""
    raise NotImplementedError


def alert_use_case(alert_code: int, device_type: DeviceType) -> UseCase | None:
    """The row by which a device of this type sends this alert code.

    Specific messages first (0x8F72 of an ESME: 00CE), else the generic critical or non-critical alert by
    ``data/alert_codes.toml``; None for a code that the table does not know.
    """
    raise NotImplementedError
