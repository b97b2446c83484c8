"""Releases and the order of versions over the control API."""

import aiohttp
import pytest

from emulator.service.server import Server
from tests.service.test_control_api import Api

PATH = {"type": "ESME", "manufacturer": "11e5", "model": "00020101", "firmware_version": "00010200"}


@pytest.fixture
def api(http: aiohttp.ClientSession, server: Server) -> Api:
    return Api(http, server)


async def test_features_are_shown_and_switched(api: Api) -> None:
    shown = await api.ok("GET", "/releases")
    assert {row["feature"]: row["on"] for row in shown["features"]} == {"dsp_release": True, "csp_release": True, "sr_11_4": True}
    answer = await api.ok("PUT", "/releases", {"feature": "sr_11_4", "on": False})
    assert answer == {"feature": "sr_11_4", "on": False, "ended_jobs": 0}
    await api.ok("PUT", "/releases", {"feature": "ch", "on": False, "firmware_version": "0001000a", "jobs": "let_run"})
    shown = await api.ok("GET", "/releases")
    assert [row["on"] for row in shown["features"] if row["feature"] == "sr_11_4"] == [False]
    assert shown["hub_versions"] == {"0001000A": False}
    for wrong in ({"feature": "all", "on": True}, {"feature": "ch", "on": True}, {"feature": "csp_release"}):
        assert (await api("PUT", "/releases", wrong))[0] == 400


async def test_an_order_of_versions_is_put_and_taken_away(api: Api) -> None:
    assert await api.ok("GET", "/upgrade-paths") == {"upgrade_paths": []}
    await api.ok("PUT", "/upgrade-paths", {**PATH, "from_versions": ["00010100"]})
    (row,) = (await api.ok("GET", "/upgrade-paths"))["upgrade_paths"]
    assert row == {**PATH, "manufacturer": "11E5", "from_versions": ["00010100"]}
    assert (await api("PUT", "/upgrade-paths", {**PATH, "from_versions": ["v1"]}))[0] == 400
    await api.ok("PUT", "/upgrade-paths", {**PATH, "from_versions": []})
    assert await api.ok("GET", "/upgrade-paths") == {"upgrade_paths": []}
