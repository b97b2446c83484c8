"""A generated estate is what its rule says, one device at a time or millions at once."""

from typing import Any

import numpy as np
import pytest

from emulator.campaigns.population import HUB_PLACE, Population, eui_of, population, tables
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64

TOWN = population("town", 5)


def test_every_row_of_the_tables_has_its_source() -> None:
    rows = [row for table in tables().values() if not isinstance(table, str) for row in _rows_of(table)]
    assert len(rows) > 20
    assert not [row for row in rows if not row.get("source") or not row.get("confidence")]


def _rows_of(table: Any) -> list[dict[str, Any]]:
    return list(table.values()) if isinstance(table, dict) else table


@pytest.mark.parametrize("name", ["national", "region", "million", "town"])
def test_pools_hold_all_hubs_one_after_the_other(name: str) -> None:
    found = population(name, 1)
    assert found.hubs == tables()["populations"][name]["hubs"]
    first = 0
    for pool in found.pools:
        assert pool.first == first
        assert pool.cells or pool.sessions
        first += pool.hubs


def test_the_national_estate_has_thirty_million_hubs_and_sixty_million_devices_in_every_region() -> None:
    found = population("national", 1)
    assert (found.hubs, found.hubs * found.places) == (30_000_000, 60_000_000)
    assert [pool.region for pool in found.pools] == [*["North"] * 4, "Central", "South", "4G North", "4G Central", "4G South"]
    assert sum(pool.cells for pool in found.pools) == 200


def test_one_device_is_what_it_is_among_all() -> None:
    for pool in TOWN.pools:
        hubs = np.arange(pool.first, pool.first + pool.hubs)
        for place in range(TOWN.places):
            kinds = TOWN.kind_of(pool, hubs, place)
            for row in range(0, pool.hubs, 97):
                device = TOWN.device(pool.first + row, place)
                assert TOWN.kinds[kinds[row]] == device.kind
                assert device.region == pool.region


def test_a_device_is_found_by_its_eui() -> None:
    for hub in (0, 77, TOWN.hubs - 1):
        device = TOWN.find(eui_of(hub, 1))
        assert (device.hub, device.place) == (hub, 1)
        assert device.as_json()["device"] != device.as_json()["hub"]


@pytest.mark.parametrize("eui", [0, eui_of(TOWN.hubs, 0), eui_of(3, 2), eui_of(3, HUB_PLACE)])
def test_what_is_not_there_is_said(eui: int) -> None:
    with pytest.raises(Malformed, match="town"):
        TOWN.find(Eui64(eui))


def test_shares_hold() -> None:
    counts: dict[str, int] = {}
    for hub in range(2_000):
        device = TOWN.device(hub, 1)
        counts[device.kind.model.type] = counts.get(device.kind.model.type, 0) + 1
    assert abs(counts["GSME"] / 2_000 - 0.62) < 0.04
    assert abs(counts["HCALCS"] / 2_000 - 0.05) < 0.02


def test_only_regions_of_dual_band_hubs_have_devices_below_a_gigahertz() -> None:
    devices = [TOWN.device(hub, 1) for hub in range(0, TOWN.hubs, 5)]
    assert {device.region[:2] for device in devices if device.kind.sub_ghz} == {"4G"}


def test_another_seed_is_another_estate_and_the_same_is_the_same() -> None:
    def look(estate: Population) -> list[object]:
        return [estate.device(hub, 1).as_json() for hub in range(50)]

    assert look(population("town", 5)) == look(TOWN)
    assert look(population("town", 6)) != look(TOWN)


def test_a_wrong_name_is_explained() -> None:
    with pytest.raises(Malformed, match="expected perhaps 'national'"):
        population("nationl", 1)
