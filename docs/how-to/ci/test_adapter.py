"""A first test with `conftest.py`: the adapter under test would send its requests to `emulator.duis`."""

from conftest import Emulator


def test_there_is_a_meter_to_talk_to(emulator: Emulator) -> None:
    meter = emulator.ask("GET", "/devices/00-DB-12-34-56-78-90-A0")
    assert meter["inventory"]["status"] == "Commissioned"
    emulator.ask("POST", "/faults", {"kind": "device.silent", "device": "00-DB-12-34-56-78-90-A0", "times": 1})
    assert [fault["kind"] for fault in emulator.ask("GET", "/faults")["faults"]] == ["device.silent"]
