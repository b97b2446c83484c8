"""How switches and timings are declared and read: one dataclass per package, each field with its source beside it.

``source`` names a row of the reference's ota/limits.csv (``L031``), a section of another of its documents, or ``EMU`` for a
choice of ours; ``confidence`` is the word used there.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, TypeVar

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
KIB = 1_024

Settings = TypeVar("Settings")


def setting(
    default: Any,
    source: str,
    confidence: str,
    choices: tuple[str, ...] = (),
    minimum: int = 0,
    check: Callable[[str, str], None] | None = None,
) -> Any:
    """Declare one field of a settings class together with where its default comes from.

    ``choices`` are the texts it may be, none means any; ``minimum`` is the least that a number may be. ``check`` raises
    :class:`Malformed` for a text, at a place, that it may not be.
    """
    metadata = {"source": source, "confidence": confidence, "choices": choices, "minimum": minimum, "check": check}
    return field(default=default, metadata=metadata)


def read_settings(kind: type[Settings], values: Mapping[str, object], where: str = "settings") -> Settings:
    """Settings of a dataclass ``kind`` from plain values; raise :class:`Malformed` for an unknown name or a wrong value."""
    plain = (f for f in dataclasses.fields(kind) if f.default is not dataclasses.MISSING)  # type: ignore[arg-type]
    known = {f.name: f for f in plain}
    chosen: dict[str, object] = {}
    for name, value in values.items():
        if name not in known:
            raise Malformed(f"there is no setting {name!r}", where=where, expected=f"one of {', '.join(known)}")
        default, metadata = known[name].default, known[name].metadata
        choices, minimum = metadata.get("choices", ()), metadata.get("minimum", 0)
        if isinstance(default, tuple):
            chosen[name] = _device_types(value, f"{where}.{name}")
        elif type(value) is not type(default) or (isinstance(value, int) and value < minimum):
            least = f", at least {minimum}" if minimum else ""
            raise Malformed(
                f"{value!r} is not right", where=f"{where}.{name}", expected=f"a {type(default).__name__} like {default}{least}"
            )
        elif choices and value not in choices:
            raise Malformed(f"{value!r} is not a choice", where=f"{where}.{name}", expected=f"one of {', '.join(choices)}")
        else:
            if metadata.get("check") is not None:
                metadata["check"](value, f"{where}.{name}")
            chosen[name] = value
    return kind(**chosen)


def _device_types(value: object, where: str) -> tuple[DeviceType, ...]:
    try:
        if isinstance(value, list | tuple):
            return tuple(DeviceType(str(item)) for item in value)
        raise ValueError
    except ValueError:
        raise Malformed(f"{value!r} is not a list of device types", where=where, expected="e.g. ['PPMID', 'HCALCS']") from None
