"""Command Variants 2, 3, 6 and 7, and 8.13: Commands that a user brings to a device itself, and what it brings back."""

import base64

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.domain.vocabulary import DeviceStatus
from emulator.duis.messages import Element, ServiceResponse, element
from emulator.gbcs.message import Cra, decode_message
from emulator.gbcs.protect import sign
from emulator.gbcs.results import read_result
from emulator.world import restore_world
from tests.dsp.bench_world import (
    DAY_MS,
    HOUR_MS,
    NETWORK_OPERATOR,
    OTHER_USER,
    SUPPLIER,
    SUPPLIER_TWO,
    Bench,
    bench_with,
    device,
    responses,
)
from tests.dsp.telling import told, valid

ESME, GSME, HUB, PPMID = device(0, "A0"), device(0, "A1"), device(0, "A2"), device(0, "A4")
ACTIVATION = element("ActivateFirmware", element("FirmwareHash", "00" * 32))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def local_command(answer: ServiceResponse) -> bytes:
    assert (answer.code, answer.payload and answer.payload.name) == ("I0", "LocalCommand")
    assert answer.payload is not None
    assert valid(answer)
    return base64.b64decode(answer.payload.required("GBCSPayload"))


def deliver(bench: Bench, eui: int, command: bytes) -> bytes | None:
    given = base64.b64encode(command).decode()
    found = bench.control("device.deliver", device=f"{eui:016X}", gbcs=given)["response"]
    return None if found is None else base64.b64decode(str(found))


def answered(bench: Bench, eui: int, command: bytes) -> bytes:
    response = deliver(bench, eui, command)
    assert response is not None
    return response


def give_back(bench: Bench, response: bytes, *, original: str | None = None, user: int = SUPPLIER) -> ServiceResponse:
    body = element(
        "ReturnLocalCommandResponse",
        element("OriginalRequestID", original) if original else None,
        element("DeviceGBCSResponse", base64.b64encode(response).decode()),
    )
    return bench.submit("8.13", body, user=user)


def signed(bench: Bench, srv: str, body: Element, to: int, variant: int) -> ServiceResponse:
    """A critical request by Transform and signature, sent with a Command Variant."""
    first = bench.submit(srv, body, to=to, variant=4)
    assert first.payload is not None, first
    octets = sign(decode_message(base64.b64decode(first.payload.required("GBCSPayload"))), bench.key(SUPPLIER)).encode()
    pre_command = element("SignedPreCommand", element("GBCSPayload", base64.b64encode(octets).decode()))
    return bench.submit(srv, pre_command, to=to, variant=variant, counter=bench.counter)


# Out


def test_variant_2_gives_the_command_out_and_sends_nothing(bench: Bench) -> None:
    command = decode_message(local_command(bench.submit("11.2", to=ESME, variant=2)))
    assert (command.cra, command.originator, command.recipient) == (Cra.COMMAND, SUPPLIER, ESME)
    assert command.mac is not None
    assert not bench.advance(2 * DAY_MS)
    assert not bench.world.engine.awaited()
    (transaction,) = bench.world.engine.state.dsp.transactions.values()
    assert transaction.state == "handed out"


def test_variant_6_gives_a_signed_command_out(bench: Bench) -> None:
    command = decode_message(local_command(signed(bench, "11.3", ACTIVATION, ESME, 6)))
    assert command.signature
    assert command.mac is not None
    assert not bench.advance(2 * DAY_MS)


@pytest.mark.parametrize(("variant", "critical"), [(3, False), (7, True)])
def test_variants_3_and_7_send_it_and_push_a_copy(bench: Bench, variant: int, critical: bool) -> None:
    if critical:
        assert signed(bench, "11.3", ACTIVATION, ESME, 7).code == "I99"
    else:
        assert bench.submit("11.2", to=ESME, variant=3).code == "I99"
    (copy,) = responses(bench.deliveries)
    request_id = copy.request_id
    command = decode_message(local_command(copy))
    (response,) = responses(bench.run_until_idle())
    assert response.request_id == request_id
    assert response.payload is not None
    answer = decode_message(base64.b64decode(response.payload.text))
    assert (answer.message_code, answer.counter) == (command.message_code, command.counter)


def test_the_copy_may_stand_in_the_answer() -> None:
    bench = bench_with(local_copy="answered")
    local_command(bench.submit("11.2", to=ESME, variant=3))
    assert told(bench.run_until_idle()) == {"one": ["11.2 I0"]}


