"""A fault as people write it: what every key takes, and what is said about a wrong one."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.simulation.draws import Ratio
from emulator.simulation.faults import FACTS, KEYS, KINDS, Counted, FaultPlan, Selector, check_selects, read_fault, read_plan

NOW_MS = 1_750_000_000_000
HOUR_MS = 3_600_000
SILENT = {"kind": "device.silent"}


def test_everything_at_once() -> None:
    entry = read_fault(
        {
            "kind": "device.alert_lost",
            "who": {"type": ["ESME", "GSME"], "region": "*north", "eui": "00db1234*", "share": "1/4"},
            "from": "2 h",
            "to": "now + 3 days",
            "chance": [1, 20],
            "times": 5,
            "after": 2,
            "counted": "each",
            "daily": ["22:00", "06:30"],
            "params": {"code": "8f72"},
            "name": "lost receipts",
        },
        NOW_MS,
    )
    assert entry.who == Selector((("type", ("ESME", "GSME")), ("region", ("*north",)), ("eui", ("00-DB-12-34*",))), Ratio(1, 4))
    assert (entry.from_ms, entry.to_ms) == (NOW_MS + 2 * HOUR_MS, NOW_MS + 72 * HOUR_MS)
    assert (entry.chance, entry.times, entry.after, entry.counted) == (Ratio(1, 20), 5, 2, Counted.EACH)
    assert entry.daily == (22 * HOUR_MS, 13 * HOUR_MS // 2)
    assert (entry.params, entry.name) == ({"code": "8F72"}, "lost receipts")


def test_one_device_or_several() -> None:
    one, two = "00-DB-12-34-56-78-90-A0", "00DB1234567890A1"
    assert read_fault({**SILENT, "device": one}, NOW_MS).entity == 0x00DB1234567890A0
    assert read_fault({**SILENT, "device": [one, two, one]}, NOW_MS).devices == {0x00DB1234567890A0, 0x00DB1234567890A1}
    plan = FaultPlan()
    plan.put(read_fault({**SILENT, "device": [one, two]}, NOW_MS))
    assert [plan.active("device.silent", 0x00DB1234567890A0 + number, NOW_MS) for number in range(3)] == [True, True, False]


def test_instants_in_every_form() -> None:
    def begins(**given: Any) -> int:
        return read_fault({**SILENT, **given}, NOW_MS, 1_000).from_ms

    assert begins() == begins(**{"from": None}) == 0
    assert begins(from_ms=5) == 5
    assert begins(**{"from": "now + 90 min"}) == begins(**{"from": "1 h 30 min"}) == NOW_MS + HOUR_MS * 3 // 2
    assert begins(**{"from": "start + 1 s"}) == 2_000
    assert begins(**{"from": "2026-01-01T00:00:00Z"}) == 1_767_225_600_000


WRONG: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "nothing": ({"kind": None}, "kind", "kind is missing", ""),
    "no such kind": ({"kind": "device.slient"}, "kind", "there is no fault 'device.slient'", "perhaps 'device.silent'"),
    "no such key": ({"knid": "x"}, "knid", "'knid' is not a key of a fault", "perhaps 'kind'"),
    "no EUI": ({"device": "ESME"}, "device", "'ESME' is not an EUI-64", "8 hexadecimal octets"),
    "no text for an EUI": ({"device": 7}, "device", "device is '7'", "an EUI in quotes"),
    "no devices": ({"device": []}, "device", "device has 0 entries", "1 to 10000 EUIs"),
    "device and who": (
        {"device": "00-DB-12-34-56-78-90-A0", "who": {"type": "ESME"}},
        "who",
        "both device and who",
        "one of them",
    ),
    "who as text": ({"who": "North"}, "who", "who is 'North'", "a table with eui"),
    "no such condition": ({"who": {"regoin": "North"}}, "who", "'regoin' selects nobody", "perhaps 'region'"),
    "no such region": ({"who": {"region": "Nroth"}}, "who.region", "there is no region 'Nroth'", "'North'"),
    "no such type": ({"who": {"type": ["ESME", "TOASTER"]}}, "who.type", "there is no type 'TOASTER'", "one of CAD, CHF"),
    "a number for a text": ({"who": {"model": 12}}, "who.model", "model is '12'", "a text in quotes"),
    "a share of more than all": ({"who": {"share": [3, 2]}}, "who.share", "'[3, 2]' is not a share or chance", "0 < n <= d"),
    "a share as a fraction": ({"who": {"share": 0.05}}, "who.share", "'0.05' is not a share or chance", "[1, 20]"),
    "no chance": ({"chance": "0/5"}, "chance", "'0/5' is not a share or chance", "0 < n <= d"),
    "chance in words": ({"chance": "often"}, "chance", "'often' is not a share or chance", "[n, d]"),
    "never": ({"times": 0}, "times", "times is '0'", "1 or more"),
    "half a time": ({"times": 1.5}, "times", "times is '1.5'", "a whole number"),
    "yes times": ({"times": True}, "times", "times is 'True'", "a whole number"),
    "after less than nothing": ({"after": -1}, "after", "after is '-1'", "0 or more"),
    "counted oddly": ({"counted": "some"}, "counted", "counted is 'some'", "one of all, each"),
    "half a day": ({"daily": ["22:00"]}, "daily", "is no part of the day", "['22:00', '06:00']"),
    "no time of the day": ({"daily": ["22:00", "25:00"]}, "daily", "is no part of the day", "times of the day"),
    "no time at all": ({"daily": "06:00-06:00"}, "daily", "is no part of the day", "two different"),
    "a bare span": ({"from": 90}, "from", "90 is a bare number", "a span from now"),
    "a span without unit": ({"from": "90"}, "from", "is not an instant", "a span from now"),
    "no unit of time": ({"from": "90 parsecs"}, "from", "'parsecs' is not a unit of time", "a span from now"),
    "start of what": ({"from": "start + 1 h"}, "from", "start + 1 h means nothing here", "a span from now"),
    "twice": ({"from": "1 h", "from_ms": 5}, "from", "both from and from_ms", "one of them"),
    "an instant in words": ({"from_ms": "soon"}, "from_ms", "from_ms is soon", "milliseconds of UTC"),
    "before time": ({"to_ms": -1}, "to_ms", "to_ms is -1", "milliseconds of UTC"),
    "past": ({"to_ms": NOW_MS}, "to_ms", "it is past by now", "a later instant"),
    "past in words": ({"to": "2020-01-01T00:00:00Z"}, "to", "it is past by now", "a later instant"),
    "end before beginning": ({"from": "2 h", "to": "1 h"}, "to", "would end before it begins", "a later instant"),
    "params as text": ({"params": "code"}, "params", "params is 'code'", "a table"),
    "no such parameter": ({"params": {"code": "8F72"}}, "params", "device.silent has no parameter 'code'", "no parameters"),
    "a name without end": ({"name": "x" * 201}, "name", "name is 'xxx", "at most 200"),
}


@pytest.mark.parametrize(("given", "where", "said", "remedy"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_with_place_and_remedy(given: dict[str, Any], where: str, said: str, remedy: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_fault({**SILENT, **given}, NOW_MS)
    assert caught.value.where == where
    assert said in caught.value.detail
    assert remedy in caught.value.expected


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from([*KINDS, "1 h", "[1, 2]"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FACTS, "share", "code", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*KEYS, "x"]), JUNK), st.sampled_from(sorted(KINDS)))
def test_anything_is_read_or_refused(values: dict[str, Any], kind: str) -> None:
    for tried in (values, {**values, "kind": kind}):
        with suppress(Malformed):
            FaultPlan().put(read_fault(tried, NOW_MS))


POPULATION = {
    1: {"eui": ("A",), "model": ("00010001",), "technology": ("radio",), "firmware_version": ("00010000",)},
    2: {"eui": ("B",), "model": ("00020001",), "technology": ("cellular",), "firmware_version": ("00010000",)},
}


@pytest.mark.parametrize(
    ("who", "where", "remedy"),
    [
        ({"model": "00010002"}, "who.model", "perhaps '00010001'"),
        ({"technology": ["radio", "celular"]}, "", ""),
        ({"technology": "celular"}, "who.technology", "perhaps 'cellular'"),
        ({"technology": "radio", "model": "0002*"}, "who", "conditions that hold together"),
        ({"firmware_version": "00099999"}, "", ""),
        ({"model": "0002*", "share": [1, 1_000_000]}, "", ""),
    ],
)
def test_a_selector_that_can_match_nobody(who: dict[str, Any], where: str, remedy: str) -> None:
    selector = read_fault({**SILENT, "who": who}, NOW_MS).who
    if not where:
        check_selects(selector, "device", POPULATION, POPULATION.__getitem__)
        return
    with pytest.raises(Malformed) as caught:
        check_selects(selector, "device", POPULATION, POPULATION.__getitem__)
    assert (caught.value.where, remedy in caught.value.expected) == (where, True)


def test_a_plan_file() -> None:
    text = '[[faults]]\nkind = "device.silent"\nfrom = 2026-01-01T00:00:00Z\nwho = { type = "ESME" }\n'
    text += '[[faults]]\nkind = "wan.unreachable"\n'
    first, second = read_plan(text.encode(), "plan.toml")
    assert read_fault(first, 0).from_ms == 1_767_225_600_000
    assert second == {"kind": "wan.unreachable"}
    for wrong, said in (("x = ", "plan.toml"), ("[fault]\n", "'fault' is not a key"), ("faults = 5\n", "faults is not right")):
        with pytest.raises(Malformed, match=said):
            read_plan(wrong.encode(), "plan.toml")
    with pytest.raises(Malformed, match="codec can't decode"):
        read_plan(b"\xff", "plan.toml")


def test_a_remedy_names_values_as_they_are_written() -> None:
    with pytest.raises(Malformed) as caught:
        read_fault({"kind": "wan.unreachable", "who": {"region": "Nrth"}}, 0)
    assert caught.value.expected == "perhaps 'North' or '4G North'"
