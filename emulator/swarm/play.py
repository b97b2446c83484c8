"""One world of the swarm: an estate, faults and requests from one seed, and what came of them."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from emulator.client import requests
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.tables import WEB_SERVICE
from emulator.domain.vocabulary import DeviceType, UserRole
from emulator.dsp.audit import Record
from emulator.dsp.effects import AuditEffect, Delivery, JournalEntry
from emulator.dsp.inputs import ControlInput, DuisInput
from emulator.duis.messages import Request, ServiceResponse, Signer
from emulator.estate.declaration import generated_manufacturer_image
from emulator.estate.model import DeviceDefinition, Estate
from emulator.gbcs.message import decode_message
from emulator.gbcs.protect import sign
from emulator.ota.image import OtaImage
from emulator.pki.certificates import Usage
from emulator.scenarios.estates import Copies, EstateSection, build_estate
from emulator.simulation.faults import KINDS, Subject
from emulator.swarm.chance import Chance
from emulator.world import World, create_world, restore_world

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
UPDATED = (DeviceType.ESME, DeviceType.GSME, DeviceType.HCALCS, DeviceType.PPMID)
"""Types of device that take firmware from the DCC."""
VERSIONS = ("00010100", "00010200", "00020000")
HOMES = ("central", "north", "south")
SETTLING_MS = 60 * DAY_MS
"""Simulated time that everything has to come to its end once nothing goes wrong any more."""
NOT_PLAYED = frozenset({"dsp.inventory_not_updated", *(name for name, kind in KINDS.items() if kind.subject is Subject.USER)})
"""Faults that take away the very thing that the swarm holds worlds to, and those of HTTP, over which nothing goes here."""


@dataclass(slots=True)
class Asked:
    """One request and its synchronous answer."""

    request: Request
    sender: int
    at_ms: int
    answer: ServiceResponse


@dataclass(slots=True)
class Play:
    """A world at work, and all that it put out."""

    seed: int
    world: World
    chance: Chance
    images: dict[tuple[str, str, str, str], OtaImage] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    journal: list[JournalEntry] = field(default_factory=list)
    audit: list[Record] = field(default_factory=list)
    registered: dict[tuple[str, str], str] = field(default_factory=dict)
    """Party by MPxN and role, as this play knows it: what the gate is held against."""
    counter: int = 0
    look: Callable[["Play", Asked], None] = lambda play, asked: None
    """Called after every request, before time goes on."""

    @property
    def estate(self) -> Estate:
        """Its estate."""
        return self.world.estate

    @property
    def now_ms(self) -> int:
        """Its simulated time."""
        return self.world.engine.now_ms

    def devices(self) -> list[DeviceDefinition]:
        """All devices but the hubs' own."""
        return [device for home in self.estate.homes for device in home.devices if device.device_type in UPDATED]

    def users(self) -> list[Eui64]:
        """Everybody who may send something."""
        return [party.eui for party in self.estate.parties if party.roles]

    def collect(self) -> None:
        """Take what the world put out."""
        for effect in self.world.engine.take_effects():
            if isinstance(effect, Delivery):
                self.deliveries.append(effect)
            elif isinstance(effect, AuditEffect):
                self.audit.append(effect.record)
            else:
                self.journal.append(effect)

    def submit(self, request: Request) -> ServiceResponse:
        """Send a request as its originator would."""
        sender = request.request_id.originator
        signer = Signer(sender, 135, 1, "CN=swarm")
        item = DuisInput(WEB_SERVICE[request.command_variant], request, signer)
        answer = self.world.engine.submit(item, self.now_ms).response
        self.collect()
        asked = Asked(request, sender, self.now_ms, answer)
        self.asked.append(asked)
        self.look(self, asked)
        return answer

    def control(self, verb: str, **params: Any) -> None:
        """Do something as an operator; what is refused is left."""
        self.world.engine.control(ControlInput(verb, params), self.now_ms)
        self.collect()

    def advance(self, by_ms: int) -> None:
        """Let time pass."""
        self.world.engine.advance(self.now_ms + by_ms)
        self.collect()

    def settle(self) -> None:
        """Let time pass while somebody waits for something, at most :data:`SETTLING_MS`."""
        engine, end_ms = self.world.engine, self.now_ms + SETTLING_MS
        while engine.awaited() and (due := engine.next_wakeup()) is not None and due <= end_ms:
            engine.advance(due)
            self.collect()

    def through_a_snapshot(self) -> None:
        """Write the world down and go on from what was written."""
        self.world = restore_world(self.world.name, self.world.engine.snapshot())

    def number(self) -> int:
        """The next counter for a RequestID."""
        self.counter += 1
        return 1_000_000 + self.counter


def begin(seed: int) -> Play:
    """A world of this seed: one to three of the homes and copies of them, settings and all."""
    chance = Chance(seed)
    copies = [Copies(home=home, count=chance.between(1, 4)) for home in HOMES if chance.one_in(5, 3)]
    settings: dict[str, Any] = {
        "dsp": {"in_progress_guard": chance.one_in(10, 7), "alert_throttling": chance.one_in(5)},
        "han": {"store_policy": chance.choice(("reject", "defer", "evict"))},
    }
    section = EstateSection(copies=copies, settings=settings)
    text, estate = build_estate(section, Path(), seed)
    play = Play(seed, create_world(f"swarm-{seed}", text, seed=seed), chance)
    for entry in estate.registrations:
        play.registered[entry.mpxn, entry.role.value] = entry.party
    return play


