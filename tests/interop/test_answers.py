"""Everything that we send is taken by the DCC's own tool: schema, signature, parser and type guards.

Its schema is 5.1, so values that are newer than that are refused by it; which they are is part of the test.
"""

import asyncio
import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from emulator.cli.demo.command import tracks_of
from emulator.cli.demo.ledger import Ledger
from emulator.cli.demo.stage import Stage, set_stage
from emulator.cli.demo.story import Story
from emulator.cli.demo.transcript import Transcript
from emulator.client import requests
from emulator.client.official import OfficialTools
from emulator.client.session import DuisClient, Exchange, SignedCommand
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import DeviceType, WebService
from emulator.duis.messages import DccAlert, DeviceAlert, Message, ServiceResponse
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image, load_estate
from emulator.gbcs.message import decode_message
from emulator.gbcs.protect import sign
from emulator.ota.image import build
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore
from emulator.service.server import Server

USER = parse_eui("90-B3-D5-1F-30-01-00-00")
OTHER = parse_eui("90-B3-D5-1F-30-03-00-00")
ESME = parse_eui("00-DB-12-34-56-78-90-A0")
HUB = parse_eui("00-DB-12-34-56-78-90-A2")
GSME = parse_eui("00-DB-12-34-56-78-90-A1")
NORTH_ESME, NORTH_HUB, NORTH_PPMID = (parse_eui(f"00-DB-12-34-56-78-91-A{digit}") for digit in (0, 2, 4))
NEW_DEVICES = [parse_eui(f"00-DB-12-34-56-78-93-A{digit}") for digit in range(3)]
NETWORK_OPERATOR = parse_eui("90-B3-D5-1F-30-02-00-00")
ANOTHERS = parse_eui("00-DB-12-34-56-78-92-A0")
HOUR_MS = 3_600_000
HASH = bytes(32)
"""Of no image."""

NEWER_THAN_5_1 = {"DSPInventory": "Connectivity"}
"""Payload or body and the element in it that schema 5.1 does not know (source: wire_contract.md section 3.4, measured)."""


@dataclass
class Collected:
    """One message of each kind."""

    messages: dict[str, tuple[Message, bytes]] = field(default_factory=dict)

    def add(self, message: Message, document: bytes) -> None:
        self.messages.setdefault(_kind(message), (message, document))


def _kind(message: Message) -> str:
    if isinstance(message, DeviceAlert):
        return f"device alert {message.alert_code:04X}"
    if isinstance(message, DccAlert):
        return f"DCC alert {message.alert_code} {message.body.name}"
    payload = message.payload.name if message.payload else "nothing"
    return f"{message.service_reference_variant} {message.code} {payload}"


async def _collect(server: Server, folder: Path) -> Collected:
    """Update firmware as the demo does, then let a few things go wrong; keep one message of each kind."""
    collected = Collected()
    estate = load_estate(default_estate_toml())
    ledger = Ledger(tracks_of(estate))
    devices = [device.eui for home in estate.homes for device in home.devices]
    async with set_stage(server, {USER, OTHER, NETWORK_OPERATOR}, devices, Transcript(folder)) as stage:
        reader = stage.actors[USER].client.reader
        for actor in stage.actors.values():
            record = actor.client.observer

            def observe(exchange: Exchange, record: Any = record) -> None:
                record(exchange)
                collected.add(reader.read(exchange.answer), exchange.answer)

            actor.client.observer = observe
        await Story(estate, stage, ledger).tell()
        assert ledger.failed == []
        await _more(stage)
        for actor in stage.actors.values():
            assert actor.receiver.refused == []
            for push in actor.receiver.received:
                collected.add(push.message, push.document)
    return collected


async def _more(stage: Stage) -> None:
    """Refusals, encrypted answers, silence, failures, device log, decommissioning."""
    client, control = stage.actors[USER].client, stage.control
    await client.send(requests.activate_firmware(USER, ANOTHERS, HASH))
    await client.send(requests.read_firmware_version(USER, Eui64(ESME + 0x0F)))
    for request in (requests.read_import_registers, requests.read_identity, requests.read_device_log):
        await client.send(request(USER, ESME if request is not requests.read_device_log else HUB))
    for silent in (ESME, HUB):
        await control.set_power(silent, False)
        await client.send(requests.read_firmware_version(USER, ESME))
        due_ms = (await control.clock())["now_ms"] + HOUR_MS
        await client.send(requests.read_firmware_version(USER, ESME, due_ms))
        await control.advance(by_ms=2 * HOUR_MS)
        await control.run_until_idle(timeout_ms=20_000)
        await control.set_power(silent, True)
    await _fail_to_distribute(stage)
    await _install_and_remove(stage)
    await client.send(requests.decommission_device(USER, ESME))
    await control.wait("idle")


