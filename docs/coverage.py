"""The coverage page: what is emulated, per Service Reference Variant, type of device and use case, and what is missing."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from emulator.domain import tables
from emulator.domain.vocabulary import DeviceType
from emulator.dsp.dsp import NON_DEVICE_SERVICES
from emulator.gbcs.messagecodes import MESSAGE_NAMES
from emulator.gbcs.usecases import Route, UseCase, all_routes, all_use_cases
from emulator.premises.happenings import CONTENT

FIGURES = Path(__file__).resolve().parent / "conformance.json"
"""How our messages compare with published ones, by message code; `dcc-emulator conformance --figures` writes it."""

Table = Callable[[Iterable[str], Iterable[Iterable[object]]], str]

EMULATED, PARTLY, REFUSED = "emulated", "partly", "refused"

HEAD = """# Coverage

Of the {variants} Service Reference Variants of DUIS V5.4, the schema of this version takes {accepted} and the emulator carries
out {carried_out}. A request that the schema does not know is refused with HTTP 400; one that it knows and the emulator
does not carry out gets the code of the check `service_not_emulated` ([check codes](check-codes.md)).

What is carried out can also be had for [local delivery](../how-to/local-delivery.md) (Command Variants 2, 3, 6 and 7).

*In schema*: the request element is declared in `xsd/`. *Carried out*: `yes` for what the DCC answers itself, otherwise the types
of device that act on the message. *Written only*: the types of device for which the table has the Command and which do not act on
it yet; Transform gives the Pre-Command of a critical one, and sending it is refused with `service_not_emulated`.

"""

DETAIL = """
## By device and use case

Which message carries out a variant on a type of device: `emulated`; `partly`, with what is missing; `refused`, with why. The GBCS
version and the content of the request choose where a variant has several.

*Commands* and *Responses*: how many of the published test messages of that message code the emulator's own compare with,
octet for octet for Pre-Commands and Commands, in their shape for Responses and alerts. Empty where none is published: such a
message follows the same tables. Where a Command differs in values alone, its published request, or the one of its sibling that
stands in for it, asks for something else; and which part of a Command a broken device fails at nobody can know. Neither is a
reason for `partly`. Messages that no request asks for do not count. How to take these figures yourself is in
[compare with published test messages](../how-to/conformance.md).

"""


def coverage_page(declared: set[str], table: Table) -> str:
    """The page; ``declared`` are the request elements of the schema."""
    rows, carried_out, accepted = [], 0, 0
    for row in tables.service_reference_variants().values():
        routes = [route for route in all_routes() if route.variant == row.srv]
        acting = {route.device_type for route in routes if route.use_case.carried_out}
        devices = [kind for kind in DeviceType if kind in acting]
        in_schema = row.body_element in declared
        answered = "yes" if row.srv in NON_DEVICE_SERVICES else ""
        state = (answered if row.non_device else " ".join(devices)) if in_schema else ""
        carried_out += bool(state)
        accepted += in_schema
        rows.append(
            (
                row.srv,
                f"`{row.body_element}`",
                " ".join(row.roles) or "none",
                "critical" if row.critical else "",
                " ".join(map(str, row.command_variants)),
                "DCC" if row.non_device else " ".join(row.device_types),
                row.future_dated.value.replace("_", " "),
                "yes" if in_schema else "",
                state or "no",
                " ".join(kind for kind in DeviceType if kind in {route.device_type for route in routes} - acting),
            )
        )
    head = HEAD.format(variants=len(rows), accepted=accepted, carried_out=carried_out)
    columns = (
        *("SRV", "Body element", "Roles", "", "Command Variants", "Sent to"),
        *("Future dated by", "In schema", "Carried out", "Written only"),
    )
    details = list(_details())
    counted = {state: sum(1 for each in details if each[4].startswith(state)) for state in (EMULATED, PARTLY, REFUSED)}
    told = "Of {} pairs of device and use case, {emulated} are emulated, {partly} partly, and {refused} refused.\n\n"
    columns_of_detail = ("SRV", "Device", "Use case", "When", "State", "Commands", "Responses", "Confidence")
    detail = DETAIL + told.format(len(details), **counted) + table(columns_of_detail, details)
    return head + table(columns, rows) + detail + _alerts(table) + _unasked(table)


Detail = tuple[str, str, str, str, str, str, str, str]


def _details() -> Iterator[Detail]:
    figures = _figures()
    for row in tables.service_reference_variants().values():
        if row.non_device:
            continue
        routes = [route for route in all_routes() if route.variant == row.srv]
        for route in routes:
            yield _detail(route, figures.get(f"{route.use_case.code:04X}", {}))
        missing = [kind for kind in row.device_types if kind not in {route.device_type for route in routes}]
        for kind in missing:
            yield row.srv, kind.value, "", "", f"{REFUSED}: no use case is known to carry it out on this type", "", "", ""


def _detail(route: Route, figures: dict[str, object]) -> Detail:
    row = route.use_case
    unlike = {case for kind in ("precommand", "command", "response") for case in _cases(figures, f"{kind}_differs")}
    failing = {case for case in unlike if "ERROR" in case or "NOT_FOUND" in case}
    if not row.carried_out:
        state = f"{REFUSED}: the Command is written, devices do not act on it"
    elif unlike - failing:
        state = f"{PARTLY}: unlike {', '.join(sorted(unlike - failing))}"
    elif failing:
        state = f"{EMULATED}; fails in another way than {', '.join(sorted(failing))}"
    else:
        state = EMULATED
    answers = _of(figures, "response") if row.carried_out else ""
    return (
        route.variant, route.device_type.value, row.name, _when(route), state, _of(figures, "precommand", "command"), answers,
        row.confidence,
    )  # fmt: skip


def _when(route: Route) -> str:
    """The conditions of a route, short."""
    said = [
        f"`{path}` {'given' if wanted is True else 'not given' if wanted is False else 'is ' + ' or '.join(wanted)}"
        for path, wanted in route.when.items()
    ]
    if route.gbcs_from:
        said.append(f"GBCS from {'.'.join(map(str, route.gbcs_from))}")
    if route.gbcs_before:
        said.append(f"GBCS before {'.'.join(map(str, route.gbcs_before))}")
    return ", ".join(said)


def _alert_state(row: UseCase) -> str:
    if not row.carried_out:
        return "known, nothing brings it about"
    return f"{EMULATED}, by `device.event`" if row.alert_codes & CONTENT.keys() - BY_ITSELF else EMULATED


BY_ITSELF = {0x8F20, 0x8F2D}
"""Alerts that `device.event` can bring about and that devices also send of themselves."""


def _alerts(table: Table) -> str:
    figures = _figures()
    rows = [
        (
            row.name,
            " ".join(kind for kind in DeviceType if kind in row.recipients),
            " ".join(f"{code:04X}" for code in sorted(row.alert_codes)) or "any other",
            _alert_state(row),
            _of(figures.get(f"{row.code:04X}", {}), "alert"),
        )
        for row in all_use_cases()
        if row.recipients
    ]
    text = """
