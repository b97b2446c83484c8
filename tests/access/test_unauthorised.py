"""Nobody who may not starts a firmware job, and everybody who may does: chance against a second statement of the rules.

A failure names its world and request: ``drive(WORLD, PER_WORLD, Tally())`` does it again, alone.
"""

import pytest

from emulator.dsp.inputs import ControlInput
from tests.access.oracle import Asked
from tests.access.random_world import RandomWorld

PER_WORLD = 400


class Tally:
    """How often what happened; a property that never meets a case shows nothing about it."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        return self.counts.get(name, 0)

    def count(self, name: str) -> None:
        self.counts[name] = self[name] + 1


def drive(seed: int, requests: int, tally: Tally) -> None:
    """One world: each request starts exactly the jobs that the oracle allows."""
    here = RandomWorld(seed)
    assert here.started() == set()
    for at_ms in here.times(requests):
        here.engine.advance(at_ms)
        if here.chance.random() < 0.1:
            here.change()
        here.asked += 1
        asked = here.request()
        if asked.variant == "11.3":
            _activation(here, asked, tally)
        else:
            _distribution(here, asked, tally)
    _released(here, tally)


def _activation(here: RandomWorld, asked: Asked, tally: Tally) -> None:
    may = here.oracle.may_activate(asked, here.engine.now_ms)
    answer = here.send(asked)
    assert (answer.payload is not None) is may, (here.told(asked), answer.code)
    assert here.started() == set(), here.told(asked)
    tally.count("11.3 prepared" if may else "forbidden")


def _distribution(here: RandomWorld, asked: Asked, tally: Tally) -> None:
    oracle, person = here.oracle, here.oracle.people.get(asked.user)
    allowed, used = oracle.allowed(asked, here.engine.now_ms)
    held_back = person is not None and person.active and person.held_back and asked.variant == "11.1"
    if held_back:
        allowed, used = set(), []
    answer = here.send(asked)
    started = here.started()
    assert started <= allowed, f"{here.told(asked)}: answered {answer.code}, started {started - allowed}, which nobody allowed"
    assert started == allowed, f"{here.told(asked)}: answered {answer.code}, did not start {allowed - started}"
    if used:
        oracle.carry_out(used, asked)
    if allowed != set(asked.devices):
        tally.count("forbidden")
    tally.count("mixed" if allowed and allowed != set(asked.devices) else "whole" if allowed else "nothing")
    if allowed:
        tally.count(f"{asked.variant} under a grant" if used else f"{asked.variant} in own right")
    if used and person is not None and "IS" in person.roles:
        tally.count("supplier as agent")
    if any(grant.approval == "per_batch" for grant in used):
        tally.count("batch")


def _released(here: RandomWorld, tally: Tally) -> None:
    """What was held back passes the gate again as everything then is, not as it was."""
    for reference, held in sorted(here.engine.state.dsp.anomaly.quarantine.items()):
        body = held.request.body
        kind = next(kind for kind in ("ESME", "GSME", "HCALCS") if _is_for(here, kind, body.required("FirmwareImage")))
        asked = Asked(
            held.user,
            held.request.service_reference_variant,
            tuple(int(text.replace("-", ""), 16) for text in body.required("DeviceIDList").split(",")),
            kind,
            body.required("FirmwareVersion"),
            here.image_hash(kind, body.required("FirmwareVersion")),
        )
        allowed, used = here.oracle.allowed(asked, here.engine.now_ms)
        answer = here.engine.control(ControlInput("quarantine.release", {"reference": reference}), here.engine.now_ms)
        assert answer.error is None
        assert here.started() == allowed, f"released: {here.told(asked)}"
        here.oracle.carry_out(used, asked)
        tally.count("released")


def _is_for(here: RandomWorld, kind: str, image: str) -> bool:
    return image in here.images_of(kind)


def run(forbidden: int, first_seed: int = 0) -> Tally:
    """Worlds one after the other until so many requests named a device that their sender may not touch."""
    tally, seed = Tally(), first_seed
    while tally["forbidden"] < forbidden:
        drive(seed, PER_WORLD, tally)
        seed += 1
    return tally


def test_thousands_of_unauthorised_requests_start_nothing() -> None:
    assert run(5_000)["nothing"] > 3_000


@pytest.mark.verify
def test_a_hundred_thousand_unauthorised_requests_start_nothing() -> None:
    """M7-08 at its full size: not one job on a device that the oracle forbids, and every job that it allows."""
    tally = run(100_000, first_seed=1_000)
    assert tally["nothing"] > 75_000
    assert tally["mixed"] > 5_000
    assert min(tally[name] for name in AUTHORISED) > 25, tally.counts


AUTHORISED = (
    "whole",
    "mixed",
    "11.1 in own right",
    "11.4 in own right",
    "11.1 under a grant",
    "supplier as agent",
    "batch",
    "11.3 prepared",
    "released",
)


def test_authorised_requests_do_start() -> None:
    tally = Tally()
    for seed in range(500, 515):
        drive(seed, PER_WORLD, tally)
    assert all(tally[name] for name in AUTHORISED), tally.counts


def test_a_world_is_the_same_every_time() -> None:
    def asked(seed: int) -> list[Asked]:
        here = RandomWorld(seed)
        return [here.request() for _ in range(50)]

    assert asked(1) == asked(1) != asked(2)
