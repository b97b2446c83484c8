"""The table of use cases: one row per use case and message code, loaded from ``data/usecases/*.toml``.

Every row names its source and how sure it is. Nothing in the code knows a use case by name, except where a payload needs a
handler of its own. How the modules of this package work together is in ``emulator/gbcs/__init__.py``; how a row is written is
in ``data/usecases/README.md``.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from emulator.domain.errors import Broken, EmulatorError
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.gbcs.alertcodes import ALERT_CODES
from emulator.gbcs.dlms import Attribute, Operation
from emulator.gbcs.expressions import Expression, compile_expression
from emulator.gbcs.functions import look_up
from emulator.gbcs.shapes import SHAPES
from emulator.gbcs.templates import Template, make_template


class Format(StrEnum):
    """How the payload is written."""

    DLMS = "dlms"
    GBZ = "gbz"
    ASN1 = "asn1"


UNKNOWN_PARTY = "KAPublicSecurityCredentials"
"""The element by which a user says that the device does not know it (gbcs.md 4, proven on ECS21b and GCS61)."""


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
    TRANSITIONAL_COS = "transitional_cos"
    """The transitional CoS party for itself, with its own counter and signature."""


@dataclass(frozen=True, slots=True)
class DlmsItem:
    """One access of a DLMS Command."""

    operation: Operation
    attribute: Attribute
    value: Expression | None = None
    """What is set, or the parameter of the method; None: null."""
    selector: int = 0
    selection: Expression | None = None
    protected: tuple[Attribute, ...] = ()
    """The attributes of a protected read; its parameter and encrypted answer follow from them."""
    period: tuple[Expression, Expression] | None = None
    """From and to of a protected read, as COSEM date-times; None: everything."""
    varying: Expression | None = None
    """The attribute as text where it depends on the request; ``attribute`` is then one example."""
    each: Expression | None = None
    """A list: the item stands once per element."""
    only: Expression | None = None
    """The item stands only where this is true."""
    result: tuple[Template, ...] = ()
    """Names of what is answered: one template, or one per protected attribute."""


@dataclass(frozen=True, slots=True)
class GbzItem:
    """One component of a GBZ Command: a read of attributes, or a ZCL command."""

    cluster: int
    attributes: tuple[int, ...] = ()
    result: tuple[str, ...] = ()
    """Names of the attributes, in the same order."""
    frame_control: int = 0
    command: int = 0
    payload: tuple[Expression, ...] = ()
    from_time: Expression | None = None
    encrypted_answer: bool = False
    each: Expression | None = None
    """A list: the component stands once per element."""
    only: Expression | None = None
    """The component stands only where this is true."""


@dataclass(frozen=True, slots=True)
class Asn1Item:
    """An ASN.1 payload: the name of its shape, and an expression per field."""

    shape: str
    values: tuple[tuple[str, Expression], ...] = ()


@dataclass(frozen=True, slots=True)
class UseCase:
    """One row of the table; :func:`use_case_for` resolves it for a Service Reference Variant and device type."""

    name: str
    """The code of the use case, e.g. ``ECS52``; with ``-DLMS`` or ``-GBZ`` where one code has both forms."""
    code: int
    """Message code."""
    title: str
    format: Format
    category: Category
    device_types: frozenset[DeviceType]
    source: str
    confidence: str
    originator: Originator = Originator.USER
    date_time_status: int | None = None
    """Clock-status octet of the date-time in the header of Responses; None: Responses carry none."""
    replay_protected: bool = True
    """Whether devices refuse a counter that is not above the last one of the same party."""
    known_parties: frozenset[RemotePartyRole] = frozenset()
    """Roles for which ``originator = user`` holds, when not empty; anyone else goes through the ACB."""
    request: tuple[DlmsItem | GbzItem | Asn1Item, ...] = ()
    response_shape: str = ""
    """Shape of an ASN.1 Response."""
    signed_answer: bool = False
    """Whether the Response is signed although the Command is not critical."""
    own_counter: bool = True
    """Whether a Response encrypted for someone whom the device does not know carries a counter of the device's own."""
    success_codes: tuple[str, ...] = ()
    """Names of results that are 0 when everything succeeded."""
    alert_codes: frozenset[int] = frozenset()
    """Alert codes that this message carries, empty for commands and generic alerts."""
    alert: Asn1Item | None = None
    """Payload of an ASN.1 Alert; code and time come by themselves."""
    alert_elements: tuple[Expression, ...] = ()
    """DLMS: elements after code and time; GBZ: octets after them."""
    alert_result: tuple[Template, ...] = ()
    """Names of these elements."""
    recipients: Mapping[DeviceType, RemotePartyRole] = field(default_factory=dict)
    """For alerts: the role to which a device of this type addresses them."""
    recipient: RemotePartyRole | None = None
    """The one of them for the device that :func:`alert_use_case` was asked for."""
    carried_out: bool = True
    """Whether emulated devices act on it. Any other Command is written, but not sent: its Response would be an invention."""

    @property
    def critical(self) -> bool:
        """See :attr:`Category.critical`."""
        return self.category.critical

    @property
    def sensitive(self) -> bool:
        """Whether its answer is encrypted."""
        return any(item.protected if isinstance(item, DlmsItem) else item.encrypted_answer for item in self.request
                   if not isinstance(item, Asn1Item))  # fmt: skip

    @property
    def needs_pre_command(self) -> bool:
        """Whether the user has to sign: critical, and the Command is the user's own. Critical ones of the ACB it signs itself."""
        return self.critical and self.originator is Originator.USER


