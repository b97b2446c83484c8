"""Update the firmware of an electricity meter, message by message: needs `make run` in another terminal."""

import asyncio
import hashlib
import os
from collections.abc import Mapping

from emulator.client import requests
from emulator.client.control import ControlClient
from emulator.client.decode import decode_payload, payload_of
from emulator.client.documents import MessageReader
from emulator.client.keys import fetch_key_store
from emulator.client.receiver import Received, Receiver
from emulator.client.session import DuisClient, SignedCommand
from emulator.domain.identifiers import RequestId, parse_eui
from emulator.duis.messages import DccAlert, DeviceAlert
from emulator.ota.image import build
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore

DUIS = os.environ.get("DUIS", "http://127.0.0.1:8079")
SMKI = os.environ.get("SMKI", "http://127.0.0.1:8083")
CONTROL = os.environ.get("CONTROL", "http://127.0.0.1:8080")

SUPPLIER = parse_eui("90-B3-D5-1F-30-01-00-00")
METER = parse_eui("00-DB-12-34-56-78-90-A0")
FIRMWARE, VERSION = b"my own firmware " * 2048, "00010300"
FIRMWARE_HASH = hashlib.sha256(FIRMWARE).digest()


async def main() -> None:
    """The whole story."""
    keys = await fetch_key_store(SMKI)
    reader = MessageReader(keys)
    async with (
        ControlClient(CONTROL) as control,
        DuisClient(DUIS, SUPPLIER, keys, reader=reader) as client,
        Receiver(reader) as receiver,
    ):
        # Where our pushes go, and time that jumps while we wait: hours of network time take seconds.
        await control.set_endpoint(SUPPLIER, receiver.url)
        await control.autojump()

        # The image: an OTA header, the firmware, the supplier's signature; and its entry in the firmware list.
        signing = keys.live(SUPPLIER, Usage.DIGITAL_SIGNATURE)
        assert signing is not None
        image = build(
            FIRMWARE, manufacturer_code=0x11E5, image_type=0, file_version=int(VERSION, 16), private_key=signing.private_key
        )
        product = {"type": "ESME", "manufacturer": "11E5", "model": "00020101", "firmware_version": VERSION}
        await control.put_firmware(**product, image_hash=FIRMWARE_HASH.hex())

        # 11.1: distribute. The hub reports first, then the meter, which has verified the image.
        answer = await client.send(requests.update_firmware(SUPPLIER, image, VERSION, [METER]))
        print("11.1:", answer.code)
        delivered = await receiver.wait_for(lambda push: isinstance(push.message, DccAlert), timeout_s=60)
        print("     ", describe(delivered))
        verified = await receiver.wait_for(lambda push: isinstance(push.message, DeviceAlert), timeout_s=60)
        print("     ", describe(verified))

        # 11.3: activate. Transform, check the Pre-Command, sign it, send it; the client does it in one call.
        command = await client.transform_and_send(requests.activate_firmware(SUPPLIER, METER, FIRMWARE_HASH))
        assert isinstance(command, SignedCommand), command
        print("11.3:", command.acknowledgement.code)
        activated = await receiver.answer_to(command.transform.request_id, timeout_s=60)
        print("     ", read(activated, keys)["activate_image_code"])

        # 11.2: read the version back.
        answer = await client.send(requests.read_firmware_version(SUPPLIER, METER))
        version = await receiver.answer_to(RequestId.parse(answer.request_id or ""), timeout_s=60)
        print("11.2:", read(version, keys)["firmware_version"])

        # 8.2: the inventory agrees.
        answer = await client.send(requests.read_inventory(SUPPLIER, METER))
        versions = {entry.value("DeviceID"): entry.value("DeviceFirmwareVersion") for entry in answer.payload or ()}
        print("8.2: ", versions["00-DB-12-34-56-78-90-A0"])


def describe(push: Received) -> str:
    """One line about an alert."""
    if isinstance(push.message, DccAlert):
        return f"DCC Alert {push.message.alert_code} {push.message.body.name}"
    assert isinstance(push.message, DeviceAlert)
    return f"Device Alert {push.message.alert_code:04X}"


def read(push: Received, keys: KeyStore) -> Mapping[str, object]:
    """The readable values of a device's answer."""
    payload = payload_of(push.message)
    assert payload is not None
    return decode_payload(payload, keys).values


asyncio.run(main())