async def _fail_to_distribute(stage: Stage) -> None:
    """N61, N18 to N23, 8F1C and 8F89."""
    client, control = stage.actors[USER].client, stage.control
    record = stage.keys.live(USER, Usage.DIGITAL_SIGNATURE)
    assert record is not None
    faults = {ESME: ("hub.store_full", HUB), NORTH_ESME: ("device.verify_fails", NORTH_ESME), GSME: ("csp.rejects_image", HUB)}
    for device, (fault, place) in faults.items():
        manufacturer, model, size = ("12A5", "00030101", 32_000) if device == GSME else ("11E5", "00020101", 48_000)
        image = build(
            generated_manufacturer_image(manufacturer, model, "00010200", size),
            manufacturer_code=int(manufacturer, 16),
            image_type=0,
            file_version=0x00010200,
            private_key=record.private_key,
        )
        await control.add_fault(fault, place)
        assert (await client.send(requests.update_firmware(USER, image, "00010200", [device]))).code == "I99"
        await control.run_until_idle(timeout_ms=20_000)
        await control.clear_faults()


async def _install_and_remove(stage: Stage) -> None:
    """N9, N24 and N25: a device that is announced and deleted, one that joins, one that does not; one that leaves."""
    client, control = stage.actors[USER].client, stage.control
    details = {"manufacturer": "13D0", "model": "00040101", "smets_version": "PPMIDTS V1.2", "firmware_version": "00010000"}
    for device in NEW_DEVICES:
        answer = await client.send(requests.device_prenotification(USER, device, DeviceType.PPMID, **details))
        assert answer.code == "I99", answer
    deleted, joining, absent = NEW_DEVICES
    await client.send(requests.update_inventory(USER, deleted, requests.deletion()))
    await control.call("POST", f"/control/v1/worlds/default/devices/{format_eui(joining)}/fit", body={"hub": format_eui(HUB)})
    for device in (joining, absent):
        await client.send(requests.add_to_device_log(USER, HUB, device, bytes(16), join_time_s=300))
    await control.run_until_idle(timeout_ms=20_000)
    await client.send(requests.remove_from_device_log(USER, NORTH_HUB, NORTH_PPMID))
    await control.run_until_idle(timeout_ms=20_000)


@pytest.fixture
async def collected(server: Server, tmp_path: Path) -> Collected:
    return await _collect(server, tmp_path / "transcript")


KINDS = {
    "8.2 I0 DSPInventory",
    "11.1 I99 nothing",
    "11.1 W110101 DSPUpdateFirmwareWarning",
    "11.4 I99 nothing",
    "11.3 I0 PreCommand",
    "11.3 I99 nothing",
    "11.3 I0 GBCSPayload",
    "11.3 I0 FutureDatedDeviceAlertMessage",
    "11.2 I99 nothing",
    "11.2 I0 GBCSPayload",
    "11.2 E19 nothing",
    "11.2 E20 nothing",
    "11.2 E21 nothing",
    "11.3 E4 nothing",
    "4.1.1 I0 GBCSPayload",
    "6.2.4 I0 GBCSPayload",
    "8.9 I0 GBCSPayload",
    "8.11 I0 GBCSPayload",
    "device alert 8F72",
    "device alert 8F1C",
    "12.2 I99 nothing",
    "8.3 I99 nothing",
    "8.4 I99 nothing",
    "DCC alert N1 DeviceStatusChangeEvent",
    "DCC alert N9 DeviceStatusChangeEvent",
    "DCC alert N13 CommandFailure",
    "DCC alert N18 FirmwareDistributionFailure",
    "DCC alert N24 UpdateHANDeviceLogResult",
    "DCC alert N25 UpdateHANDeviceLogResult",
    "DCC alert N39 PPMIDAlert",
    "DCC alert N59 FirmwareUpgradeRequested",
    "DCC alert N60 CSPFirmwareDeliveryStatus",
    "DCC alert N61 CSPFirmwareDeliveryStatus",
    "DCC alert N62 CommsHubAlert",
}


A_FEW = {
    "8.2 I0 DSPInventory",
    "11.1 W110101 DSPUpdateFirmwareWarning",
    "11.2 E19 nothing",
    "11.3 I0 PreCommand",
    "11.3 I0 FutureDatedDeviceAlertMessage",
    "11.3 I0 GBCSPayload",
    "DCC alert N62 CommsHubAlert",
    "device alert 8F72",
}


async def test_the_main_kinds_of_message_are_taken(collected: Collected, interop: OfficialTools) -> None:
    await _validate({kind: collected.messages[kind] for kind in A_FEW}, interop)


@pytest.mark.verify
async def test_every_kind_of_message_is_taken(collected: Collected, interop: OfficialTools) -> None:
    assert set(collected.messages) >= KINDS, KINDS - set(collected.messages)
    await _validate(collected.messages, interop)


