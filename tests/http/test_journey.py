"""The main job from end to end over HTTP, with a stop and a power cut on the way."""

import base64
from dataclasses import replace
from pathlib import Path

from emulator.client.precommand import check_pre_command, pre_command_of
from emulator.client.receiver import Received, Receiver
from emulator.client.requests import activate_firmware, read_firmware_version, read_inventory, signed_pre_command
from emulator.client.session import DuisClient
from emulator.domain.identifiers import Eui64, format_eui
from emulator.duis.messages import DeviceAlert, ServiceResponse
from emulator.gbcs.message import decode_message
from emulator.gbcs.protect import sign
from emulator.gbcs.results import read_result
from tests.http.conftest import MakeSide
from tests.http.images import VERSION, distribute, image, image_hash
from tests.http.running import emulator_process
from tests.http.side import ESME, SUPPLIER, Side, device

NORTH = device(1, "A0")
METERS = (ESME, NORTH)
OLD_VERSION = "00010000"


async def listed_versions(side: Side) -> list[str | None]:
    """What the inventory says that the two meters run."""
    found = []
    for meter in METERS:
        answer = await side.ask(read_inventory(SUPPLIER, meter))
        assert answer.code == "I0"
        assert answer.payload is not None
        entry = next(entry for entry in answer.payload if entry.value("DeviceID") == format_eui(meter))
        found.append(entry.value("DeviceFirmwareVersion"))
    return found


def about(push: Received) -> tuple[Eui64 | None, str]:
    """Which device a push is about, and what it is."""
    message = push.message
    if isinstance(message, DeviceAlert):
        return decode_message(message.gbcs_payload).originator, f"{message.alert_code:04X}"
    if isinstance(message, ServiceResponse):
        return None if push.request_id is None else push.request_id.target, f"{message.service_reference_variant} {message.code}"
    return next(meter for meter in METERS if format_eui(meter).encode() in push.document), message.alert_code


def result_of(push: Received) -> dict[str, object]:
    """The GBCS result in a response, as values."""
    assert isinstance(push.message, ServiceResponse)
    assert push.message.payload is not None
    return dict(read_result(decode_message(base64.b64decode(push.message.payload.text))))


async def test_from_inventory_to_inventory(tmp_path: Path, sides: MakeSide) -> None:
    data = tmp_path / "data"

    with emulator_process(tmp_path, storage__folder=data) as emulator:
        side = await sides(emulator)
        async with Receiver(side.reader) as nobody_yet:
            port = nobody_yet.port
        await side.control.set_endpoint(SUPPLIER, nobody_yet.url)

        assert await listed_versions(side) == [OLD_VERSION, OLD_VERSION]
        distribution = side.stamped(distribute(image(side, "ESME"), list(METERS)))
        await side.control.pause()
        assert (await side.ask(distribution)).code == "I99"
        while (before := await side.control.outbox())["counts"]["queued"] < 1:
            await side.control.advance(by_ms=60_000)
        assert before["counts"]["delivered"] == before["counts"]["dead"] == 0
        assert all(job["open"] for job in (await side.control.jobs())[0]["jobs"]), "in the middle of the distribution"
        digest, devices = await side.control.digest(), await side.control.devices()
        written = [(await side.control.message(message["number"]))["xml"] for message in before["messages"]]

    # stopped in the middle, and started again on the same folder

    with emulator_process(tmp_path, storage__folder=data) as emulator:
        side = replace(await sides(emulator), counters=side.counters)
        found = await side.control.outbox()
        assert [message["number"] for message in found["messages"]] == [message["number"] for message in before["messages"]]
        assert [(await side.control.message(message["number"]))["xml"] for message in found["messages"]] == written
        assert (await side.control.digest(), await side.control.devices()) == (digest, devices)
        assert (await side.refused(distribution)).code == "E44", "an old RequestID is remembered"
        assert (await side.control.clock())["mode"] == "paused"
        async with Receiver(side.reader, port=port) as receiver:
            await side.control.autojump()
            for meter in METERS:
                await receiver.wait_for(lambda push, meter=meter: about(push) == (meter, "8F72"))
            assert await side.control.wait("idle")
        for meter in METERS:
            told = [what for who, what in map(about, receiver.received) if who == meter]
            assert told == ["N60", "N62", "8F72"]
        for push in receiver.received:
            if isinstance(push.message, DeviceAlert):
                assert read_result(decode_message(push.message.gbcs_payload))["hash"] == image_hash("ESME").hex()
        assert not [push for push in receiver.received if push.duplicate]
        assert await listed_versions(side) == [OLD_VERSION, OLD_VERSION], "the inventory lags until an answer proves the version"

        request = side.stamped(activate_firmware(SUPPLIER, ESME, image_hash("ESME")))
        answer = await side.ask(request)
        pre_command = pre_command_of(answer)
        assert check_pre_command(request, pre_command).problem is None
        emulator.kill()

    # killed between Transform and Signed Pre-Command

    with emulator_process(tmp_path, storage__folder=data) as emulator:
        side = replace(await sides(emulator), counters=side.counters)
        async with Receiver(side.reader, port=port) as receiver:
            command = sign(pre_command, side.gbcs_party(SUPPLIER).private_key)
            assert (await side.ask(signed_pre_command(request, command.encode()))).code == "I99"
            outcome = await receiver.answer_to(request.request_id)
            assert about(outcome) == (ESME, "11.3 I0")
            assert result_of(outcome)["activate_image_code"] == 0

            async with DuisClient(side.url(), SUPPLIER, side.keys, reader=side.reader, counters=side.counters) as client:
                done = await client.transform_and_send(activate_firmware(SUPPLIER, NORTH, image_hash("ESME")))
                assert not isinstance(done, ServiceResponse)
                assert done.acknowledgement.code == "I99"
                assert done.content_compared
            assert about(await receiver.answer_to(done.transform.request_id)) == (NORTH, "11.3 I0")

            for meter in METERS:
                reading = side.stamped(read_firmware_version(SUPPLIER, meter))
                assert (await side.ask(reading)).code == "I99"
                answer_push = await receiver.answer_to(reading.request_id)
                assert result_of(answer_push)["firmware_version"] == VERSION
        assert await listed_versions(side) == [VERSION, VERSION]
        jobs = (await side.control.jobs())[0]["jobs"]
        assert {job["state"] for job in jobs} == {"CONFIRMED"}
        counts = (await side.control.outbox())["counts"]
        assert (counts["queued"], counts["dead"]) == (0, 0)
