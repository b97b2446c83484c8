"""Every kind of fault: what goes wrong, whom it can hit, and what may be said about it. The rows are ``data/faults.toml``.

A row stands there only while behaviour asks for it: ``faults.find("<name>", …)`` at the place where it happens.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any

from emulator.domain.errors import Malformed
from emulator.simulation.durations import DURATION_FORM, duration_ms

Value = int | str
Params = Mapping[str, Value]


class Subject(StrEnum):
    """Whom a kind of fault can hit; selectors look at these."""

    HUB = "hub"
    DEVICE = "device"
    """Any device, the CHF and GPF in the hub among them."""
    USER = "user"
    """A DUIS user: what passes between it and the DCC over HTTP."""


class Form(StrEnum):
    """How a parameter is written."""

    DURATION = "duration"
    """Milliseconds, or text with units; the name ends in ``_ms``."""
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Param:
    """Something that a fault of one kind may say beside whom and when."""

    name: str
    form: Form
    meaning: str
    default: Value
    least: int = 0
    most: int = 2**31
    """Bounds of numbers, and of durations in milliseconds."""
    pattern: str = ""
    """What a text must look like in upper or lower case."""
    expected: str = ""
    """The same in words."""

    def read(self, value: object) -> Value:
        """A value as a file or call has it; raise :class:`Malformed` for a wrong type, unit or size."""
        if self.form is Form.TEXT:
            if value == self.default:
                return self.default
            forms = (value, value.upper(), value.lower()) if isinstance(value, str) else ()
            found = next((each for each in forms if re.fullmatch(self.pattern, each)), None)
            if found is None:
                raise self._wrong(value)
            return found
        number = self._with_unit(value) if self.form is Form.DURATION and isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, int) or not self.least <= number <= self.most:
            raise self._wrong(value)
        return number

    @property
    def takes(self) -> str:
        """What it takes, in words."""
        if self.form is Form.TEXT:
            return self.expected
        if self.form is Form.DURATION:
            return f"milliseconds from {self.least} to {self.most}, or {DURATION_FORM}"
        return f"a whole number from {self.least} to {self.most}"

    def _with_unit(self, text: str) -> int:
        try:
            sign = -1 if text.startswith("-") else 1
            return sign * duration_ms(text.removeprefix("-"))
        except Malformed as error:
            raise Malformed(error.detail, where=f"params.{self.name}", expected=self.takes) from None

    def _wrong(self, value: object) -> Malformed:
        return Malformed(f"{self.name} is {str(value)[:40]!r}", where=f"params.{self.name}", expected=self.takes)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault."""

    name: str
    subject: Subject
    meaning: str
    occasion: str
    """What counts as one occasion, for chances and counts."""
    source: str
    params: tuple[Param, ...] = ()
    narrowed_by: str = ""
    """The parameter that limits it to occasions of one sort; who asks says of which sort an occasion is."""

    def read_params(self, values: Mapping[str, object]) -> dict[str, Value]:
        """All parameters, defaults for those not given; raise :class:`Malformed` for unknown names and wrong values."""
        known = {param.name: param for param in self.params}
        for name in values:
            if name not in known:
                remedy = f"one of {', '.join(known)}" if known else "none: this kind has no parameters"
                raise Malformed(f"{self.name} has no parameter {str(name)[:40]!r}", where="params", expected=remedy)
        return {name: param.read(values[name]) if name in values else param.default for name, param in known.items()}


def _read_kinds(text: str) -> dict[str, FaultKind]:
    kinds = (_kind(row) for row in tomllib.loads(text)["kinds"])
    return {kind.name: kind for kind in kinds}


def _kind(row: dict[str, Any]) -> FaultKind:
    params = tuple(Param(**{**param, "form": Form(param["form"])}) for param in row.pop("params", ()))
    return FaultKind(**{**row, "subject": Subject(row["subject"]), "params": params})


KINDS: Mapping[str, FaultKind] = _read_kinds(
    resources.files("emulator.simulation").joinpath("data/faults.toml").read_text("utf-8")
)
"""All kinds by name."""
