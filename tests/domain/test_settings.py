"""Reading settings: what is refused, and in which words."""

from dataclasses import dataclass

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.settings import read_settings, setting


@dataclass(frozen=True, slots=True)
class Sample:
    mode: str = setting("warn", "EMU", "low", choices=("off", "warn"))
    limit: int = setting(5, "EMU", "low")


def test_a_choice_is_one_of_those_declared() -> None:
    assert read_settings(Sample, {"mode": "off"}).mode == "off"
    with pytest.raises(Malformed, match=r"settings\.mode: .loud. is not a choice; expected one of off, warn"):
        read_settings(Sample, {"mode": "loud"})
