"""Same seed, same bytes: over runs, and with snapshots taken and restored in the middle."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from emulator.csp.csp import Csp
from emulator.csp.network import open_rows
from emulator.csp.regions import CspSettings
from emulator.estate.model import Estate
from emulator.estate.snapshot import digest, dump, load
from emulator.premises.premises import Premises
from emulator.premises.settings import HanSettings
from emulator.simulation.faults import FaultPlan
from tests.premises.homes import ESME, GSME, HCALCS, HOUR_MS, MINUTE_MS, PPMID, Keys, Rig, default_estate, with_device


def everything(rig: Rig, snapshots: bool = False) -> tuple[list[bytes], str]:
    """A busy day of one home: all octets that reached the DSP, and the digest of the state."""
    rig.faults.add("han.transfer_fails", HCALCS, times=1)
    for eui in (ESME, GSME, HCALCS, PPMID):
        rig.distribute(eui, rig.image(eui), hex(eui))
    steps: list[Callable[[], object]] = [
        lambda: rig.send("4.1.1", GSME),
        partial(rig.distribute, HCALCS, rig.image(HCALCS), "again"),
        lambda: rig.send("11.2", ESME),
        lambda: rig.activate(ESME, rig.rows.held(ESME).manufacturer_image_hash),
        lambda: rig.activate(GSME, rig.rows.held(GSME).manufacturer_image_hash, "2026-01-06T08:00:00Z"),
        lambda: rig.send("6.2.4", ESME),
    ]
    for step in steps:
        step()
        for _ in range(12):
            rig.run(5 * MINUTE_MS)
            if snapshots:
                restore(rig)
    rig.run(40 * HOUR_MS)
    rig.rows.keep_digest()
    return [heard.octets for heard in rig.heard], digest([rig.state, rig.csp_state, rig.agenda, rig.faults.state])


def restore(rig: Rig) -> None:
    """Replace all state and behaviour of the rig by what a snapshot says."""
    rig.rows.keep()
    state, csp_state, agenda, faults = load(dump([rig.state, rig.csp_state, rig.agenda, rig.faults.state]))
    rig.state, rig.csp_state, rig.agenda = state, csp_state, agenda
    rig.faults = FaultPlan(faults)

    def note(*_: object) -> None:
        pass

    han = HanSettings(store_images=4)
    rig.rows = open_rows(state, rig.estate, (CspSettings(), han), agenda, Keys(), rig.now_ms)
    rig.premises = Premises(rig.estate, Keys(), state, agenda, han, rig.faults, note, rig.rows)
    rig.csp = Csp(rig.estate, csp_state, agenda, CspSettings(), rig.faults, rig.estate.seed, rig.premises, note)


def test_two_runs_are_equal_and_say_much() -> None:
    first, second = everything(Rig()), everything(Rig())
    assert first == second
    assert len(first[0]) > 12


def test_snapshots_change_nothing() -> None:
    assert everything(Rig()) == everything(Rig(), snapshots=True)


def test_another_seed_is_another_world() -> None:
    estate: Estate = with_device(default_estate(), ESME)
    assert everything(Rig())[0] != everything(Rig(estate=replace(estate, seed=2)))[0]
