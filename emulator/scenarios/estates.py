"""The estate of a scenario: a base, copies of its homes, additions and changes. The result is an ordinary estate in TOML."""

import copy
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.domain.vocabulary import DeviceType
from emulator.engine import new_state
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.estate.model import Estate, Registration
from emulator.estate.registration_csv import read_tenures, registrations_of
from emulator.estate.registrations import party_table
from emulator.scenarios import combinations
from emulator.scenarios.combinations import Combinations
from emulator.scenarios.names import suggest
from emulator.scenarios.toml_text import to_toml
from emulator.scenarios.values import References

EMBEDDED: Mapping[str, Callable[[], str]] = {"default": default_estate_toml}
"""Estates of the package by name."""

MAX_COPIES = 100_000
"""Copies of one home."""

Table = dict[str, Any]


def _types(value: object) -> object:
    """Device types; a wrong one is :class:`Malformed`."""
    for each in value if isinstance(value, list) else ():
        if each not in set(DeviceType):
            raise Malformed(f"there is no device type {each!r}", expected=f"one of {', '.join(DeviceType)}")
    return value


class Copies(BaseModel):
    """Copies of a home with devices, MPxNs and registrations of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    home: str
    """Name of the home that is copied; copies are named `HOME-1`, `HOME-2` …"""
    count: Annotated[int, Field(ge=1, le=MAX_COPIES, strict=True)]
    """How many."""
    types: Annotated[list[DeviceType], BeforeValidator(_types)] = []
    """Device types that a copy has; all of the home's when not given. A hub is always there."""


class EstateSection(BaseModel):
    """`[estate]`: what the world starts with."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    base: str = "default"
    """An estate of the package."""
    file: str = ""
    """A TOML estate to start from instead, in the scenario's folder or below it."""
    registration_file: str = ""
    """Registrations in CSV, or in TOML as `[[registrations]]` and `[[registration_rules]]`, in the scenario's folder or below it;
    they replace what the base has for the same MPxN and role."""
    copies: list[Copies] = []
    """`[[estate.copies]]`: many homes of one kind."""
    combinations: list[Combinations] = []
    """`[[estate.combinations]]`: homes for device models with hub variants and versions, pairwise or in full."""
    parties: list[Table] = []
    """`[[estate.parties]]` as in an estate; one whose `eui` the base has changes that party."""
    homes: list[Table] = []
    """`[[estate.homes]]` as in an estate, in addition."""
    devices: list[Table] = []
    """`[[estate.devices]]` as in a home of an estate, with `home` naming the home they are added to."""
    changes: list[Table] = []
    """`[[estate.changes]]`: fields of devices that the base has, which `device` selects, or of homes, which `home` names."""
    registrations: list[Table] = []
    """`[[estate.registrations]]` as in an estate; they replace what the base has for the same MPxN and role."""
    cpl: list[Table] = []
    """`[[estate.cpl]]` as in an estate; a row for a product and version that the base has changes that row."""
    settings: dict[str, Table] = {}
    """`[estate.settings.…]` as in an estate; what is not named stays as the base has it."""


def build_estate(section: EstateSection, folder: Path, seed: int | None) -> tuple[str, Estate]:
    """The estate as TOML and as it reads; raise :class:`Malformed` naming what is wrong with it."""
    document = _base(section, folder)
    if seed is not None:
        document["seed"] = seed
    for wanted in section.copies:
        _copy(document, wanted)
    for matrix in section.combinations:
        _combine(document, matrix)
    document["homes"] += copy.deepcopy(section.homes)
    for device in section.devices:
        _add_device(document, device)
    for name, keys, rows in (
        ("parties", ("eui",), section.parties),
        ("cpl", ("type", "manufacturer", "model", "firmware_version"), section.cpl),
    ):
        for row in rows:
            _merge_row(document.setdefault(name, []), keys, row)
    if section.registration_file:
        _register_from_file(document, section.registration_file, folder)
    _register(document, section.registrations)
    for name, values in section.settings.items():
        document.setdefault("settings", {}).setdefault(name, {}).update(values)
    for change in section.changes:
        _change(document, change)
    text = to_toml(document)
    estate = _read(text, document)
    new_state(estate)  # refuses settings that cannot be
    return text, estate


