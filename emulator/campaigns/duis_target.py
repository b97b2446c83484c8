"""A campaign as a supplier's tool runs it: requests over DUIS to an emulator, numbers from its answers, alerts and reads.

Real 11.1 and 11.4 for up to 50,000 devices each (L001), 11.3 to each device that verified the image, 11.2 to each that is
through; what is pushed (N60, N61, 8F89, 8F8A, 8F72, 8F1C, 8F66, 8F67, 8F8B) and what is answered makes the numbers. There is no
cancelling of a distribution in DUIS: an emergency stop uses the control API's, as an operator of the DSP would.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from emulator.campaigns.choice import groups_of, image_of
from emulator.campaigns.funnel import (
    ACTIVATION_FAILED,
    CANCELLED,
    NOT_DELIVERED,
    ROLLBACK_WAVE,
    SIGNATURE_BAD,
    TRANSFER_FAILED,
    Tallies,
)
from emulator.campaigns.plan import PPM, Priority
from emulator.campaigns.reading import Plan, known_kind
from emulator.campaigns.site import Fitted, Site
from emulator.campaigns.units import ACCEPTED, ACTIVATED, AT_HUB, DOWNLOADED, REQUESTED, VERIFIED, WITH_CSP, Unit, Units
from emulator.campaigns.waves import Part, Shuffle
from emulator.client import requests
from emulator.client.session import SignedCommand
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, RequestId, format_eui, parse_eui
from emulator.domain.vocabulary import DeviceType
from emulator.dsp.firmware import WARNING_LISTS
from emulator.duis.messages import ServiceResponse
from emulator.ota.image import OtaImage
from emulator.scenarios.messages import Kind, Seen
from emulator.simulation.draws import draw_below
from emulator.simulation.faults import KINDS

MAX_DEVICES_PER_REQUEST = 50_000
"""Devices of one 11.1 or 11.4 (L001, exact)."""
HUB_FAULTS = ("csp.", "wan.", "hub.")
"""Beginnings of the names of faults that hit a hub."""


class DuisTarget:
    """A campaign against one world of one emulator."""

    def __init__(self, plan: Plan, site: Site, groups: Sequence[Sequence[Fitted]], image: OtaImage, rollback: OtaImage | None):
        """See :meth:`opened`."""
        self.plan = plan
        self.site = site
        self._groups = groups
        self._image, self._rollback = image, rollback
        seed = plan.document.campaign.seed
        self._orders = [Shuffle.of(len(group), seed, number) for number, group in enumerate(groups)]
        self._units = Units(plan.document)
        self._activations: dict[RequestId, Unit] = {}
        self._reads: dict[RequestId, Unit] = {}
        self._faults: list[int] = []
        self._taken_back = False

    @classmethod
    async def opened(cls, plan: Plan, site: Site) -> "DuisTarget":
        """Look up devices, build images, plan the effects; raise :class:`Malformed` for what the world does not have."""
        document, file = plan.document, plan.path.name
        if document.campaign.priority is not Priority.NORMAL:
            raise Malformed("DUIS has no field for a priority", where=f"{file}: campaign.priority", expected="'normal'")
        for name in ("manufacturer", "model"):
            if not getattr(document.image, name):
                detail = f"{name!r} is missing"
                raise Malformed(detail, where=f"{file}: image", expected="the product that the firmware list names")
        fitted = await site.fitted(document.image.type, payment=any(group.payment for group in document.groups))
        groups = groups_of(plan, fitted)
        image = await image_of(plan, site, document.image.version)
        rollback = None if document.rollback.version is None else await image_of(plan, site, document.rollback.version)
        target = cls(plan, site, groups, image, rollback)
        await target._cause_effects()
        return target

    async def _cause_effects(self) -> None:
        document, file = self.plan.document, self.plan.path.name
        for number, effect in enumerate(document.effects):
            where = f"{file}: effects.{number + 1}"
            known_kind(effect.kind, KINDS, f"{where}.kind")
            if effect.version is not None:
                raise Malformed("an emulator's faults do not look at versions", where=f"{where}.version", expected="none")
            hub_wide = effect.kind.startswith(HUB_FAULTS)
            entities = dict.fromkeys(
                entity for group in self._groups for each in group if (entity := each.hub if hub_wide else each.eui) is not None
            )
            hit = [
                eui for eui in entities if draw_below(PPM, document.campaign.seed, eui, number, "campaign.effect") < effect.share
            ]
            self._faults += await self.site.add_faults(effect.kind, hit, effect.times)

    # What the runner asks of it

    @property
    def sizes(self) -> Sequence[int]:
        """Devices of each group."""
        return [len(group) for group in self._groups]

    @property
    def now_ms(self) -> int:
        """Simulated time."""
        return self.site.now_ms

    async def start(self, wave: int, parts: Sequence[Part]) -> None:
        """Request the devices of a wave."""
        units = []
        for part in parts:
            group, order = self._groups[part.group], self._orders[part.group]
            for position in range(part.first, part.first + part.count):
                fitted = group[order[position]]
                units.append(Unit(fitted.eui, wave, fitted.region, fitted.technology))
        for unit in units:
            self._units.add(unit)
        await self._distribute(units, self._image)

    async def retry(self, wave: int) -> None:
        """Request again; a device that verified the image and failed to activate it is told to activate once more."""
        failed = [unit for unit in self._units.all if unit.wave == wave and self._units.is_retriable(unit)]
        for unit in failed:
            self._units.again(unit, self.now_ms)
        await self._distribute([unit for unit in failed if unit.stage == REQUESTED], self._image)

    def allow_another_try(self) -> int:
        """Let every device be tried once more than the plan has it; how many failed for a reason that is tried again."""
        self._units.further_tries += 1
        return sum(self._units.is_retriable(unit) for unit in self._units.all)

    async def activate(self, date_ms: int | None) -> None:
        """11.3 to each device that verified the image at least the plan's delay ago, or was silent too long."""
        units, now_ms = self._units, self.now_ms
        for unit in units.all:
            if units.activates_itself or unit.failure or unit.activation_asked or not units.wants_activation(unit):
                continue
            if unit.wave == ROLLBACK_WAVE and self._rollback is not None:
                if unit.stage == VERIFIED:
                    await self._activate(unit, self._rollback)
            elif self._taken_back and units.is_taken_back(unit):
                if unit.stage == VERIFIED:
                    units.fail(unit, CANCELLED, now_ms)
            elif self._is_due(unit):
                await self._activate(unit, self._image, date_ms if date_ms is not None and date_ms > now_ms else None)
        await self.site.settle()

    def _is_due(self, unit: Unit) -> bool:
        activation = self.plan.document.activation
        if unit.stage == VERIFIED:
            return self.now_ms >= unit.verified_ms + activation.delay
        silent = activation.unheard_after is not None and self.now_ms >= unit.accepted_ms + activation.unheard_after
        return silent and AT_HUB <= unit.stage < VERIFIED

    async def take_back(self) -> None:
        """11.3 with the date that cancels, to each device of the plan's share that was told one."""
        self._taken_back = True
        for unit in self._units.all:
            if unit.wave != ROLLBACK_WAVE and self._units.is_taken_back(unit):
                await self._cancel(unit)
        await self.site.settle()

    async def read(self) -> None:
        """11.2 to each device that is through."""
        delay_ms = self.plan.document.campaign.read_delay
        for unit in self._units.all:
            if unit.read_asked or not self._units.wants_read(unit) or self.now_ms < unit.since_ms + delay_ms:
                continue
            unit.read_asked = True
            request = requests.read_firmware_version(self.site.user, unit.eui)
            answer = await self.site.client.send(request)
            if answer.code == "I99" and answer.request_id:
                self._reads[RequestId.parse(answer.request_id)] = unit
            else:
                self._units.read_answered(unit, None, "", self.now_ms)
        await self.site.settle()

    async def stop(self) -> None:
        """Cancel what is not at a device; activate nothing more."""
        self._units.stopped = True
        for unit in self._units.all:
            await self._cancel(unit)
            if unit.failure or not ACCEPTED <= unit.stage < DOWNLOADED:
                continue
            with suppress(Malformed):  # it ended in this very moment
                await self.site.ask("DELETE", f"jobs/{format_eui(unit.eui)}")
                self._units.fail(unit, CANCELLED, self.now_ms)
        await self.site.settle()

    async def roll_back(self) -> None:
        """The old firmware, under a higher version, for every device that runs the campaign's."""
        assert self._rollback is not None
        for number in self._faults:
            await self.site.ask("DELETE", f"faults/{number}")
        self._faults.clear()
        affected = [unit for unit in self._units.all if unit.stage >= ACTIVATED]
        again = [Unit(unit.eui, ROLLBACK_WAVE, unit.region, unit.technology) for unit in affected]
        for unit in again:
            self._units.add(unit)
        await self._distribute(again, self._rollback)

    async def hold(self, held: bool) -> None:
        """Nothing: devices are told to activate one by one, and nobody does that during a pause."""

    async def give_up(self, wave: int) -> None:
        """Count the open devices of a wave as failed."""
        self._units.give_up(wave, self.now_ms)

    async def poll(self) -> Tallies:
        """The numbers now."""
        for message in self.site.take():
            await self._hear(message)
        self._units.doubt(self.now_ms)
        return self._units.tallies(self.now_ms)

    async def wait(self, until_ms: int) -> None:
        """Move to a time."""
        await self.site.advance_to(until_ms)

    # Requests

    async def _distribute(self, units: Sequence[Unit], image: OtaImage) -> None:
        is_ppmid = self.plan.document.image.type is DeviceType.PPMID
        make = requests.update_ppmid_firmware if is_ppmid else requests.update_firmware
        octets = image.encode()
        for first in range(0, len(units), MAX_DEVICES_PER_REQUEST):
            some = units[first : first + MAX_DEVICES_PER_REQUEST]
            request = make(self.site.user, octets, image.firmware_version, [unit.eui for unit in some])
            self._accepted(some, await self.site.client.send(request))
        await self.site.settle()

    def _accepted(self, units: Sequence[Unit], answer: ServiceResponse) -> None:
        """Who was accepted: nobody under an E code, else those on none of the warning lists."""
        refused: dict[Eui64, str] = {}
        for child in answer.payload or ():
            if child.name in WARNING_LISTS:
                refused |= {parse_eui(text): child.name for text in child.text.split(",")}
        for unit in units:
            if answer.code.startswith("E"):
                self._units.fail(unit, refused.get(unit.eui, answer.code), self.now_ms)
            elif unit.eui in refused:
                self._units.fail(unit, refused[unit.eui], self.now_ms)
            else:
                unit.accepted_ms = self.now_ms
                self._units.reach(unit, ACCEPTED, self.now_ms)
                self._units.reach(unit, WITH_CSP, self.now_ms)

    async def _cancel(self, unit: Unit) -> None:
        """Take back the date of a device that has yet to come to it."""
        if not unit.dated or unit.failure or unit.stage >= ACTIVATED:
            return
        digest = self._image.manufacturer_image_hash
        await self.site.client.transform_and_send(requests.cancel_activation(self.site.user, unit.eui, digest))
        self._units.fail(unit, CANCELLED, self.now_ms)

    async def _activate(self, unit: Unit, image: OtaImage, date_ms: int | None = None) -> None:
        unit.activation_asked, unit.dated = True, date_ms is not None
        request = requests.activate_firmware(self.site.user, unit.eui, image.manufacturer_image_hash, date_ms)
        found = await self.site.client.transform_and_send(request)
        if isinstance(found, SignedCommand) and found.acknowledgement.code == "I99" and found.acknowledgement.request_id:
            self._activations[RequestId.parse(found.acknowledgement.request_id)] = unit
        else:
            self._units.fail(unit, ACTIVATION_FAILED, self.now_ms)

    # Messages

    async def _hear(self, message: Seen) -> None:
        if message.kind is Kind.RESPONSE:
            await self._hear_response(message)
            return
        for eui in sorted(message.about):
            unit = self._units.current.get(eui)
            if unit is None:
                continue
            if message.kind is Kind.DEVICE_ALERT:
                await self._hear_device(unit, message)
            elif message.body is not None:
                handler = _DCC_ALERTS.get(message.body.name)
                if handler is not None:
                    handler(self._units, unit, message)

    async def _hear_response(self, message: Seen) -> None:
        for request in message.requests:
            succeeded = message.code == "I0"
            unit = self._activations.pop(request, None)
            if unit is not None:
                values = await self.site.values(message) if succeeded else {}
                code = values.get("activate_image_code")
                if succeeded and code is None and unit.dated:  # it has taken the date; the outcome comes under the same request
                    self._activations[request] = unit
                    continue
                self._units.activation_answered(unit, code == 0 if succeeded else None, message.at_ms)
            unit = self._reads.pop(request, None)
            if unit is not None:
                values = await self.site.values(message) if succeeded else {}
                version = str(values["firmware_version"]).upper() if values.get("firmware_version") else None
                image = self._rollback if unit.wave == ROLLBACK_WAVE and self._rollback else self._image
                self._units.read_answered(unit, version, image.firmware_version, message.at_ms)

    async def _hear_device(self, unit: Unit, message: Seen) -> None:
        if message.code == "8F72":
            image = self._rollback if unit.wave == ROLLBACK_WAVE and self._rollback else self._image
            held = (await self.site.values(message)).get("hash")
            if held == image.manufacturer_image_hash.hex():  # another hash is another party's image (ota.md A9)
                self._units.reach(unit, VERIFIED, message.at_ms)
        elif message.code == "8F1C":
            self._units.reach(unit, DOWNLOADED, message.at_ms)
            self._units.fail(unit, SIGNATURE_BAD, message.at_ms)
        elif message.code in ("8F66", "8F67"):
            self._units.activation_answered(unit, message.code == "8F66", message.at_ms)