async def _validate(messages: dict[str, tuple[Message, bytes]], interop: OfficialTools) -> None:
    items = [{"name": kind, "xml": document.decode()} for kind, (_, document) in messages.items()]
    for result in await asyncio.to_thread(interop.validate, items):
        kind, (message, _) = result["name"], messages[result["name"]]
        newer = next((element for name, element in NEWER_THAN_5_1.items() if name in kind), None)
        if newer is not None:
            assert f"starting with element '{{\"http://www.dccinterface.co.uk/ServiceUserGateway\":{newer}}}'" in result["error"]
            continue
        assert "error" not in result, (kind, result)
        _compare(message, result["parsed"], result["guards"])


def _compare(message: Message, parsed: dict[str, Any], guards: dict[str, bool]) -> None:
    """What the DCC's parser reads is what we meant."""
    kind = {ServiceResponse: "response_message", DeviceAlert: "device_alert", DccAlert: "dcc_alert"}[type(message)]
    assert guards == {"response": True, "response_message": False, "device_alert": False, "dcc_alert": False, kind: True}
    header = parsed["header"]
    if isinstance(message, ServiceResponse):
        body = parsed["body"]["ResponseMessage"]
        assert header["responseCode"] == message.code
        assert _request_id(header["requestId"]) == (message.request_id or "").lower()
        assert body["ServiceReferenceVariant"] == message.service_reference_variant
        assert message.payload is None or message.payload.name in body
    elif isinstance(message, DeviceAlert):
        body = parsed["body"]["DeviceAlertMessage"]
        assert (header["responseCode"], "requestId" in header) == ("I0", False)
        assert body["AlertCode"] == f"{message.alert_code:04X}"
        assert base64.b64decode(body["GBCSPayload"]) == message.gbcs_payload
        assert "ThrottledAlertCount" not in body  # its type guard would not take the message
    else:
        body = parsed["body"]["DCCAlertMessage"]
        assert header["responseCode"] == "I0"
        assert (body["DCCAlertCode"], message.body.name in body["DCCAlert"]) == (message.alert_code, True)


def _request_id(parts: dict[str, str]) -> str:
    return f"{parts['originatorId']}:{parts['targetId']}:{parts['counter']}"


async def test_critical_command_signed_twice_by_the_official_tool(
    server: Server, interop: OfficialTools, official_keys: KeyStore
) -> None:
    """Transform and Signed Pre-Command, both signed by the DCC's tool, with one RequestID."""
    template = {"template": "CS06_11.3_IMMEDIATE_SUCCESS_REQUEST_DUIS.XML"}
    (transform,) = await asyncio.to_thread(interop.sign, [{"name": "transform", **template}])
    async with DuisClient(server.url("duis"), USER, official_keys) as client:
        status, _, content = await client.post(WebService.TRANSFORM, transform["xml"].encode())
        answer = client.reader.read(content)
        assert (status, isinstance(answer, ServiceResponse)) == (200, True)
        assert isinstance(answer, ServiceResponse)
        assert answer.payload is not None
        pre_command = decode_message(base64.b64decode(answer.payload.required("GBCSPayload")))
        record = official_keys.live(USER, Usage.DIGITAL_SIGNATURE)
        assert record is not None
        assert record.private_key is not None
        payload = base64.b64encode(sign(pre_command, record.private_key).encode()).decode()
        signed = await asyncio.to_thread(
            interop.sign,
            [
                {
                    "name": "signed",
                    **template,
                    "counter": transform["request_id"].rpartition(":")[2],
                    "command_variant": 5,
                    "body": {"SignedPreCommand": {"GBCSPayload": payload}},
                }
            ],
        )
        assert signed[0]["request_id"] == transform["request_id"]
        status, _, content = await client.post(WebService.SEND_COMMAND, signed[0]["xml"].encode())
        acknowledgement = client.reader.read(content)
    assert isinstance(acknowledgement, ServiceResponse)
    assert (status, acknowledgement.code) == (200, "I99")


async def test_what_the_official_tool_refuses_is_what_was_altered(
    server: Server, interop: OfficialTools, official_keys: KeyStore
) -> None:
    observed: list[Exchange] = []
    async with DuisClient(server.url("duis"), USER, official_keys, observer=observed.append) as client:
        await client.send(requests.read_firmware_version(USER, ESME))
        done = await client.transform_and_send(requests.activate_firmware(USER, ESME, HASH))
    assert isinstance(done, SignedCommand)
    genuine = observed[0].answer.decode()
    altered = genuine.replace(">I99<", ">I0<")
    results = await asyncio.to_thread(
        interop.validate, [{"name": "genuine", "xml": genuine}, {"name": "altered", "xml": altered}]
    )
    assert "error" not in results[0]
    assert "validation failed" in results[1]["error"]
