"""A million devices, compiled: the same numbers with one thread and two, and as the interpreted kernels have them."""

import asyncio

import pytest

from emulator.campaigns.result import as_bytes, result_of
from emulator.campaigns.running import run_over_population
from emulator.fanout.compiling import can_compile
from tests.campaigns.plans import plan_of
from tests.conftest import absent


@pytest.mark.verify
@pytest.mark.timeout(600)
def test_a_million_devices_repeat_themselves_whatever_the_threads() -> None:
    if not can_compile():
        absent("scale", "the extra 'scale' is not installed")
    plan = plan_of(
        campaign={"waves": [1, 10, 100, 1000, "rest"], "wait": "1 day", "poll": "3 h"},
        image={"manufacturer": "", "model": ""},
        population={"name": "million"},
        effects=[{"kind": "han.drop_after_download", "share": "0.01 %"}],
    )
    (one, first), (two, second) = (asyncio.run(run_over_population(plan, threads)) for threads in (1, 2))
    assert first.network.compiled
    assert as_bytes(result_of(plan, one, "x")) == as_bytes(result_of(plan, two, "x"))
    assert first.network.digest() == second.network.digest()
    assert sum(tally.requested for tally in one.tallies.values()) == 500_000
