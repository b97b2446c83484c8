"""Who may do what, over the control API: grants, approvals, thresholds, quarantine, credentials; and why it was decided so."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from emulator.client.control import ControlClient
from emulator.client.errors import Rejected
from emulator.client.requests import read_firmware_version, read_inventory, update_firmware
from emulator.client.session import DuisClient
from emulator.domain.identifiers import Eui64, format_eui
from emulator.estate.registration_csv import HEADER
from emulator.service.server import Server
from tests.http.images import VERSION, product
from tests.service.conftest import ESME, OTHER_USER, SUPPLIER, SUPPLIER_2, Endpoint
from tests.service.test_audit_http import meter_image

Clients = Callable[..., DuisClient]
DAY_MS = 86_400_000


@pytest.fixture
async def api(server: Server) -> AsyncIterator[ControlClient]:
    async with ControlClient(server.url()) as client:
        yield client


async def supplier_of(api: ControlClient, user: Eui64 = SUPPLIER) -> str:
    """The company behind a User ID."""
    return next(str(each["party"]) for each in await api.users() if each["user"] == format_eui(user))


async def refused(call: Any, *says: str) -> Rejected:
    with pytest.raises(Rejected) as found:
        await call
    assert found.value.status == 400
    for each in says:
        assert each in str(found.value)
    return found.value


async def test_a_grant_is_put_shown_approved_and_revoked(api: ControlClient) -> None:
    assert await api.grants() == {"grants": [], "approvals": []}
    now_ms, supplier = (await api.clock())["now_ms"], await supplier_of(api)
    limits = {"mpxns": ["1200000000001"], "versions": [VERSION], "approval": "per_batch", "exclusive": True, "max_devices": 3}
    number = (await api.put_grant(supplier, OTHER_USER, now_ms + DAY_MS, **limits))["grant"]
    (grant,) = (await api.grants())["grants"]
    assert grant["number"] == number
    assert {name: grant[name] for name in limits} == limits
    assert (grant["supplier"], grant["agent"], grant["live"], grant["revoked_ms"]) == (
        supplier,
        format_eui(OTHER_USER),
        True,
        None,
    )
    approval = (await api.approve(number, VERSION, "AB" * 32, [ESME]))["approval"]
    (token,) = (await api.grants())["approvals"]
    assert (token["number"], token["grant"], token["image_hash"], token["used_by"]) == (approval, number, "ab" * 32, "")
    assert await api.revoke_grant(number) == {"grant": number}
    (grant,) = (await api.grants())["grants"]
    assert (grant["live"], grant["revoked_ms"]) == (False, now_ms)
    kinds = [record["entry"]["outcome"] for record in await api.audit(kind="grant")]
    assert kinds == ["granted", "approved", "revoked"]


async def test_wrong_grants_are_refused_in_words(api: ControlClient) -> None:
    supplier, later_ms = await supplier_of(api), (await api.clock())["now_ms"] + DAY_MS
    await refused(api.put_grant(supplier, OTHER_USER, 5), "to_ms", "would end before it begins")
    await refused(api.put_grant(supplier, OTHER_USER, later_ms, approval="perhaps"), "approval")
    await refused(api.put_grant(supplier, OTHER_USER, later_ms, regions=["Narnia"]), "Narnia")
    await refused(api.put_grant(supplier, OTHER_USER, later_ms, colour="blue"), "colour")
    await refused(api.revoke_grant(7), "there is no grant 7")
    await refused(api.approve(7, VERSION, "ab" * 32), "there is no grant 7")
    assert (await api.grants())["grants"] == []


async def test_a_threshold_quarantines_and_an_operator_releases_or_deletes(
    server: Server, api: ControlClient, clients: Clients, endpoints: Callable[..., Endpoint]
) -> None:
    there = await endpoints().open()
    await api.set_endpoint(SUPPLIER, there.url)
    await api.put_threshold("11.2", requests=1)
    client = clients(server)
    first, second, third = [await client.send(read_firmware_version(SUPPLIER, ESME)) for _ in range(3)]
    anomaly = await api.anomaly()
    assert anomaly["thresholds"] == [{"user": "*", "variant": "11.2", "requests": 1, "devices": None}]
    (usage,) = anomaly["usage"]
    assert (usage["user"], usage["requests"]) == (format_eui(SUPPLIER), 1)
    held = await api.quarantine()
    assert [each["request_id"] for each in held] == [second.request_id, third.request_id]
    assert "the threshold is 1" in held[0]["reason"]
    explained = await api.explain(second.request_id or "")
    assert explained["state"]["quarantine"] == [held[0]]
    await api.release(held[0]["reference"], operator="J. Doe")
    await api.delete_quarantined(held[1]["reference"])
    assert await api.quarantine() == []
    await refused(api.release(held[0]["reference"]), "nothing is quarantined under")
    await refused(api.delete_quarantined(99), "nothing is quarantined under 99")
    assert await api.run_until_idle()
    pushed = b"".join(there.taken)
    assert pushed.count((first.request_id or "").encode()) == 1
    assert (second.request_id or "").encode() in pushed, "released, it was carried out"
    assert [r["entry"]["outcome"] for r in await api.audit(kind="quarantine", request_id=third.request_id)] == [
        "quarantined",
        "deleted",
    ]
    released = await api.audit(kind="quarantine", request_id=second.request_id)
    assert [r["entry"].get("operator", "") for r in released] == ["", "J. Doe"]
    await api.put_threshold("11.2", format_eui(SUPPLIER), requests=10)
    assert len((await api.anomaly())["thresholds"]) == 2
    await refused(api.put_threshold("99.9", requests=1), "variant")
    await refused(api.put_threshold("11.2"), "limits nothing")


async def test_a_device_gets_another_suppliers_certificates(api: ControlClient) -> None:
    await api.set_credentials(ESME, SUPPLIER_2)
    (record,) = await api.audit(device=format_eui(ESME), kind="control")
    assert (record["entry"]["before"], record["entry"]["after"]) == (format_eui(SUPPLIER), format_eui(SUPPLIER_2))
    await refused(api.set_credentials(ESME, OTHER_USER), "party", "is not a supplier")
    with pytest.raises(Rejected, match="there is no device"):
        await api.set_credentials(Eui64(1), SUPPLIER_2)


async def test_registration_data_is_loaded_all_or_none(api: ControlClient) -> None:
    loaded = await api.load_registrations(
        f"{HEADER}\n1200000000777,IS,supplier-two,2025-01-01,\n1200000000778,IS,supplier-two,2025-01-01,\n"
    )
    assert loaded == {"registrations": 2, "mpxns": 2}
    await refused(api.load_registrations(f"{HEADER}\n1200000000779,IS,supplier-two,2025-01-01,\nnonsense\n"), "line 3")
    await refused(api.load_registrations("who,what\n"), "line 1")


# Explanations


async def test_a_granted_request_is_explained_to_its_end(server: Server, api: ControlClient, clients: Clients) -> None:
    answer = await clients(server).send(read_firmware_version(SUPPLIER, ESME))
    assert await api.run_until_idle(timeout_ms=1_000) in (True, False)
    found = await api.explain((answer.request_id or "").lower())
    (request,) = found["requests"]
    assert (request["service_reference_variant"], request["code"], request["operator"]) == ("11.2", "I99", None)
    (gate,) = found["gates"]
    assert (gate["granted"], gate["decided_by"], gate["role"]) == (True, None, "IS")
    checks = [verdict["check"] for verdict in gate["verdicts"]]
    assert checks.index("user_unknown") < checks.index("role_not_eligible") < checks.index("not_responsible")
    (transaction,) = found["state"]["transactions"]
    assert transaction["state"] == "answered"
    (message,) = found["messages"]
    assert (message["code"], message["kind"], message["state"]) == ("I0", "response", "queued")
    assert message["waits_for"], "nobody said where the user's endpoint is"
    assert {"gbcs.command", "gbcs.response"} <= {line["kind"] for line in found["happened"]}
    assert [record["entry"]["kind"] for record in found["audit"]] == ["decision", "message"]
    assert found["complete"] is True


async def test_a_refused_request_says_which_rule_and_what_it_looked_at(
    server: Server, api: ControlClient, clients: Clients
) -> None:
    answer = await clients(server, SUPPLIER_2).send(read_firmware_version(SUPPLIER_2, ESME))
    found = await api.explain(answer.request_id or "")
    (gate,) = found["gates"]
    assert (gate["granted"], gate["decided_by"]) == (False, "not_responsible")
    assert "is not registered for" in gate["detail"]
    assert gate["looked_at"]["device"] == format_eui(ESME)
    assert any(each["role"] == "IS" for each in gate["looked_at"]["registered"])
    assert gate["verdicts"][-1]["passed"] is False
    assert all(verdict["passed"] for verdict in gate["verdicts"][:-1])
    (refusal,) = found["refusals"]
    assert refusal["text"].startswith(answer.code)
    assert found["messages"] == []


async def test_a_firmware_request_says_what_its_jobs_wait_for(server: Server, api: ControlClient, clients: Clients) -> None:
    client = clients(server)
    await api.pause()
    answer = await client.send(update_firmware(SUPPLIER, meter_image(client.keys), VERSION, [ESME, Eui64(1)]))
    assert answer.code == "W110101"
    found = await api.explain(answer.request_id or "")
    (job,) = found["state"]["jobs"]
    assert (job["device"], job["open"]) == (format_eui(ESME), True)
    assert job["waiting_for"]
    (record,) = [each for each in found["audit"] if each["entry"]["kind"] == "decision"]
    assert record["entry"]["image_hash"] == product("ESME").image_hash


async def test_nothing_is_known_of_other_requests(api: ControlClient, server: Server, clients: Clients) -> None:
    await clients(server).send(read_inventory(SUPPLIER, ESME))
    with pytest.raises(Rejected, match="nothing is known of request") as found:
        await api.explain("90-B3-D5-1F-30-01-00-00:90-B3-D5-1F-30-00-00-02:1")
    assert found.value.status == 404
