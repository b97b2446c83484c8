"""The story of the demo, step by step: read the inventory, distribute, follow, activate, read back, compare.

Every step verifies what it sees: signatures, hashes, correlation, versions. Devices go in two waves because a hub holds two
images at a time (source: limits L034, an estimate).
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby

from emulator.cli.demo.ledger import DemoFailed, Ledger, Milestone, Track
from emulator.cli.demo.stage import Stage
from emulator.client import requests
from emulator.client.decode import Verdict
from emulator.client.session import SignedCommand
from emulator.domain.identifiers import Eui64, RequestId, format_eui
from emulator.domain.vocabulary import ActivateImageCode, DeviceType
from emulator.duis.messages import Element, Request, ServiceResponse
from emulator.estate.declaration import generated_manufacturer_image
from emulator.estate.model import CplEntry, Estate
from emulator.ota.image import build
from emulator.pki.certificates import Usage

LATER_MS = 2 * 3_600_000
"""How far ahead the dated activation lies."""

SILENT_ACTIVATION_MS = 10 * 60_000
"""Longer than a PPMID that does not report takes to activate (2 minutes; limits L095, an estimate)."""

FIRMWARE_VERIFIED, FUTURE_DATED_DONE = 0x8F72, 0x8F66
WAVES: tuple[frozenset[DeviceType], ...] = (
    frozenset({DeviceType.ESME, DeviceType.GSME}),
    frozenset({DeviceType.HCALCS, DeviceType.PPMID}),
)


class Story:
    """One telling of it."""

    def __init__(self, estate: Estate, stage: Stage, ledger: Ledger) -> None:
        self._estate = estate
        self._stage = stage
        self._ledger = ledger

    async def tell(self) -> None:
        """All steps in order; raises :class:`DemoFailed` when one cannot go on."""
        ledger = self._ledger
        ledger.step("read the inventory (8.2)")
        await self._read_inventory({track.eui: track.device.firmware_version for track in ledger.tracks})
        for number, types in enumerate(WAVES, 1):
            wave = [track for track in ledger.tracks if track.device.device_type in types]
            names = ", ".join(sorted({track.device.device_type for track in wave}))
            ledger.step(f"wave {number}: distribute to {names} in all regions (11.1, 11.4), follow every device")
            await self._distribute(wave)
            await asyncio.gather(*(self._follow(track) for track in wave))
        waiting = [track for track in ledger.tracks if not track.activates_itself]
        ledger.step("activate (11.3: Transform, check, sign, send); one of them at a later time")
        dated = await self._activate_later(waiting[0])
        await asyncio.gather(*(self._activate(track) for track in waiting[1:]))
        await self._see_activation_later(waiting[0], dated)
        ledger.step("read the running versions back (11.2)")
        await asyncio.gather(*(self._read_back(track) for track in ledger.tracks))
        ledger.step("compare with the inventory (8.2)")
        await self._read_inventory({track.eui: track.version for track in ledger.tracks}, reach=True)
        ledger.step("look at what was delivered")
        await self._look_at_deliveries()

    async def _read_inventory(self, expected: Mapping[Eui64, str], *, reach: bool = False) -> None:
        user = min(self._stage.actors)
        for home in self._estate.homes:
            answer = await self._send(user, requests.read_inventory(user, home.hub), "I0")
            listed = {entry.value("DeviceID"): entry for entry in answer.payload or ()}
            self._ledger.verify(home.name, "devices listed", set(listed), {format_eui(each.eui) for each in home.devices})
            for track in self._ledger.tracks:
                entry = listed.get(format_eui(track.eui))
                if entry is None:
                    continue
                version = entry.value("DeviceFirmwareVersion")
                as_expected = self._ledger.verify(self._name(track), "version in the inventory", version, expected[track.eui])
                if reach and as_expected:
                    self._ledger.reach(track, Milestone.LISTED, answer.at_ms)

    async def _distribute(self, wave: Sequence[Track]) -> None:
        def kind(track: Track) -> tuple[Eui64, str]:
            return track.supplier, track.device.device_type

        for (user, _), group in groupby(sorted(wave, key=kind), kind):
            tracks = list(group)
            image, digest = self._image(user, tracks[0])
            make = requests.update_ppmid_firmware if tracks[0].activates_itself else requests.update_firmware
            foreign = self._foreign(user, tracks)
            answer = await self._send(
                user,
                make(user, image, tracks[0].version, [*(track.eui for track in tracks), *foreign]),
                ("W110101" if foreign else "I99"),
            )
            if foreign:
                refused = answer.payload.value("InvalidDeviceIDList") if answer.payload else None
                self._ledger.verify(
                    "warning", "devices of another supplier left out", refused, ",".join(format_eui(eui) for eui in foreign)
                )
            for track in tracks:
                track.image_hash, track.request_id = digest, RequestId.parse(answer.request_id or "")

    def _foreign(self, user: Eui64, tracks: Sequence[Track]) -> list[Eui64]:
        """ESMEs of another supplier that the first user names too, to see that they are left out with a warning."""
        if tracks[0].device.device_type is not DeviceType.ESME or user != min(self._stage.actors):
            return []
        others = (track for track in self._ledger.tracks if track.device.device_type is DeviceType.ESME)
        return [track.eui for track in others if track.supplier != user]

    async def _follow(self, track: Track) -> None:
        """From the hub to the verified image, or to the running firmware where the device activates by itself."""
        stage, ledger, name = self._stage, self._ledger, self._name(track)
        alert = await stage.dcc_alert(
            track.supplier, "CSPFirmwareDeliveryStatus", lambda body: _about(body, track, "TargetDeviceID"), f"N60 for {name}"
        )
        ledger.verify(name, "delivered to its hub", alert.body.value("CommsHubTransferStatus"), "Success")
        ledger.verify(name, "the hub is its own", alert.body.value("CommsHubDeviceID"), format_eui(track.device.hub))
        ledger.reach(track, Milestone.AT_HUB, alert.at_ms)
        alert = await stage.dcc_alert(
            track.supplier, "CommsHubAlert", lambda body: _transfer_about(body, track), f"CCS08 for {name}"
        )
        transfer = alert.body.find("FirmwareTransferAlert")
        ledger.verify(name, "hub reports 8F8A", alert.body.value("AlertCode"), "8F8A")
        ledger.verify(name, "transferred", transfer and transfer.value("TransferResponseCode"), "FileTransferSuccess")
        ledger.reach(track, Milestone.TRANSFERRED, alert.at_ms)
        if not track.activates_itself:
            await self._see_verified(track)
        elif track.device.supports_cs09:
            await self._see_self_activation(track)
        else:  # it activates in silence; reading it back will tell
            await stage.control.advance(to_ms=alert.at_ms + SILENT_ACTIVATION_MS)

    async def _see_verified(self, track: Track) -> None:
        ledger, name = self._ledger, self._name(track)
        alert, decoded = await self._stage.device_alert(track.supplier, track.eui, FIRMWARE_VERIFIED, f"8F72 of {name}")
        ledger.verify(name, "8F72 signed by the device", decoded.signature, Verdict.VALID)
        ledger.verify(name, "8F72 from the device", decoded.message.originator, track.eui)
        ledger.verify(name, "hash of the image it holds", decoded.values.get("hash"), track.image_hash)
        ledger.reach(track, Milestone.VERIFIED, alert.at_ms)

    async def _see_self_activation(self, track: Track) -> None:
        ledger, name = self._ledger, self._name(track)
        alert = await self._stage.dcc_alert(
            track.supplier, "PPMIDAlert", lambda body: body.value("DeviceID") == format_eui(track.eui), f"CS09 of {name}"
        )
        upgrade = alert.body.find("PPMIDFirmwareUpgradeAlert")
        ledger.verify(name, "PPMID reports 8F8B", alert.body.value("DeviceAlertCode"), "8F8B")
        ledger.verify(name, "activated by itself", upgrade and upgrade.value("ActivateImageResultCode"), "ActivationSuccess")
        ledger.verify(name, "version it reports", upgrade and upgrade.value("FirmwareVersion"), track.version)
        ledger.reach(track, Milestone.ACTIVATED, alert.at_ms)

    async def _activate(self, track: Track) -> None:
        command = await self._transform_and_send(track, None)
        name, request_id = self._name(track), command.transform.request_id
        push = await self._stage.answer(track.supplier, request_id, f"the answer of {name} to 11.3")
        decoded = self._stage.decode(push)
        self._ledger.verify(name, "answer signed by the device", decoded.signature, Verdict.VALID)
        self._ledger.verify(name, "answer to this command", decoded.message.counter, request_id.counter)
        self._check_activation(track, decoded.values, push.message.at_ms)

    async def _activate_later(self, track: Track) -> RequestId:
        """Future dated: the device takes the date now and raises 8F66 when it has acted. Returned is the request's identity."""
        due_ms = int((await self._stage.control.clock())["now_ms"]) + LATER_MS
        command = await self._transform_and_send(track, due_ms)
        push = await self._stage.answer(track.supplier, command.transform.request_id, f"the answer of {self._name(track)}")
        decoded = self._stage.decode(push)
        self._ledger.verify(self._name(track), "date taken by the device", decoded.signature, Verdict.VALID)
        self._ledger.verify(self._name(track), "nothing activated yet", decoded.values.get("activate_image_code"), None)
        return command.transform.request_id

    async def _see_activation_later(self, track: Track, request_id: RequestId) -> None:
        name = self._name(track)
        met = await self._stage.control.wait(
            "transaction", request_id=str(request_id), states=["answered"], within_ms=LATER_MS + SILENT_ACTIVATION_MS
        )
        self._ledger.verify(name, "dated activation executed", met)

        def matches(push_message: object, found: RequestId | None) -> bool:
            payload = push_message.payload if isinstance(push_message, ServiceResponse) else None
            return found == request_id and payload is not None and payload.name == "FutureDatedDeviceAlertMessage"

        push = await self._stage.push(track.supplier, lambda push: matches(push.message, push.request_id), f"8F66 of {name}")
        decoded = self._stage.decode(push)
        assert isinstance(push.message, ServiceResponse)
        code = push.message.payload.value("FutureDatedAlertCode") if push.message.payload else None
        self._ledger.verify(name, "future-dated alert code", code, f"{FUTURE_DATED_DONE:04X}")
        self._ledger.verify(name, "alert signed by the device", decoded.signature, Verdict.VALID)
        self._ledger.verify(name, "alert names the command", decoded.values.get("originator_counter"), request_id.counter)
        self._check_activation(track, decoded.values, push.message.at_ms)

    async def _transform_and_send(self, track: Track, at_ms: int | None) -> SignedCommand:
        ledger, name = self._ledger, self._name(track)
        actor = self._stage.actors[track.supplier]
        request = requests.activate_firmware(actor.eui, track.eui, bytes.fromhex(track.image_hash), at_ms)
        command = await actor.client.transform_and_send(request)
        if not isinstance(command, SignedCommand):
            raise DemoFailed(f"Transform of 11.3 for {name} was refused with {command.code}")
        ledger.verify(name, "Pre-Command is what was asked for", command.content_compared)
        ledger.verify(name, "signed Pre-Command accepted", command.acknowledgement.code, "I99")
        return command

    def _check_activation(self, track: Track, values: Mapping[str, object], at_ms: int) -> None:
        name = self._name(track)
        done = self._ledger.verify(name, "activation", values.get("activate_image_code"), int(ActivateImageCode.SUCCESS))
        done &= self._ledger.verify(name, "version after activation", values.get("firmware_version"), track.version)
        if done:
            self._ledger.reach(track, Milestone.ACTIVATED, at_ms)

    async def _read_back(self, track: Track) -> None:
        name = self._name(track)
        answer = await self._send(track.supplier, requests.read_firmware_version(track.supplier, track.eui), "I99")
        request_id = RequestId.parse(answer.request_id or "")
        push = await self._stage.answer(track.supplier, request_id, f"the answer of {name} to 11.2")
        decoded = self._stage.decode(push)
        self._ledger.verify(name, "11.2 answer protected", decoded.trusted)
        if self._ledger.verify(name, "version it runs", decoded.values.get("firmware_version"), track.version):
            if Milestone.ACTIVATED not in track.reached:
                self._ledger.reach(track, Milestone.ACTIVATED, push.message.at_ms)
            self._ledger.reach(track, Milestone.READ_BACK, push.message.at_ms)

    async def _look_at_deliveries(self) -> None:
        await self._stage.control.wait("idle")
        counts = (await self._stage.control.outbox(limit=1))["counts"]
        came = sum(len(actor.receiver.received) for actor in self._stage.actors.values())
        self._ledger.verify("outbox", "every message delivered", counts, {**counts, "delivered": came, "queued": 0, "dead": 0})
        for actor in self._stage.actors.values():
            name = format_eui(actor.eui)
            self._ledger.verify(name, "pushes refused", len(actor.receiver.refused), 0)
            self._ledger.verify(name, "pushes that came twice", sum(push.duplicate for push in actor.receiver.received), 0)

    async def _send(self, user: Eui64, request: Request, code: str) -> ServiceResponse:
        answer = await self._stage.actors[user].client.send(request)
        if not self._ledger.verify(f"{request.service_reference_variant} by {format_eui(user)}", "answer", answer.code, code):
            raise DemoFailed(f"{request.service_reference_variant} was answered with {answer.code}, not {code}")
        return answer

    def _image(self, user: Eui64, track: Track) -> tuple[bytes, str]:
        """The OTA file for a device, signed by the supplier unless it is for a PPMID, and the hash of what it carries."""
        row = product(self._estate, track)
        content = generated_manufacturer_image(row.manufacturer, row.model, row.firmware_version, row.image_bytes)
        record = self._stage.keys.live(user, Usage.DIGITAL_SIGNATURE)
        if record is None or record.private_key is None:
            raise DemoFailed(f"{format_eui(user)} has no digital-signature key")
        data = build(
            content,
            manufacturer_code=int(row.manufacturer, 16),
            image_type=0,
            file_version=int(row.firmware_version, 16),
            header_string=f"demo {row.device_type} {row.firmware_version}",
            hardware_versions=(track.device.hardware_version, track.device.hardware_version),
            private_key=None if track.activates_itself else record.private_key,
        )
        return data, row.image_hash

    @staticmethod
    def _name(track: Track) -> str:
        return f"{track.device.device_type} {format_eui(track.eui)}"


def product(estate: Estate, track: Track) -> CplEntry:
    """The firmware list's row of the version that a device is to run."""
    device = track.device
    wanted = (device.device_type, device.manufacturer, device.model, track.version)
    for row in estate.cpl:
        if (row.device_type, row.manufacturer, row.model, row.firmware_version) == wanted:
            return row
    raise DemoFailed(f"the firmware list has no {' '.join(wanted)}")


def _about(body: Element, track: Track, field: str) -> bool:
    """Whether an alert is about this device and its distribution."""
    named = body.value("UpdateFirmwareRequestID")
    same_request = named is not None and RequestId.parse(named) == track.request_id
    return same_request and body.value(field) == format_eui(track.eui)


def _transfer_about(body: Element, track: Track) -> bool:
    transfer = body.find("FirmwareTransferAlert")
    return transfer is not None and _about(transfer, track, "OtherDeviceID")