# DCC Alerts, by the element in their body (ota.md 5.3: never by number)


def _delivered(units: Units, unit: Unit, message: Seen) -> None:
    assert message.body is not None
    if message.body.value("CommsHubTransferStatus") == "Success":
        units.reach(unit, AT_HUB, message.at_ms)
    elif unit.stage < AT_HUB:
        units.fail(unit, NOT_DELIVERED, message.at_ms)


def _undistributed(units: Units, unit: Unit, message: Seen) -> None:
    if unit.stage < AT_HUB:
        units.fail(unit, NOT_DELIVERED, message.at_ms)


def _transferred(units: Units, unit: Unit, message: Seen) -> None:
    assert message.body is not None
    code = message.body.value("FirmwareTransferAlert", "TransferResponseCode")
    if code == "FileTransferSuccess":
        units.reach(unit, DOWNLOADED, message.at_ms)
    elif code is not None and unit.stage < VERIFIED:
        units.fail(unit, TRANSFER_FAILED, message.at_ms)


def _ppmid(units: Units, unit: Unit, message: Seen) -> None:
    assert message.body is not None
    code = message.body.value("PPMIDFirmwareUpgradeAlert", "ActivateImageResultCode")
    if code is not None:
        units.activation_answered(unit, code == "ActivationSuccess", message.at_ms)


_DCC_ALERTS: Mapping[str, Callable[[Units, Unit, Seen], None]] = {
    "CSPFirmwareDeliveryStatus": _delivered,
    "FirmwareDistributionFailure": _undistributed,
    "CommsHubAlert": _transferred,
    "PPMIDAlert": _ppmid,
}
