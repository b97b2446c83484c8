"""Numbers and names agree: with each other, with the tables that kernels see, and with the DSP's own table of jobs."""

import dataclasses

import pytest

from emulator.dsp import job_states
from emulator.fanout import fields, phases
from emulator.fanout.tables import CHANCES, DeviceProfile, HubProfile, PoolProfile, row


@pytest.mark.parametrize(
    ("kind", "prefix", "width"), [(PoolProfile, "PP", "POOL"), (HubProfile, "HP", "HUB"), (DeviceProfile, "DP", "DEVICE")]
)
def test_places_follow_the_order_of_fields(kind: type, prefix: str, width: str) -> None:
    names = [field.name for field in dataclasses.fields(kind) if field.name != "name"]
    places = sorted((value, name) for name, value in vars(fields).items() if name.startswith(f"{prefix}_"))
    assert len(row(kind())) == len(names) == getattr(fields, f"{width}_WIDTH") == len(places)
    for field, (_, place) in zip(names, places, strict=True):
        words = place.removeprefix(f"{prefix}_").lower().split("_")
        assert words[0].rstrip("s") in field or field.replace("blocks_per_s", "blocks_per_s") == "_".join(words), (field, place)


def test_chances_have_the_numbers_of_their_places() -> None:
    assert [getattr(fields, f"CH_{name.upper()}") for name in CHANCES] == list(range(fields.CHANCE_COUNT))


@pytest.mark.parametrize(("names", "prefix"), [(phases.OUTCOMES, ""), (phases.JOBS[1:], "")])
def test_names_stand_at_their_numbers(names: tuple[str, ...], prefix: str) -> None:
    assert len(set(names)) == len(names)
    for number, name in enumerate(phases.OUTCOMES):
        assert getattr(phases, name) == number


def test_the_jobs_are_those_of_the_dsp() -> None:
    states = {value for name, value in vars(job_states).items() if name.isupper() and value == name}
    assert set(phases.JOBS[1:]) == states
    ours = {
        (phases.JOBS[job], phases.SIGHTS[sight]): phases.JOBS[after] for (job, sight), after in phases.JOB_TRANSITIONS.items()
    }
    theirs = {pair: after for pair, after in job_states.TRANSITIONS.items() if pair[1] != "handed_over"}
    assert ours == theirs


def test_every_parameter_says_where_it_comes_from() -> None:
    for kind in (PoolProfile, HubProfile, DeviceProfile):
        for field in dataclasses.fields(kind):
            assert field.metadata["source"], field.name
            assert field.metadata["confidence"] in ("exact", "high", "medium", "low")
