"""Reading settings: what is refused, and in which words."""

from dataclasses import dataclass

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.settings import read_settings, setting


@dataclass(frozen=True, slots=True)
class Sample:
    mode: str = setting("warn", "EMU", "low", choices=("off", "warn"))
    limit: int = setting(5, "EMU", "low", minimum=1)


def test_a_choice_is_one_of_those_declared() -> None:
    assert read_settings(Sample, {"mode": "off"}).mode == "off"
    with pytest.raises(Malformed, match=r"settings\.mode: .loud. is not a choice; expected one of off, warn"):
        read_settings(Sample, {"mode": "loud"})


def test_a_number_is_not_below_its_minimum() -> None:
    assert read_settings(Sample, {"limit": 1}).limit == 1
    with pytest.raises(Malformed, match=r"settings\.limit: 0 is not right; expected a int like 5, at least 1"):
        read_settings(Sample, {"limit": 0})