def test_an_unknown_party_gets_a_command_of_the_broker(bench: Bench) -> None:
    command = decode_message(local_command(bench.submit("11.2", to=HUB, variant=2)))
    assert command.supplementary is not None
    assert command.supplementary.party == SUPPLIER
    counter = bench.world.engine.state.dsp.acb_counter
    assert command.counter == counter


@pytest.mark.parametrize("variant", [2, 3])
def test_local_delivery_is_for_some_roles_and_statuses(bench: Bench, variant: int) -> None:
    assert bench.submit("11.2", to=ESME, variant=variant, user=NETWORK_OPERATOR).code == "E17"
    bench.world.engine.state.dsp.inventory[ESME].status = DeviceStatus.WHITELISTED
    assert bench.submit("11.2", to=ESME, variant=variant).code == "E17"
    dated = element("ReadFirmwareVersion", element("ExecutionDateTime", "2026-01-06T08:00:00Z"))
    assert bench.submit("11.2", dated, to=GSME, variant=variant).code == "E17"


def test_roles_and_statuses_of_local_delivery_are_settings() -> None:
    bench = bench_with(local_delivery_roles="ED", local_delivery_statuses="Whitelisted")
    bench.world.engine.state.dsp.inventory[ESME].status = DeviceStatus.WHITELISTED
    assert bench.submit("11.2", to=ESME, variant=2, user=NETWORK_OPERATOR).code == "I0"
    assert bench.submit("11.2", to=ESME, variant=2).code == "E17"


def test_a_dated_pre_command_is_not_delivered_locally(bench: Bench) -> None:
    date = element("ExecutionDateTime", "2026-01-06T08:00:00Z")
    assert signed(bench, "11.3", element("ActivateFirmware", date, *ACTIVATION.children), ESME, 6).code == "E17"


def test_8_1_1_has_no_local_delivery(bench: Bench) -> None:
    clock = element("CommissionDeviceSynchroniseClock", element("CurrentDateTime", "2026-01-05T08:00:00Z"),
                    element("TolerancePeriod", "10"))  # fmt: skip
    assert signed(bench, "8.1.1", clock, ESME, 6).code == "E12"


# On the spot


def test_a_device_that_cannot_be_reached_answers_on_the_spot(bench: Bench) -> None:
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB))
    for eui in (ESME, GSME, HUB, PPMID):
        command = local_command(bench.submit("11.2", to=eui, variant=2))
        result = read_result(decode_message(answered(bench, eui, command)))
        assert result["firmware_version"] == "00010000"
    assert not bench.advance(DAY_MS)


def test_a_device_answers_nothing_that_is_not_for_it(bench: Bench) -> None:
    command = local_command(bench.submit("11.2", to=ESME, variant=2))
    assert deliver(bench, GSME, command) is None
    assert deliver(bench, ESME, command[:-1] + bytes([command[-1] ^ 1])) is None
    assert deliver(bench, ESME, b"\xdd\x00") is None


def test_what_cannot_listen_is_refused(bench: Bench) -> None:
    command = local_command(bench.submit("11.2", to=ESME, variant=2))
    bench.control("device.power", device=format_eui(ESME), on=False)
    with pytest.raises(AssertionError, match="has no power"):
        deliver(bench, ESME, command)
    with pytest.raises(AssertionError, match="there is no device"):
        deliver(bench, 7, command)
    with pytest.raises(AssertionError, match="1 to 65535 octets"):
        deliver(bench, ESME, b"")
    with pytest.raises(Malformed, match="there is no device"):
        bench.world.engine.premises.deliver(SUPPLIER, command, bench.now_ms)


# Back


def test_a_returned_response_counts_like_any_other(bench: Bench) -> None:
    bench.world.engine.state.dsp.inventory[ESME].firmware_version = "00010100"
    command = local_command(bench.submit("11.2", to=ESME, variant=2))
    original = str(next(iter(bench.world.engine.state.dsp.transactions.values())).request.request_id)
    assert give_back(bench, answered(bench, ESME, command), original=original.lower()).code == "I99"
    assert bench.world.engine.state.dsp.inventory[ESME].firmware_version == "00010000"
    assert told(bench.deliveries) == {"one": ["N49"]}, "the user has the response, and hears of the mismatch"
    (transaction,) = bench.world.engine.state.dsp.transactions.values()
    assert transaction.state == "answered"