@dataclass(frozen=True, slots=True)
class Route:
    """When a row is chosen for a Service Reference Variant."""

    variant: str
    device_type: DeviceType
    use_case: UseCase
    when: Mapping[str, tuple[str, ...] | bool]
    """Parameter path → the texts it must have one of (a list: any element), or whether it must be there."""
    gbcs_from: tuple[int, ...]
    gbcs_before: tuple[int, ...]

    def applies(self, parameters: Mapping[str, object], version: tuple[int, ...]) -> bool:
        """Whether body and GBCS version (empty: newest) let the row be chosen."""
        if version and (version < self.gbcs_from or (self.gbcs_before and version >= self.gbcs_before)):
            return False
        if not version and self.gbcs_before:
            return False
        for path, wanted in self.when.items():
            found = look_up(parameters, path)
            if isinstance(wanted, bool):
                if (found is not None) != wanted:
                    return False
            elif not any(str(each).strip() in wanted for each in (found if isinstance(found, list) else [found])):
                return False
        return True


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
    ``user_role`` is the role of the user's certificates on devices; a role that is not in ``known_parties`` makes the Command
    one of the ACB (:attr:`Originator.ACB`), and so does a certificate in the body. None: a known party.
    """
    version, routes = parse_version(gbcs_version), _table().routes.get((variant, device_type), ())
    facts: Mapping[str, object] = {}
    if any(route.when for route in routes):
        facts = {"user_role": (user_role or RemotePartyRole.SUPPLIER).name, **with_meter_kind(parameters or {})}
    for route in routes:
        if route.applies(facts, version):
            chosen = route.use_case
            if chosen.originator is not Originator.USER or not chosen.known_parties:
                return chosen
            unknown = user_role is not None and user_role not in chosen.known_parties
            return replace(chosen, originator=Originator.ACB) if unknown or UNKNOWN_PARTY in (parameters or {}) else chosen
    return None


def is_routed(variant: str, device_type: DeviceType) -> bool:
    """Whether the table has a message for the variant and this type of device, whatever the body says."""
    return (variant, device_type) in _table().routes


_METER_KINDS = {"A": "single_element", "B": "twin_element", "C": "polyphase"}
"""By the first letter of the inventory's ESME variant (duis.md 7.4 has the letters; their meaning is our reading)."""


def with_meter_kind(parameters: Mapping[str, object]) -> Mapping[str, object]:
    """The parameters with ``meter_kind``, from ``esme_variant``; a meter of no known variant has one element."""
    variant = str(parameters.get("esme_variant") or "A")
    return {"meter_kind": _METER_KINDS.get(variant[0], "single_element"), **parameters}


