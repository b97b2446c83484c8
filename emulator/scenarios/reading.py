"""A scenario file to a :class:`~emulator.scenarios.model.Scenario`. Whatever is wrong is :class:`Malformed` that names the file,
the step and the remedy; a scenario that was read refers to nothing that is not there."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emulator.domain.errors import Malformed
from emulator.scenarios.estates import build_estate
from emulator.scenarios.model import About, Document, Planned, Scenario
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.steps import STEPS
from emulator.scenarios.validation import validated

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Longest scenario file."""


def read_scenario(path: Path, *, seed: int | None = None) -> Scenario:
    """Read and check a file; ``seed`` replaces its own."""
    return parse_scenario(_text(path), path, seed=seed)


def read_about(path: Path) -> About:
    """What a file says of itself; its estate and its steps are not looked at."""
    return _document(_text(path), path.name).scenario


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Malformed(f"cannot be read: {error.strerror}", where=str(path), expected="a scenario in TOML") from None
    if len(data) > MAX_FILE_BYTES:
        raise Malformed(f"{len(data)} octets", where=str(path), expected=f"at most {MAX_FILE_BYTES}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8: {error}", where=str(path), expected="a scenario in TOML") from None


def parse_scenario(text: str, path: Path, *, seed: int | None = None) -> Scenario:
    """The same from text; ``path`` is what errors name, and files in it are relative to its folder."""
    file = path.name
    document = _document(text, file)
    if seed is not None:
        document = document.model_copy(update={"scenario": document.scenario.model_copy(update={"seed": seed})})
    about = document.scenario
    if about.start is not None and about.start.base != "utc":
        raise Malformed(
            f"the scenario cannot begin at {about.start}", where=f"{file}: scenario.start", expected="a date and time"
        )
    try:
        estate_toml, estate = build_estate(document.estate, path.parent, about.seed)
        names = Names.of(estate, document.users, document.devices)
    except Malformed as error:
        raise _placed(error, file) from None
    start_ms = estate.start_ms if about.start is None else about.start.offset_ms
    steps = tuple(_steps(document, names, file))
    return Scenario(path, about, estate_toml, estate, names, start_ms, steps)


def _document(text: str, file: str) -> Document:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Malformed(str(error), where=file, expected="TOML 1.0") from None
    return validated(Document, raw, file, "the file")


def _steps(document: Document, names: Names, file: str) -> Iterator[Planned]:
    for number, fault in enumerate(document.faults, 1):
        yield _step({"do": "fault.add", **fault}, 0, names, f"{file}: fault {number}")
    for number, raw in enumerate(document.steps, 1):
        yield _step(raw, number, names, f"{file}: step {number}")


def _step(raw: Mapping[str, Any], number: int, names: Names, place: str) -> Planned:
    do = raw.get("do")
    if do is None:
        raise Malformed("'do' is missing", where=place, expected='the kind of step, such as do = "11.1"')
    kind = STEPS.get(do) if isinstance(do, str) else None
    if kind is None:
        raise Malformed(f"there is no step {do!r}", where=place, expected=suggest(str(do), STEPS))
    place = f"{place} ({do})" if number else place
    step = validated(kind, raw, place, f"step {do}")
    try:
        step.check(names)
    except Malformed as error:
        raise _placed(error, place) from None
    if step.name:
        if step.name in names.steps:
            raise Malformed(f"the name {step.name!r} is taken", where=f"{place}: name", expected="a name not used before")
        names.steps.add(step.name)
    return Planned(number, step, place)


def _placed(error: Malformed, place: str) -> Malformed:
    where = f"{place}: {error.where}" if error.where else place
    return Malformed(error.detail, where=where, expected=error.expected)
