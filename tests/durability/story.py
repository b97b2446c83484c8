"""What users do while emulators are killed under them, and what they saw: reads, inventory, firmware, activations, commands."""

import asyncio
import random
import re
from dataclasses import dataclass, field, replace

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.client.documents import MessageReader
from emulator.client.errors import BadAnswer
from emulator.client.precommand import pre_command_of
from emulator.client.requests import activate_firmware, read_firmware_version, read_inventory, signed_pre_command, update_firmware
from emulator.client.signing import CounterSource, sign_request, stamp
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.tables import WEB_SERVICE
from emulator.duis.messages import Request, ServiceResponse
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image, load_estate
from emulator.gbcs.protect import sign
from emulator.ota.image import build
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore
from loadtests.homes import home
from tests.durability.processes import Service
from tests.service.conftest import SUPPLIER

HOMES = 8
USERS = 6
METERS = tuple(home(number).esme for number in range(HOMES))
XML = {"Content-Type": "application/xml"}
VERSION = "00010100"
_CODE = re.compile(rb"<sr:ResponseCode>(\w+)</sr:ResponseCode>")
_PRODUCT = next(
    row
    for row in load_estate(default_estate_toml()).cpl
    if row.device_type == "ESME" and row.firmware_version == VERSION and row.image_bytes
)


@dataclass(frozen=True)
class Sent:
    """A document that was posted, and the answer to it; empty when none came."""

    service: str
    document: bytes
    answer: bytes

    @property
    def code(self) -> str:
        """Of the answer."""
        found = _CODE.search(self.answer)
        return "" if found is None else found[1].decode()


@dataclass
class Witness:
    """The users of one run, and what they saw."""

    keys: KeyStore
    chance: random.Random
    sent: list[Sent] = field(default_factory=list)
    commands: list[tuple[str, bool]] = field(default_factory=list)
    """Devices that were switched, with whether the command was acknowledged."""
    counters: CounterSource = field(default_factory=CounterSource)

    def __post_init__(self) -> None:
        self.reader = MessageReader(self.keys)
        whole = generated_manufacturer_image(_PRODUCT.manufacturer, _PRODUCT.model, VERSION, _PRODUCT.image_bytes)
        self.image = build(
            whole,
            manufacturer_code=int(_PRODUCT.manufacturer, 16),
            image_type=0,
            file_version=int(VERSION, 16),
            header_string="durable",
            hardware_versions=(0x0100, 0x0200),
            private_key=self._signing_key(),
        )

    def _signing_key(self) -> ec.EllipticCurvePrivateKey:
        record = self.keys.live(SUPPLIER, Usage.DIGITAL_SIGNATURE)
        assert record is not None
        assert record.private_key is not None
        return record.private_key

    @property
    def acknowledged(self) -> list[Sent]:
        """What got an answer."""
        return [each for each in self.sent if each.answer]

    async def live(self, service: Service, gone: asyncio.Event) -> None:
        """Several users' worth of everything until the process is gone."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=USERS)) as http:
            await asyncio.gather(*(self._user(service, http, gone) for _ in range(USERS)))

    async def _user(self, service: Service, http: aiohttp.ClientSession, gone: asyncio.Event) -> None:
        while not gone.is_set():
            meter, dice = self.chance.choice(METERS), self.chance.random()
            try:
                if dice < 0.60:
                    await self._post(service, http, self._stamped(read_firmware_version(SUPPLIER, meter)))
                elif dice < 0.80:
                    await self._post(service, http, self._stamped(read_inventory(SUPPLIER, meter)))
                elif dice < 0.87:
                    devices = self.chance.sample(METERS, self.chance.randint(1, 3))
                    await self._post(service, http, self._stamped(update_firmware(SUPPLIER, self.image, VERSION, devices)))
                elif dice < 0.95:
                    await self._activate(service, http, meter)
                else:
                    await self._switch(service, http, meter)
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.002)  # it is gone, or about to be

    def _stamped(self, request: Request) -> Request:
        return stamp(request, self.counters)

    async def _post(self, service: Service, http: aiohttp.ClientSession, request: Request) -> Sent:
        web_service = WEB_SERVICE[request.command_variant].value
        return await self.post(service, http, web_service, sign_request(request, self.keys))

    async def post(self, service: Service, http: aiohttp.ClientSession, web_service: str, document: bytes) -> Sent:
        """Post a document and remember what came of it, which may be nothing."""
        number = len(self.sent)
        self.sent.append(Sent(web_service, document, b""))
        async with http.post(f"{service.duis}/api/v1/service{web_service}", data=document, headers=XML) as answer:
            body = await answer.read()
            if answer.status == 200:
                self.sent[number] = replace(self.sent[number], answer=body)
        return self.sent[number]

    async def _activate(self, service: Service, http: aiohttp.ClientSession, meter: Eui64) -> None:
        """Transform and Signed Pre-Command; the emulator may be killed between the two."""
        request = self._stamped(activate_firmware(SUPPLIER, meter, bytes.fromhex(_PRODUCT.image_hash)))
        sent = await self._post(service, http, request)
        try:
            message = self.reader.read(sent.answer)
            assert isinstance(message, ServiceResponse)
            command = sign(pre_command_of(message), self._signing_key())
        except (BadAnswer, Malformed):
            return  # refused, which is an outcome as well
        await self._post(service, http, signed_pre_command(request, command.encode()))

    async def _switch(self, service: Service, http: aiohttp.ClientSession, meter: Eui64) -> None:
        device = format_eui(meter)
        number = len(self.commands)
        self.commands.append((device, False))
        on = self.chance.random() < 0.7
        async with http.put(f"{service.world}/devices/{device}/power", json={"on": on}) as answer:
            await answer.read()
            self.commands[number] = (device, answer.status == 200)
