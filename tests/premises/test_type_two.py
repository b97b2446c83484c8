"""Devices of type 2 ask for images and have no right to one (reference ota/ota.md 15, Q7-01 and Q7-41)."""

import pytest

from emulator.domain.identifiers import format_eui
from emulator.estate.declaration import default_estate_toml
from emulator.world import create_world, restore_world
from tests.dsp.bench_world import DAY_MS, HOUR_MS, Bench, device
from tests.dsp.telling import told

TYPE_TWO, PPMID = device(0, "A6"), device(0, "A4")


def bench_with(kind: str) -> Bench:
    """The first home has such a device too."""
    lines = f"""
[[homes.devices]]
type = "{kind}"
eui = "{format_eui(TYPE_TWO)}"
manufacturer = "15F0"
model = "00060101"
firmware_version = "00010000"
"""
    head, tail = default_estate_toml().split("[[homes.devices]]\n", 1)
    return Bench(create_world(estate_toml=f"{head}{lines.lstrip()}\n[[homes.devices]]\n{tail}"))


def asked(bench: Bench) -> list[str]:
    return [entry.summary for entry in bench.journal if "asks for an image" in entry.summary]


@pytest.mark.parametrize("kind", ["IHD", "CAD"])
def test_who_has_no_right_to_an_image_is_told_so_by_the_hub(kind: str) -> None:
    bench = bench_with(kind)
    bench.advance(0)
    assert asked(bench) == [f"{kind} {format_eui(TYPE_TWO)} asks for an image: NOT_AUTHORIZED"]
    assert not bench.advance(2 * DAY_MS)
    assert len(asked(bench)) == 3
    bench.control("device.power", device=format_eui(TYPE_TWO), on=False)
    bench.advance(2 * DAY_MS)
    assert len(asked(bench)) == 3, "without power it asks nobody"
    bench.control("device.power", device=format_eui(TYPE_TWO), on=True)
    bench.world = restore_world("again", bench.world.engine.snapshot())
    bench.advance(DAY_MS)
    assert len(asked(bench)) == 4
    assert not told(bench.deliveries)


@pytest.mark.parametrize("kind", ["IHD", "CAD"])
def test_no_image_goes_to_it(kind: str) -> None:
    bench = bench_with(kind)
    assert bench.distribute("11.4", "PPMID", [TYPE_TWO]).code[0] == "E"
    answer = bench.distribute("11.4", "PPMID", [TYPE_TWO, PPMID])
    assert answer.code == "W110401"
    assert answer.payload is not None
    assert {child.name: child.text for child in answer.payload} == {"InvalidDeviceIDList": format_eui(TYPE_TWO)}
    assert sorted(told(bench.advance(2 * HOUR_MS))["one"]) == ["N39", "N60", "N62"]