def _base(section: EstateSection, folder: Path) -> Table:
    if section.file:
        path = path_below(folder, section.file, "estate.file")
        document = {"homes": [], **_toml(path, "estate.file", "a TOML estate")}
        if named := document.pop("registration_file", ""):  # an estate that goes to a server can name no file
            _register_from_file(document, str(named), path.parent)
        return document
    if section.base not in EMBEDDED:
        raise Malformed(f"there is no estate {section.base!r}", where="estate.base", expected=suggest(section.base, EMBEDDED))
    return copy.deepcopy(_embedded(section.base))


@cache
def _embedded(name: str) -> Table:
    return tomllib.loads(EMBEDDED[name]())


def path_below(folder: Path, name: str, where: str) -> Path:
    """Where a file lies that a scenario names; raise :class:`Malformed` for one that is not in the scenario's folder or below."""
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
        detail = f"{name[:200]!r} is not below the scenario's folder"
        raise Malformed(detail, where=where, expected="a relative path that does not lead out of it")
    return path


def _toml(path: Path, where: str, expected: str) -> Table:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Malformed(f"{path} cannot be read: {error}", where=where, expected=expected) from None


def _register_from_file(document: Table, name: str, folder: Path) -> None:
    where = "estate.registration_file"
    path = path_below(folder, name, where)
    if path.suffix == ".toml":
        given = _toml(path, where, "registrations in TOML")
        if unknown := given.keys() - {"registrations", "registration_rules"}:
            expected = "registrations and registration_rules"
            raise Malformed(f"{min(unknown)!r} is not a key of {name}", where=where, expected=expected)
        document.setdefault("registration_rules", []).extend(given.get("registration_rules", []))
        _register(document, given.get("registrations", []))
        return
    companies = party_table(str(party.get("party", "")) for party in document.get("parties", []))
    try:
        with path.open("rb") as file:
            found = registrations_of(read_tenures(file, companies, source=name), companies)
    except OSError as error:
        raise Malformed(f"{path} cannot be read: {error.strerror}", where=where, expected="registrations in CSV") from None
    _register(document, [_row(entry) for entry in found])


def _row(entry: Registration) -> Table:
    """A registration as an estate in TOML has it."""
    row = {"mpxn": entry.mpxn, "role": entry.role.value, "party": entry.party, "start": _instant(entry.from_ms)}
    return row if entry.to_ms is None else {**row, "end": _instant(entry.to_ms)}


def _instant(at_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)


def _read(text: str, document: Table) -> Estate:
    try:
        return load_estate(text, source="estate")
    except Malformed as error:
        raise Malformed(error.detail, where=_named(error.where, document), expected=error.expected) from None


def _named(where: str, document: Table) -> str:
    """A path with positions (``homes.3.devices.0.status``) with names instead, for the positions are not the file's."""
    prefix, _, path = where.rpartition(": ")
    here: Any = document
    parts: list[str] = []
    for part in path.split("."):
        try:
            here = here[int(part)] if isinstance(here, list) else here.get(part)
        except (AttributeError, IndexError, ValueError):
            here = None
        label = here.get("name") or here.get("eui") or here.get("mpxn") if isinstance(here, dict) and part.isdecimal() else None
        parts.append(repr(label) if label else part)
    return f"{prefix}: {' '.join(parts)}" if prefix else " ".join(parts)


def _home(document: Table, name: object, where: str) -> Table:
    for home in document["homes"]:
        if home.get("name") == name:
            return home  # type: ignore[no-any-return]
    known = [str(home.get("name")) for home in document["homes"]]
    raise Malformed(f"there is no home {name!r}", where=where, expected=suggest(str(name), known))