def let_happen(play: Play, steps: int) -> None:
    """Faults first, then so many things in the order of chance, with time between them."""
    for _ in range(play.chance.between(0, 6)):
        _plan_fault(play)
    deeds = (_distribute, _distribute, _read, _read, _activate, _inventory, _power, _change_supplier)
    for _ in range(steps):
        play.chance.choice(deeds)(play)
        play.advance(play.chance.choice((0, MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS)))


def calm_down(play: Play) -> None:
    """Take all faults back, give everything its power, and wait for the end of all that is under way."""
    play.control("fault.remove")
    for home in play.estate.homes:
        for device in home.devices:
            play.control("device.power", device=format_eui(device.eui), on=True)
    play.settle()


def _plan_fault(play: Play) -> None:
    kind = play.chance.choice(sorted(set(KINDS) - NOT_PLAYED))
    params: dict[str, Any] = {"kind": kind, "chance": [1, play.chance.choice((1, 2, 4))]}
    if play.chance.one_in(2):
        params["times"] = play.chance.between(1, 3)
    if play.chance.one_in(2):
        params["to_ms"] = play.now_ms + play.chance.choice((HOUR_MS, DAY_MS, 7 * DAY_MS))
    if play.chance.one_in(5, 3):
        params["who"] = {"share": [1, play.chance.between(2, 4)]}
    play.control("fault.add", **params)


def image_for(play: Play, device: DeviceDefinition, version: str) -> OtaImage:
    """The image of a version for a device's model, signed by the supplier whose certificates it holds."""
    key = (device.device_type.value, device.manufacturer, device.model, version)
    if key not in play.images:
        size = play.chance.choice((20_000, 150_000, 600_000))
        image = OtaImage(
            manufacturer_code=int(device.manufacturer, 16),
            image_type=0,
            file_version=int(version, 16),
            manufacturer_image=generated_manufacturer_image(device.manufacturer, device.model, version, size),
            header_string=b"swarm".ljust(32, b"\0"),
            min_hardware_version=device.hardware_version,
            max_hardware_version=device.hardware_version,
        )
        record = None if device.supplier is None else play.world.keys.live(device.supplier, Usage.DIGITAL_SIGNATURE)
        if device.device_type is not DeviceType.PPMID and record is not None and record.private_key is not None:
            image = image.sign(record.private_key)
        play.images[key] = image
        play.control(
            "cpl.put",
            type=device.device_type.value, manufacturer=device.manufacturer, model=device.model, firmware_version=version,
            gbcs_version=device.gbcs_version, image_hash=image.manufacturer_image_hash.hex(),
        )  # fmt: skip
    return play.images[key]


def _distribute(play: Play) -> None:
    first = play.chance.choice(play.devices())
    same = [device for device in play.devices() if (device.device_type, device.model) == (first.device_type, first.model)]
    chosen: Sequence[DeviceDefinition] = play.chance.sample(same, play.chance.between(1, len(same)))
    if play.chance.one_in(5):
        chosen = [*chosen, play.chance.choice(play.devices())]
    version = play.chance.choice(VERSIONS)
    octets = image_for(play, first, version).encode()
    build = requests.update_ppmid_firmware if first.device_type is DeviceType.PPMID else requests.update_firmware
    sender = play.chance.choice(play.users())
    play.submit(numbered(play, build(sender, octets, version, [device.eui for device in chosen])))


def _read(play: Play) -> None:
    device, sender = play.chance.choice(play.devices()), play.chance.choice(play.users())
    play.submit(numbered(play, requests.read_firmware_version(sender, device.eui)))


def _activate(play: Play) -> None:
    if not play.images:
        return
    device, sender = play.chance.choice(play.devices()), play.chance.choice(play.users())
    image = play.chance.choice(list(play.images.values()))
    transform = numbered(play, requests.activate_firmware(sender, device.eui, image.manufacturer_image_hash))
    answer = play.submit(transform)
    record = play.world.keys.live(sender, Usage.DIGITAL_SIGNATURE)
    if answer.code != "I0" or answer.payload is None or record is None or record.private_key is None:
        return
    octets = base64.b64decode(answer.payload.required("GBCSPayload"))
    signed = sign(decode_message(octets), record.private_key).encode()
    play.submit(requests.signed_pre_command(transform, signed))


def _inventory(play: Play) -> None:
    device, sender = play.chance.choice(play.devices()), play.chance.choice(play.users())
    play.submit(numbered(play, requests.read_inventory(sender, device.eui)))


def _power(play: Play) -> None:
    device = play.chance.choice(play.devices())
    eui = device.hub if play.chance.one_in(10, 3) else device.eui
    play.control("device.power", device=format_eui(eui), on=False)
    play.advance(play.chance.choice((MINUTE_MS, HOUR_MS)))
    play.control("device.power", device=format_eui(eui), on=True)


def _change_supplier(play: Play) -> None:
    (mpxn, role), party = play.chance.choice(
        [entry for entry in sorted(play.registered.items()) if entry[0][1] in (UserRole.IS.value, UserRole.GS.value)]
    )
    gaining = "supplier-two" if party == "supplier-one" else "supplier-one"
    play.registered[mpxn, role] = gaining
    play.control("registration.put", mpxn=mpxn, role=role, party=gaining, from_ms=play.now_ms)


def numbered(play: Play, request: Request) -> Request:
    """The request with a RequestID of its own."""
    return replace(request, request_id=replace(request.request_id, counter=play.number(), text=""))
