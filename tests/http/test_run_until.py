"""Simulated time goes on until something is so, and no further."""

import pytest

from emulator.client.errors import Rejected
from emulator.domain.identifiers import format_eui
from emulator.domain.settings import DAY_MS, MINUTE_MS
from tests.http.images import VERSION, distribute, image
from tests.http.side import ESME, SUPPLIER, Side


async def test_from_event_to_event_until_a_job_stands(side: Side) -> None:
    control = side.control
    await control.pause()
    answer = await side.ask(distribute(image(side, "ESME"), [ESME]))
    began_ms = (await control.clock())["now_ms"]
    device = {"device": format_eui(ESME)}
    at_hub = await control.run_until("job", **device, states=["AT_CH", "DOWNLOADED"])
    assert (at_hub["met"], at_hub["ended_by"], at_hub["seen"]) == (True, "condition", "AT_CH")
    assert at_hub["mode"] == "paused"
    told = await control.run_until("messages", recipient=format_eui(SUPPLIER), **device, state="queued")
    assert told["met"], "no endpoint takes it"
    verified = await control.run_until("jobs", request_id=answer.request_id, states=["VERIFIED"])
    assert verified["seen"] == {"VERIFIED": 1}
    assert began_ms < at_hub["now_ms"] <= told["now_ms"] <= verified["now_ms"]
    assert (await control.run_until("device", **device, values={"held_image.version": VERSION}))["met"]
    never = await control.run_until("inventory", **device, values={"firmware_version": VERSION}, within_ms=DAY_MS)
    assert (never["met"], never["ended_by"]) == (False, "nothing due") or never["now_ms"] == verified["now_ms"] + DAY_MS
    assert never["seen"] == {"firmware_version": "00010000"}


async def test_an_instant_is_come_to_though_nothing_happens(side: Side) -> None:
    await side.control.pause()
    now_ms = (await side.control.clock())["now_ms"]
    found = await side.control.run_until("instant", at_ms=now_ms + MINUTE_MS, within_ms=MINUTE_MS)
    assert (found["met"], found["now_ms"]) == (True, now_ms + MINUTE_MS)


async def test_step_by_step(side: Side) -> None:
    await side.control.pause()
    await side.ask(distribute(image(side, "ESME"), [ESME]))
    first = await side.control.step()
    second = await side.control.step(2)
    assert (first["events"], second["events"]) == (1, 2)
    assert second["now_ms"] >= first["now_ms"]


@pytest.mark.parametrize(
    ("kind", "condition", "words"),
    [
        ("device", {"device": "00-DB-12-34-56-99-99-01", "values": {"on_han": True}}, "there is no device"),
        ("device", {"device": format_eui(ESME), "values": {"onhan": True}}, "there is no 'onhan'"),
        ("inventory", {"device": format_eui(ESME), "values": {}}, "at least 1"),
        ("weather", {}, "weather"),
    ],
)
async def test_what_cannot_be_waited_for_says_why(default: Side, kind: str, condition: dict[str, object], words: str) -> None:
    with pytest.raises(Rejected) as caught:
        await default.control.run_until(kind, **condition)
    assert words in caught.value.explanation