def by_code(code: int, device_type: DeviceType | None = None) -> UseCase | None:
    """The row of a message code, for reading messages; ``device_type`` chooses where a code has a DLMS and a GBZ form."""
    chosen = [row for row in rows_of(code) if device_type is None or device_type in row.device_types]
    return chosen[0] if chosen else None


def rows_of(code: int) -> tuple[UseCase, ...]:
    """Every row of a message code."""
    return _table().by_code.get(code, ())


def by_name(name: str) -> UseCase:
    """The row of this name; ``KeyError`` for an unknown one."""
    return _table().by_name[name]


def all_use_cases() -> tuple[UseCase, ...]:
    """Every row, in the order of the table."""
    return tuple(_table().by_name.values())


def all_routes() -> tuple[Route, ...]:
    """Every choice of a row for a Service Reference Variant."""
    return tuple(route for routes in _table().routes.values() for route in routes)


def alert_use_case(alert_code: int, device_type: DeviceType, row: str = "") -> UseCase | None:
    """The row by which a device of this type sends this alert code; ``row`` names it where a code has several.

    Specific messages first (0x8F72 of an ESME: 00CE), else the generic critical or non-critical alert by
    ``data/alert_codes.toml``; None for a code that the table does not know, or a device that does not send it.
    """
    rows = [each for each in _table().by_name.values() if device_type in each.recipients]
    chosen = next((each for each in rows if alert_code in each.alert_codes and row in ("", each.name)), None)
    known = ALERT_CODES.get(alert_code)
    if chosen is None and known is not None:
        chosen = next((each for each in rows if not each.alert_codes and each.critical is known.critical), None)
    return None if chosen is None else replace(chosen, recipient=chosen.recipients[device_type])


@lru_cache(1_024)
def parse_version(text: str) -> tuple[int, ...]:
    """``"4.2"`` as numbers; empty for an empty or unreadable text."""
    parts = text.strip().removeprefix("v").split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


@dataclass(frozen=True, slots=True)
class _Table:
    by_name: Mapping[str, UseCase]
    by_code: Mapping[int, tuple[UseCase, ...]]
    routes: Mapping[tuple[str, DeviceType], tuple[Route, ...]]


@cache
def _table() -> _Table:
    by_name: dict[str, UseCase] = {}
    by_code: dict[int, tuple[UseCase, ...]] = {}
    routes: dict[tuple[str, DeviceType], tuple[Route, ...]] = {}
    for file, row in _rows():
        try:
            use_case, own_routes = load_row(row)
        except (KeyError, ValueError, TypeError, EmulatorError, StopIteration) as problem:
            raise Broken(f"row {row.get('name')!r} of {file}: {problem!r}") from problem
        if use_case.name in by_name:
            raise Broken(f"the use cases have {use_case.name} twice, once in {file}")
        by_name[use_case.name] = use_case
        by_code[use_case.code] = (*by_code.get(use_case.code, ()), use_case)
        for route in own_routes:
            key = (route.variant, route.device_type)
            routes[key] = (*routes.get(key, ()), route)
    return _Table(by_name, by_code, routes)


def _rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """File name and row of every row, files by name."""
    folder = resources.files("emulator.gbcs").joinpath("data/usecases")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            table = tomllib.loads(file.read_text("utf-8"))
            for row in table["use_case"]:
                yield file.name, {"carried_out": table["carried_out"], **row}