def _copy(document: Table, wanted: Copies) -> None:
    """Copy number n has the original's EUIs plus n in their middle octets, and its MPxNs plus n × 10 000."""
    original = _home(document, wanted.home, "estate.copies")
    registrations = [dict(row) for row in document.get("registrations", [])]
    for number in range(1, wanted.count + 1):
        home = copy.deepcopy(original)
        home["name"] = f"{wanted.home}-{number}"
        if "uprn" in home:
            home["uprn"] += number * 10_000
        if wanted.types:
            home["devices"] = [device for device in home["devices"] if device["type"] in (*wanted.types, "CHF")]
        euis = {device["eui"]: _moved_eui(device["eui"], number) for device in original["devices"]}
        kept = {device["eui"] for device in home["devices"]}
        mpxns: dict[str, str] = {}
        for device in home["devices"]:
            device["joined_to"] = [euis.get(other, other) for other in device.get("joined_to", []) if other in kept]
            device["eui"] = euis[device["eui"]]
            for key in ("import_mpxn", "secondary_import_mpan", "export_mpan"):
                if device.get(key):
                    mpxns[device[key]] = device[key] = _moved_number(device[key], number)
        document["homes"].append(home)
        document.setdefault("registrations", []).extend(
            {**row, "mpxn": mpxns[row["mpxn"]]} for row in registrations if row["mpxn"] in mpxns
        )


def _combine(document: Table, wanted: Combinations) -> None:
    before = len(document["homes"])
    number = combinations.count(wanted)
    if any(home["name"].startswith(f"{wanted.home}-") for home in document["homes"]):
        detail = f"home {wanted.home!r} is copied already"
        raise Malformed(detail, where="estate.combinations.home", expected="a home of its own for combinations")
    _copy(document, Copies(home=wanted.home, count=number, types=[wanted.type, *wanted.types]))
    combinations.homes(wanted, document["homes"][before:])


def _moved_eui(text: str, number: int) -> str:
    return format_eui((parse_eui(text) + (number << 24)) % 2**64)


def _moved_number(text: str, number: int) -> str:
    return f"{int(text) + number * 10_000:0{len(text)}d}" if text.isdecimal() else f"{text}-{number}"


def _add_device(document: Table, device: Table) -> None:
    fields = dict(device)
    _home(document, fields.pop("home", None), "estate.devices.home")["devices"].append(fields)


def _merge_row(rows: list[Table], keys: tuple[str, ...], row: Table) -> None:
    for known in rows:
        if all(_same(known.get(key), row.get(key)) for key in keys):
            known.update(row)
            return
    rows.append(dict(row))


def _same(one: object, other: object) -> bool:
    return str(one).replace("-", "").lower() == str(other).replace("-", "").lower()


def _register(document: Table, rows: list[Table]) -> None:
    replaced = {(row.get("mpxn"), row.get("role")) for row in rows}
    kept = [row for row in document.get("registrations", []) if (row.get("mpxn"), row.get("role")) not in replaced]
    document["registrations"] = [*kept, *rows]


def _change(document: Table, change: Table) -> None:
    """Set fields of the devices that ``device`` selects among those that are there so far, or of homes by name."""
    fields = dict(change)
    if "home" in fields and "device" not in fields:
        _change_homes(document, str(fields.pop("home")), fields)
        return
    given = fields.pop("device", None)
    texts: References = [given] if isinstance(given, str) else list(given or [])
    if not texts:
        raise Malformed("device is missing", where="estate.changes", expected="a selector such as ESME@central")
    for text in texts:
        found = [device for home in document["homes"] for device in home["devices"] if _selects(text, home, device)]
        if not found:
            remedy = "a selector such as ESME@central, or the EUI of a device of the estate"
            raise Malformed(f"{text!r} matches no device", where="estate.changes.device", expected=remedy)
        for device in found:
            device.update(fields)


def _change_homes(document: Table, name: str, fields: Table) -> None:
    homes = document["homes"]
    found = [home for home in homes if fnmatchcase(str(home.get("name")), name)]
    if not found:
        known = [str(home.get("name")) for home in homes]
        raise Malformed(f"there is no home {name!r}", where="estate.changes.home", expected=suggest(name, known))
    for home in found:
        home.update(fields)


def _selects(text: str, home: Table, device: Table) -> bool:
    kind, at, home_name = text.partition("@")
    if not at:
        return _same(text, device.get("eui"))
    return fnmatchcase(str(home.get("name")), home_name) and fnmatchcase(str(device.get("type")), kind)
