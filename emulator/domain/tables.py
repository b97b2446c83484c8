"""The protocol facts that the DCC's interface is made of, read from ``data/*.toml``.

Each table is read once, on first use, and checked as it is read: a row with an unknown column, a value outside its vocabulary,
no source or no confidence is :class:`Broken`, because the files are ours. Every row cites the keys of its file's ``[sources]``.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, TypeVar

from emulator.domain.errors import Broken, Malformed
from emulator.domain.vocabulary import DeviceType, UserRole, WebService

K = TypeVar("K")
R = TypeVar("R")


class Confidence(StrEnum):
    """How well a fact is established."""

    HIGH = "high"
    MEDIUM_HIGH = "medium-high"
    MEDIUM = "medium"
    LOW_MEDIUM = "low-medium"
    LOW = "low"
    NONE = "none"
    """Nothing is known; the row exists because the schema lists its key."""


class FutureDated(StrEnum):
    """Who holds a request until its ExecutionDateTime (duis.md 1.8)."""

    NO = "no"
    DSP = "dsp"
    DEVICE = "device"
    DSP_AND_DEVICE = "dsp_and_device"


class Recipients(StrEnum):
    """Who gets a DCC Alert; the rule is applied to registration data and inventory (duis.md section 4)."""

    ORIGINATOR = "originator"
    ORIGINATOR_AND_RESPONSIBLE_SUPPLIERS = "originator_and_responsible_suppliers"
    SCHEDULE_OWNER = "schedule_owner"
    RESPONSIBLE_SUPPLIERS = "responsible_suppliers"
    OTHER_RESPONSIBLE_SUPPLIERS = "other_responsible_suppliers"
    SUPPLIERS_ON_HUB = "suppliers_on_hub"
    LOSING_SUPPLIER = "losing_supplier"
    IMPORT_SUPPLIERS_AND_NETWORK_OPERATOR = "import_suppliers_and_network_operator"
    NETWORK_OPERATOR_AND_OTHER_SUPPLIERS = "network_operator_and_other_suppliers"
    OTHER_REGISTERED_PARTIES = "other_registered_parties"
    AFFECTED_PARTIES = "affected_parties"
    INTERESTED_PARTIES = "interested_parties"
    NAMED_USER = "named_user"
    USER_ON_OLDER_VERSION = "user_on_older_version"


@dataclass(frozen=True, slots=True)
class ServiceReferenceVariant:
    """One of the 129 Service Reference Variants of DUIS V5.4."""

    srv: str
    """Such as ``11.3``, ``4.1.1``."""
    service_reference: str
    """The shorter number of the header, ``4.1`` for ``4.1.1``."""
    body_element: str
    """The child of Body that carries the request; one-to-one with the variant. A Signed Pre-Command has its own element."""
    roles: tuple[UserRole, ...]
    """Roles that may send it; empty for 7.16, 8.5 and 8.6."""
    critical: bool
    """Needs a Pre-Command that the user signs."""
    non_device: bool
    """Answered by the DCC itself, which it addresses."""
    future_dated: FutureDated
    dcc_scheduled: bool
    """May be named in a DSP schedule."""
    command_variants: tuple[int, ...]
    device_types: tuple[DeviceType, ...]
    """Types it may be sent to; for 11.1 and 11.4 the types that their device list may name."""
    device_types_uncertain: tuple[DeviceType, ...]
    """Further types that the sources leave open."""
    device_types_confidence: Confidence
    synchronous_bodies: tuple[str, ...]
    """Payload elements of the answer in the same exchange, beside the plain acknowledgement."""
    asynchronous_bodies: tuple[str, ...]
    """Payload elements of what is pushed later."""
    source: tuple[str, ...]
    confidence: Confidence
    note: str


@dataclass(frozen=True, slots=True)
class ResponseCode:
    """One of the 194 response codes of DUIS V5.4."""

    code: str
    family: str
    """``generic``, ``block_1000`` or ``service``."""
    severity: str
    """``information``, ``warning`` or ``error``."""
    service_reference: str
    """The service that the code belongs to; empty outside family ``service``."""
    meaning: str
    source: tuple[str, ...]
    confidence: Confidence
    """Of the meaning."""


@dataclass(frozen=True, slots=True)
class DccAlertCode:
    """One of the 66 DCC Alert codes of DUIS V5.4."""

    code: str
    body: str
    """The child of DCCAlert."""
    variant: str
    """The choice or value within the body, where the code goes with one."""
    purpose: str
    """By which logic finds the code; empty where no cause is established."""
    meaning: str
    recipients: Recipients
    source: tuple[str, ...]
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class CheckCode:
    """The response code with which a named check of the emulator answers."""

    name: str
    service_reference: str
    """Empty where the code holds for every service."""
    code: str
    meaning: str
    source: tuple[str, ...]
    confidence: Confidence


WEB_SERVICE: Mapping[int, WebService] = MappingProxyType(
    {
        1: WebService.SEND_COMMAND,
        2: WebService.NON_DEVICE,
        3: WebService.SEND_COMMAND,
        4: WebService.TRANSFORM,
        5: WebService.SEND_COMMAND,
        6: WebService.NON_DEVICE,
        7: WebService.SEND_COMMAND,
        8: WebService.NON_DEVICE,
    }
)
"""Where each Command Variant is posted; 9 is internal to the DCC (duis.md 1.4, certain)."""

SIGNED_PRE_COMMAND_VARIANTS = frozenset({5, 6, 7})
"""Command Variants whose body is a SignedPreCommand (duis.md 1.4, certain)."""

LOCAL_DELIVERY_VARIANTS = frozenset({2, 3, 6, 7})
"""Command Variants that hand the command out for local delivery (duis.md 1.4, certain)."""

LOCAL_ONLY_VARIANTS = frozenset({2, 6})
"""Those of them whose command does not go over the WAN as well (duis.md 1.4, certain)."""


@cache
def service_reference_variants() -> Mapping[str, ServiceReferenceVariant]:
    """All variants by their number, in the order of the reference."""
    rows = (
        ServiceReferenceVariant(
            srv=row["srv"],
            service_reference=row["service_reference"],
            body_element=row["body_element"],
            roles=_each(UserRole, row["roles"]),
            critical=row["critical"],
            non_device=row["non_device"],
            future_dated=FutureDated(row["future_dated"]),
            dcc_scheduled=row["dcc_scheduled"],
            command_variants=_each(int, row["command_variants"]),
            device_types=_each(DeviceType, row["device_types"]),
            device_types_uncertain=_each(DeviceType, row["device_types_uncertain"]),
            device_types_confidence=Confidence(row["device_types_confidence"]),
            synchronous_bodies=_each(str, row["synchronous_bodies"]),
            asynchronous_bodies=_each(str, row["asynchronous_bodies"]),
            source=row["source"],
            confidence=row["confidence"],
            note=row["note"],
        )
        for row in _rows("service_reference_variants", ServiceReferenceVariant)
    )
    return _index("service_reference_variants", rows, lambda row: row.srv)


@cache
def variant_by_body() -> Mapping[str, ServiceReferenceVariant]:
    """Variants by their request element."""
    return _index("service_reference_variants", iter(service_reference_variants().values()), lambda row: row.body_element)


@cache
def response_codes() -> Mapping[str, ResponseCode]:
    """All response codes."""
    return _index("response_codes", (ResponseCode(**row) for row in _rows("response_codes", ResponseCode)), lambda row: row.code)


@cache
def dcc_alerts() -> Mapping[str, DccAlertCode]:
    """All DCC Alert codes."""
    rows = (DccAlertCode(**{**row, "recipients": Recipients(row["recipients"])}) for row in _rows("dcc_alerts", DccAlertCode))
    return _index("dcc_alerts", rows, lambda row: row.code)


@cache
def alert_by_purpose() -> Mapping[str, DccAlertCode]:
    """DCC Alert codes by their cause."""
    return _index("dcc_alerts", (row for row in dcc_alerts().values() if row.purpose), lambda row: row.purpose)


class CheckCodes:
    """The code of each named check, with the changes that a world makes."""

    __slots__ = ("_rows",)

    def __init__(self, overrides: Mapping[str, str] | None = None) -> None:
        """Start from the shipped table.

        ``overrides`` maps ``name`` or ``name@service_reference`` (``image_malformed@11.4``) to a response code; a bare name
        changes the check for every service. Raise :class:`Malformed` for a check or code that does not exist.
        """
        rows = dict(default_check_codes())
        for key, code in (overrides or {}).items():
            name, _, service_reference = key.partition("@")
            chosen = [at for at in rows if at[0] == name and service_reference in ("", at[1])]
            if not chosen:
                raise Malformed(f"there is no check named {key!r}", where="check_codes", expected="a name of check_codes.toml")
            if code not in response_codes():
                raise Malformed(f"{code!r} is not a response code", where=f"check_codes.{key}", expected="such as E100")
            rows.update({at: replace(rows[at], code=code) for at in chosen})
        self._rows = rows

    def code(self, name: str, service_reference: str = "") -> str:
        """The code of a check, that of ``service_reference`` where it has its own; Broken for a name that does not exist."""
        row = self._rows.get((name, service_reference)) or self._rows.get((name, ""))
        if row is None:
            raise Broken(f"check_codes.toml has no check {name!r} for service reference {service_reference!r}")
        return row.code

    def __iter__(self) -> Iterator[CheckCode]:
        return iter(self._rows.values())


@cache
def default_check_codes() -> Mapping[tuple[str, str], CheckCode]:
    """The shipped codes by (name, service reference)."""
    table = _index(
        "check_codes",
        (CheckCode(**row) for row in _rows("check_codes", CheckCode)),
        lambda row: (row.name, row.service_reference),
    )
    for row in table.values():
        known = response_codes().get(row.code)
        if known is None or known.service_reference not in ("", row.service_reference):
            raise Broken(f"check_codes.toml: {row.code} is not a code for {row.name} of {row.service_reference or 'any service'}")
    return table


def _rows(table: str, row_type: type) -> Iterator[dict[str, Any]]:
    """The rows of a file as dicts with ``source`` and ``confidence`` already checked."""
    with (resources.files("emulator.domain") / "data" / f"{table}.toml").open("rb") as file:
        document = tomllib.load(file)
    if document.keys() != {"columns", "rows", "sources"}:
        raise Broken(f"{table}.toml holds {sorted(document)}, not columns, rows and sources")
    columns, sources = document["columns"], document["sources"]
    if columns != list(row_type.__dataclass_fields__):  # type: ignore[attr-defined]
        raise Broken(f"{table}.toml: the columns are not the fields of {row_type.__name__}")
    for values in document["rows"]:
        if len(values) != len(columns):
            raise Broken(f"{table}.toml: row {values[:1]} has {len(values)} values for {len(columns)} columns")
        row = dict(zip(columns, values, strict=True))
        row["source"] = tuple(row["source"].split())
        if not row["source"] or not sources.keys() >= set(row["source"]):
            raise Broken(f"{table}.toml: row {values[:1]} cites {row['source']}, which [sources] does not explain")
        try:
            row["confidence"] = Confidence(row["confidence"])
        except ValueError as error:
            raise Broken(f"{table}.toml: row {values[:1]}: {error}") from None
        yield row


def _each(convert: Callable[[str], R], text: str) -> tuple[R, ...]:
    return tuple(convert(part) for part in text.split())


def _index(table: str, rows: Iterator[R], key: Callable[[R], K]) -> Mapping[K, R]:
    found: dict[K, R] = {}
    try:
        for row in rows:
            if found.setdefault(key(row), row) is not row:
                raise Broken(f"{table}.toml has two rows for {key(row)!r}")
    except (ValueError, TypeError, KeyError) as error:
        raise Broken(f"{table}.toml: {error}") from error
    return MappingProxyType(found)
