"""The registrations that a world begins with, from all that its estate names."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from emulator.domain.errors import Malformed
from emulator.domain.mpxn import mpxn_key
from emulator.estate.model import Estate, Registration
from emulator.estate.registration_columns import RegistrationColumns, Tenures, columns_of
from emulator.estate.registration_csv import line_of, read_tenures
from emulator.estate.registration_rule import RuleBase
from emulator.estate.registrations import (
    FOREVER_MS,
    ROLE_CODES,
    Layered,
    RegistrationBase,
    Registrations,
    change_point,
    check_registration,
    party_table,
)


def parties_of(estate: Estate) -> list[str]:
    """The companies that registration of this estate can name."""
    return party_table(party.party for party in estate.parties)


def registration_columns(estate: Estate, folder: Path | None = None, *, source: str = "estate") -> RegistrationColumns:
    """The estate's own registrations and those of its file, which lies in ``folder``.

    Raise :class:`Malformed` when they contradict each other or the file cannot be read; without a folder, an estate must not name
    a file.
    """
    parties = parties_of(estate)
    own = _own_tenures(estate, parties, source)
    if not estate.registration_file:
        return columns_of(own, lambda position: _place(estate.registrations[position], source))
    path = registration_path(folder, estate.registration_file, source=source)
    try:
        with path.open("rb") as file:
            listed = read_tenures(file, parties, source=estate.registration_file)
    except OSError as error:
        raise Malformed(f"{path} cannot be read: {error.strerror}", where=f"{source}: registration_file") from None
    tenures = Tenures(
        np.concatenate([own.keys, listed.keys]),
        np.concatenate([own.points, listed.points]),
        np.concatenate([own.ends_ms, listed.ends_ms]),
    )

    def place(position: int) -> str:
        if position < len(own.keys):
            return _place(estate.registrations[position], source)
        return f"{estate.registration_file} line {line_of(position - len(own.keys))}"

    return columns_of(tenures, place)


def check_registrations(estate: Estate, source: str) -> None:
    """Raise :class:`Malformed` when the estate's own registrations or its rules cannot be; its file is not looked at."""
    registration_base(estate, registration_columns(replace(estate, registration_file=""), source=source), source=source)


def registration_path(folder: Path | None, name: str, *, source: str = "estate") -> Path:
    """Where the file lies that an estate names; raise :class:`Malformed` for what is not inside the estate's folder."""
    where = f"{source}: registration_file"
    if folder is None:
        raise Malformed("an estate that is not a file cannot name one", where=where, expected="[[registrations]]")
    pure = PurePosixPath(name)
    root = folder.resolve()
    path = (root / name.replace("\0", "")).resolve()
    if "\0" in name or pure.is_absolute() or ".." in pure.parts or "\\" in name or not path.is_relative_to(root):
        raise Malformed(f"{name[:200]!r} is not below the estate's folder", where=where, expected="a relative path without ..")
    return path


def registration_base(estate: Estate, columns: RegistrationColumns | None = None, *, source: str = "estate") -> RegistrationBase:
    """Columns, those of the estate's own registrations when none are given, over its rules."""
    upper = registration_columns(estate) if columns is None else columns
    if not estate.registration_rules:
        return upper
    try:
        return Layered(upper, RuleBase(estate.seed, estate.registration_rules, parties_of(estate)))
    except Malformed as error:
        raise Malformed(error.detail, where=f"{source}: {error.where}", expected=error.expected) from None


def columns_of_base(base: RegistrationBase) -> RegistrationColumns:
    """The columns of a :func:`registration_base`."""
    columns = base.upper if isinstance(base, Layered) else base
    assert isinstance(columns, RegistrationColumns)
    return columns


def new_registrations(estate: Estate, columns: RegistrationColumns | None = None) -> Registrations:
    """The registration data with which a world of this estate begins."""
    base = registration_base(estate, columns)
    made = Registrations(parties_of(estate), base_digest=base.digest)
    made.attach(base)
    return made


def _place(entry: Registration, source: str) -> str:
    return f"{source}: registration of {entry.mpxn} as {entry.role}"


def _own_tenures(estate: Estate, parties: list[str], source: str) -> Tenures:
    numbers = {name: number for number, name in enumerate(parties)}
    points = []
    for entry in estate.registrations:
        where = _place(entry, source)
        check_registration(entry.mpxn, entry.role, entry.from_ms, entry.to_ms, where=where)
        if entry.party not in numbers:
            expected = f"one of {', '.join(parties[:50])}"
            raise Malformed(f"party {entry.party[:80]!r} is not declared", where=where, expected=expected)
        points.append(change_point(ROLE_CODES[entry.role], entry.from_ms, numbers[entry.party]))
    ends_ms = [FOREVER_MS if entry.to_ms is None else entry.to_ms for entry in estate.registrations]
    keys = [mpxn_key(entry.mpxn) for entry in estate.registrations]
    return Tenures(np.array(keys, np.int64), np.array(points, np.int64), np.array(ends_ms, np.int64))
