"""Lists of devices: read whole or name by name with the same result, and who holds the devices of one."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.identifiers import eui_bytes, eui_hex, format_eui
from emulator.domain.vocabulary import UserRole
from emulator.dsp.device_lists import devices_digest, listing, read_list
from emulator.dsp.holding import Holding
from emulator.dsp.registration import other_parties, responsible, responsible_suppliers
from tests.dsp.bench_world import AGENT, NETWORK_OPERATOR, OTHER_USER, SUPPLIER, SUPPLIER_TWO, bench_with

EUIS = st.integers(0, 2**64 - 1)


@given(st.lists(EUIS, min_size=1, max_size=8), st.booleans())
def test_a_list_is_read_in_its_order_each_device_once(euis: list[int], hyphens: bool) -> None:
    found = read_list(",".join(map(format_eui if hyphens else eui_hex, euis)))
    assert found.euis == tuple(dict.fromkeys(euis))
    assert (found.count, found.readable, found.unreadable) == (len(euis), len(euis), None)
    assert found.listing == listing(euis)


@given(st.lists(EUIS, max_size=8))
def test_a_listing_names_devices_sorted(euis: list[int]) -> None:
    found = listing(euis)
    assert found.names == tuple(map(format_eui, sorted(set(euis))))
    assert found.digest == devices_digest(euis) == hashlib.sha256(b"".join(map(eui_bytes, sorted(set(euis))))).hexdigest()


@pytest.mark.parametrize("name", ["", "00-DB", "00-DB-12-34-56-78-90-A", "00-DB-12-34-56-78-90-AG", "00-DB-12-34-56-78-90.A0"])
def test_a_name_that_is_none_is_told(name: str) -> None:
    good = "00-DB-12-34-56-78-90-A0"
    found = read_list(f"{good},{name},{good}")
    assert (found.count, found.readable, found.unreadable, len(found.euis)) == (3, 2, name, 1)


@pytest.mark.parametrize("user", [SUPPLIER, SUPPLIER_TWO, AGENT, NETWORK_OPERATOR, OTHER_USER])
@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("asked_before", [True, False])
def test_holding_many_devices_is_holding_each(user: int, checked: bool, asked_before: bool) -> None:
    bench = bench_with(check_responsibility=checked)
    context = bench.world.engine.context
    sender, devices = context.state.users[user], list(context.state.inventory.values())
    for roles in (sender.roles, [role for role in sender.roles if role is not UserRole.OU], []):
        holding = Holding(context, sender, roles, bench.now_ms)
        if asked_before:
            holding.look_up(devices)
        for device in devices:
            held = any(responsible(context, sender, role, device, bench.now_ms) for role in roles)
            assert holding.entitled(device) is held
            others = other_parties(context, responsible_suppliers(context, device, bench.now_ms), sender.eui)
            assert list(holding.other_suppliers(device)) == others