def load_row(row: Mapping[str, Any]) -> tuple[UseCase, list[Route]]:
    """One row with its routes; ``KeyError``, ``ValueError`` or :class:`Malformed` where it is not as it must be."""
    form = Format(row["format"])
    routes = row.get("routes", [])
    types = frozenset(DeviceType(name) for name in row.get("device_types", [route["device"] for route in routes]))
    use_case = UseCase(
        name=row["name"], code=row["code"], title=row["title"], format=form, category=Category(row["category"]),
        device_types=types, source=row["source"], confidence=row["confidence"],
        date_time_status=row.get("date_time_status"), replay_protected=row.get("replay_protected", True),
        known_parties=frozenset(RemotePartyRole[name] for name in row.get("known_parties", [])),
        request=tuple(_ITEM_LOADERS[form](item) for item in row.get("request", [])),
        response_shape=_shape(row.get("response", "")), signed_answer=row.get("signed_answer", False),
        own_counter=row.get("own_counter", True),
        success_codes=tuple(row.get("success_codes", [])),
        alert_codes=frozenset(row.get("alert_codes", [])), alert=_load_asn1(row["alert"]) if "alert" in row else None,
        alert_elements=tuple(compile_expression(text) for text in row.get("alert_elements", [])),
        alert_result=tuple(make_template(part) for part in row.get("alert_result", [])),
        recipients=_recipients(row.get("recipient"), types), carried_out=row.get("carried_out", True),
    )  # fmt: skip
    return use_case, [_load_route(route, use_case) for route in routes]


def _load_route(route: Mapping[str, Any], use_case: UseCase) -> Route:
    when = {path: wanted if isinstance(wanted, bool) else tuple(wanted) for path, wanted in route.get("when", {}).items()}
    chosen = replace(use_case, originator=Originator(route.get("originator", "user")))
    limits = parse_version(route.get("gbcs_from", "")), parse_version(route.get("gbcs_before", ""))
    return Route(route["variant"], DeviceType(route["device"]), chosen, when, *limits)


def _recipients(source: object, types: frozenset[DeviceType]) -> Mapping[DeviceType, RemotePartyRole]:
    if source is None:
        return {}
    if isinstance(source, dict):
        return {DeviceType(name): RemotePartyRole[role] for name, role in source.items()}
    return dict.fromkeys(types, RemotePartyRole[str(source)])


def _shape(name: str) -> str:
    if name and name not in SHAPES:
        raise ValueError(f"there is no shape {name!r}")
    return name


def _load_dlms(item: Mapping[str, Any]) -> DlmsItem:
    operation = next(op for op in Operation if op.name.lower() in item)
    named = item[operation.name.lower()]
    varying = compile_expression(item["varying"]) if "varying" in item else None
    protected = tuple(Attribute.parse(text) for text in item.get("protected", []))
    result = item.get("result", [] if protected else None)
    templates = [make_template(part) for part in result] if protected else [] if result is None else [make_template(result)]
    start, end = (compile_expression(text) for text in item.get("period", ["0", "0"]))
    return DlmsItem(
        operation, Attribute.parse(named), _optional(item, "value"), item.get("selector", 0), _optional(item, "selection"),
        protected, (start, end) if "period" in item else None, varying, _optional(item, "each"), _optional(item, "only"),
        tuple(templates),
    )  # fmt: skip


def _load_gbz(item: Mapping[str, Any]) -> GbzItem:
    read = item.get("read", [])
    return GbzItem(
        cluster=item["cluster"],
        attributes=tuple(attribute for attribute, _ in read),
        result=tuple(str(make_template(name)) for _, name in read),
        frame_control=item.get("frame_control", 0),
        command=item.get("command", 0),
        payload=tuple(compile_expression(text) for text in item.get("payload", [])),
        from_time=_optional(item, "from_time"),
        encrypted_answer=item.get("encrypted_answer", False),
        each=_optional(item, "each"),
        only=_optional(item, "only"),
    )


def _load_asn1(item: Mapping[str, Any]) -> Asn1Item:
    values = tuple((name, compile_expression(text)) for name, text in item.items() if name != "shape")
    return Asn1Item(_shape(item["shape"]), values)


def _optional(item: Mapping[str, Any], key: str) -> Expression | None:
    return compile_expression(item[key]) if key in item else None


_ITEM_LOADERS: Mapping[Format, Callable[[Mapping[str, Any]], DlmsItem | GbzItem | Asn1Item]] = {
    Format.DLMS: _load_dlms,
    Format.GBZ: _load_gbz,
    Format.ASN1: _load_asn1,
}