def test_returning_it_twice_changes_nothing_more(bench: Bench) -> None:
    response = answered(bench, ESME, local_command(bench.submit("11.2", to=ESME, variant=2)))
    assert give_back(bench, response).code == "I99"
    bench.world.engine.state.dsp.inventory[ESME].firmware_version = "00010100"
    assert give_back(bench, response).code == "I99"
    assert bench.world.engine.state.dsp.inventory[ESME].firmware_version == "00010100"


def test_a_returned_response_may_be_forwarded() -> None:
    bench = bench_with(forward_local_response=True)
    assert give_back(bench, answered(bench, ESME, local_command(bench.submit("11.2", to=ESME, variant=2)))).code == "I99"
    assert told(bench.deliveries) == {"one": ["11.2 I0"]}


def test_of_two_ways_the_first_answer_counts(bench: Bench) -> None:
    bench.control("fault.add", kind="wan.unreachable", device=format_eui(HUB))
    assert bench.submit("8.9", to=ESME, variant=3).code == "I99"
    (copy,) = responses(bench.deliveries)
    response = answered(bench, ESME, local_command(copy))
    assert bench.world.engine.awaited() == 1
    assert give_back(bench, response).code == "I99"
    assert not bench.world.engine.awaited()
    assert not responses(bench.advance(2 * DAY_MS)), "what the WAN brings or fails to bring is no news any more"


def test_a_response_that_is_not_the_users_own_is_refused(bench: Bench) -> None:
    command = local_command(bench.submit("11.2", to=ESME, variant=2))
    response = answered(bench, ESME, command)
    assert give_back(bench, response, user=SUPPLIER_TWO).code == "E081301"
    assert give_back(bench, response, user=OTHER_USER).code == "E2"
    other = f"{format_eui(SUPPLIER)}:{format_eui(ESME)}:7"
    assert give_back(bench, response, original=other).code == "E081303"
    assert give_back(bench, command).code == "E081302"
    assert give_back(bench, b"\x00" * 40).code == "E081302"
    body = element("ReturnLocalCommandResponse", element("DeviceGBCSResponse", "é"))
    assert bench.submit("8.13", body).code == "E081302"
    assert give_back(bench, response).code == "I99"


def test_a_response_to_a_command_that_went_over_the_wan_alone_is_refused(bench: Bench) -> None:
    bench.submit("11.2", to=ESME)
    (response,) = responses(bench.run_until_idle())
    assert response.payload is not None
    assert give_back(bench, base64.b64decode(response.payload.text)).code == "E081301"


def test_an_altered_response_is_refused_where_the_dcc_can_tell(bench: Bench) -> None:
    for command in (
        local_command(signed(bench, "11.3", ACTIVATION, ESME, 6)),
        local_command(bench.submit("11.2", to=HUB, variant=2)),
    ):
        recipient = decode_message(command).recipient
        response = answered(bench, recipient, command)
        assert give_back(bench, response[:-1] + bytes([response[-1] ^ 1])).code == "E081302"
        assert give_back(bench, response).code == "I99"


def test_a_join_on_the_spot_reaches_the_inventory(bench: Bench) -> None:
    meter = bench.world.engine.state.dsp.inventory[ESME]
    for srv, name, joined in (("8.7.1", "JoinServiceCritical", (PPMID,)), ("8.8.1", "UnjoinServiceCritical", ())):
        command = local_command(signed(bench, srv, element(name, element("OtherDeviceID", format_eui(PPMID))), ESME, 6))
        response = answered(bench, ESME, command)
        assert meter.joined_to != joined
        assert give_back(bench, response).code == "I99"
        assert meter.joined_to == joined


def test_what_takes_its_time_comes_over_the_wan(bench: Bench) -> None:
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    image_hash = next(
        row.image_hash for row in bench.world.estate.cpl if row.device_type == "ESME" and row.firmware_version == "00010100"
    )
    body = element("ActivateFirmware", element("FirmwareHash", image_hash))
    assert deliver(bench, ESME, local_command(signed(bench, "11.3", body, ESME, 6))) is None
    assert told(bench.advance(HOUR_MS)) == {"one": ["11.3 I0"]}
    assert bench.world.engine.state.dsp.inventory[ESME].firmware_version == "00010100"


def test_a_snapshot_in_between_changes_nothing() -> None:
    def run(interrupt: bool) -> str:
        bench = Bench()
        command = local_command(bench.submit("11.2", to=ESME, variant=2))
        if interrupt:
            bench.world = restore_world("default", bench.world.engine.snapshot())
        assert give_back(bench, answered(bench, ESME, command)).code == "I99"
        bench.advance(HOUR_MS)
        return bench.world.engine.digest()

    assert run(False) == run(True)