## Alerts of devices

Alerts that follow from a Command are compared in their shape; the others have no Command to follow from.

"""
    return text + table(("Use case", "Devices", "Alert codes", "State", "Published alerts"), rows)


NO_SOURCE = {
    0x0100: "a supplier's replacement of the root: no test message and no source shows what it carries; a device drops it",
    0x0101: "the WAN provider's replacement of the root: as 0100",
    0x0109: (
        "the contingency party's update: two Responses are published and no Command; how the Command carries the key that opens "
        "the contingency certificate is in no source. Devices drop it; `inspect` names the Responses"
    ),
    0x009B: (
        "a display gives a gas meter a token over the HAN; the DCC hears nothing of it but 810E. `device.credit` lets the "
        "customer type it in at the meter, with the same effect and the same alert; `inspect` explains the message"
    ),
    0x0090: "a display takes emergency credit of a gas meter over the HAN; `device.credit` without a token, as before",
    0x0116: "ZigBee alone between a display and a meter, no GBCS message; `device.credit` at the meter",
    0x0117: "as 0116",
    0x0118: "as 0116; nobody is emulated who would ask for it",
    0x0119: "ZigBee alone between a meter and its HCALCS; an HCALCS follows its meter (7.5 to 7.8, 7.13)",
    0x00D5: "the code is known (8F84), what it carries is not",
}
"""Why there is no row for a message code (gbcs.md 2 and 8, message_codes.csv)."""


def _unasked(table: Table) -> str:
    """What no Service Request asks for: Commands between the DCC's own parties and devices, and between devices."""
    asked = {route.use_case.name for route in all_routes()}
    acted = [
        (f"{row.code:04X}", row.name, " ".join(kind for kind in DeviceType if kind in row.device_types),
         "devices act on it when it is delivered by hand (`device.deliver`); no party of a world sends it", row.confidence)
        for row in all_use_cases() if row.request and row.name not in asked
    ]  # fmt: skip
    unknown = [(f"{code:04X}", MESSAGE_NAMES[code], "", why, "") for code, why in sorted(NO_SOURCE.items())]
    text = """
## Commands that no Service Request asks for

Replacing the root by recovery (0108, target cell root) is answered with code 25, as for a cell that the device does not have: no
source says how the new root is tied to the old one. A gas meter counts in volume; calorific value and conversion factor are set
by 6.6 and read back by 6.2.8, and no read asks for energy. Events that only follow from the surroundings of a device (81A0, 8F2C,
8F88 and others) are brought about by `device.event`.

"""
    return text + table(("Code", "Use case", "Devices", "State", "Confidence"), [*acted, *unknown])


def _figures() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(FIGURES.read_text("utf-8"))
    return found


def _cases(figures: dict[str, object], key: str) -> list[str]:
    found = figures.get(key, [])
    assert isinstance(found, list)
    return found


def _of(figures: dict[str, object], *kinds: str) -> str:
    pairs = [pair for kind in kinds if isinstance(pair := figures.get(kind), list)]
    return f"{sum(pair[0] for pair in pairs)} of {sum(pair[1] for pair in pairs)}" if pairs else ""
