"""A world driven without wire or storage: requests go in as typed messages, time moves by hand."""

import base64
import json
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, format_eui, parse_eui
from emulator.domain.tables import WEB_SERVICE, service_reference_variants
from emulator.domain.vocabulary import WebService
from emulator.dsp.audit import Record
from emulator.dsp.effects import Delivery, JournalEntry
from emulator.dsp.inputs import ControlInput, DuisInput
from emulator.duis.messages import DccAlert, DeviceAlert, Element, Request, ServiceResponse, Signer, element
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image
from emulator.gbcs.message import decode_message
from emulator.gbcs.protect import sign
from emulator.ota.image import build
from emulator.pki.certificates import Usage
from emulator.world import World, create_world

SUPPLIER = parse_eui("90-B3-D5-1F-30-01-00-00")
SUPPLIER_TWO = parse_eui("90-B3-D5-1F-30-03-00-00")
NETWORK_OPERATOR = parse_eui("90-B3-D5-1F-30-02-00-00")
OTHER_USER = parse_eui("00-DB-12-34-56-78-00-04")
AGENT = parse_eui("90-B3-D5-1F-30-05-00-00")
SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000


def device(home: int, last: str) -> Eui64:
    """A device of the default estate: home 0 central, 1 north, 2 south; ``A0`` ESME … ``A5`` HCALCS."""
    return parse_eui(f"00-DB-12-34-56-78-9{home}-{last}")


@dataclass
class Bench:
    """One world and everything it has put out."""

    world: World = field(default_factory=create_world)
    deliveries: list[Delivery] = field(default_factory=list)
    journal: list[JournalEntry] = field(default_factory=list)
    audit: list[Record] = field(default_factory=list)
    counter: int = 1_000_000

    @property
    def now_ms(self) -> int:
        return self.world.engine.now_ms

    def collect(self) -> list[Delivery]:
        fresh: list[Delivery] = []
        for effect in self.world.engine.take_effects():
            if isinstance(effect, Delivery):
                fresh.append(effect)
            elif isinstance(effect, JournalEntry):
                self.journal.append(effect)
            else:
                self.audit.append(effect.record)
        self.deliveries += fresh
        return fresh

    def submit(
        self,
        srv: str,
        body: Element | None = None,
        *,
        to: int = ACCESS_CONTROL_BROKER,
        user: int = SUPPLIER,
        variant: int | None = None,
        counter: int | None = None,
        service: WebService | None = None,
        reference: str | None = None,
        first: bool | None = None,
        after: RequestId | None = None,
    ) -> ServiceResponse:
        row = service_reference_variants()[srv]
        variant = row.command_variants[0] if variant is None else variant
        if counter is None:
            self.counter += 1
            counter = self.counter
        request = Request(
            RequestId(Eui64(user), Eui64(to), counter),
            variant,
            row.service_reference if reference is None else reference,
            srv,
            element(row.body_element) if body is None else body,
            first_in_sequence=first,
            preceding_request_id=after,
        )
        signer = Signer(Eui64(user), 135, 1, "CN=Z1,OU=07")
        answer = self.world.engine.submit(DuisInput(service or WEB_SERVICE[variant], request, signer), self.now_ms)
        self.collect()
        return answer.response

    def control(self, verb: str, **params: object) -> dict[str, object]:
        answer = self.world.engine.control(ControlInput(verb, dict(params)), self.now_ms)
        assert answer.error is None, answer.error
        self.collect()
        return answer.result

    def advance(self, by_ms: int) -> list[Delivery]:
        self.world.engine.advance(self.now_ms + by_ms)
        return self.collect()

    def run_until_idle(self, limit_ms: int = 40 * DAY_MS) -> list[Delivery]:
        """Jump from event to event while somebody waits, as autojump does."""
        start, fresh = self.now_ms, []
        engine = self.world.engine
        while engine.awaited() and (due := engine.next_wakeup()) is not None and due <= start + limit_ms:
            engine.advance(due)
            fresh += self.collect()
        return fresh

    def image(self, kind: str, version: str = "00010100", signer: int | None = SUPPLIER) -> bytes:
        """The OTA file that the default estate's list of products names for this type of device."""
        entry = next(
            e for e in self.world.estate.cpl if e.device_type == kind and e.firmware_version == version and e.image_bytes
        )
        content = generated_manufacturer_image(entry.manufacturer, entry.model, version, entry.image_bytes)
        return build(
            content,
            manufacturer_code=int(entry.manufacturer, 16),
            image_type=0x0084 if kind == "PPMID" else 0x0000,
            file_version=int(version, 16),
            header_string="test image",
            hardware_versions=(0x0100, 0x0200),
            private_key=None if kind == "PPMID" or signer is None else self.key(signer),
        )

    def key(self, user: int) -> EllipticCurvePrivateKey:
        record = self.world.keys.live(Eui64(user), Usage.DIGITAL_SIGNATURE)
        assert record is not None
        assert record.private_key is not None
        return record.private_key

    def distribute(
        self, srv: str, kind: str, devices: list[int], version: str = "00010100", **options: object
    ) -> ServiceResponse:
        image = options.pop("image", None) or self.image(kind, version, options.pop("signer", SUPPLIER))  # type: ignore[arg-type]
        return self.submit(srv, firmware_body(srv, image, version, devices), **options)  # type: ignore[arg-type]

    def activate(
        self, to: int, image_hash: bytes, *, user: int = SUPPLIER, signer: int | None = None, at: str | None = None
    ) -> tuple[ServiceResponse, ServiceResponse | None]:
        """11.3 by Transform, signature and Send; the answers of both steps."""
        body = element(
            "ActivateFirmware",
            element("ExecutionDateTime", at) if at else None,
            element("FirmwareHash", image_hash.hex().upper()),
        )
        first = self.submit("11.3", body, to=to, user=user, variant=4)
        if first.code != "I0":
            return first, None
        assert first.payload is not None
        pre_command = base64.b64decode(first.payload.required("GBCSPayload"))
        signed = sign(decode_message(pre_command), self.key(signer or user)).encode()
        return first, self.send_signed(to, signed, user=user)

    def critical(self, srv: str, body: Element, to: int, *, user: int = SUPPLIER) -> ServiceResponse:
        """Any critical request by Transform, signature and Send; the answer of the step that ended it."""
        first = self.submit(srv, body, to=to, user=user, variant=4)
        if first.payload is None:
            return first
        signed = sign(decode_message(base64.b64decode(first.payload.required("GBCSPayload"))), self.key(user)).encode()
        pre_command = element("SignedPreCommand", element("GBCSPayload", base64.b64encode(signed).decode()))
        return self.submit(srv, pre_command, to=to, user=user, variant=5, counter=self.counter)

    def send_signed(self, to: int, signed: bytes, *, user: int = SUPPLIER, counter: int | None = None) -> ServiceResponse:
        body = element("SignedPreCommand", element("GBCSPayload", base64.b64encode(signed).decode()))
        return self.submit("11.3", body, to=to, user=user, variant=5, counter=counter or self.counter)


def bench_with(part: str = "dsp", **settings: int | str) -> Bench:
    """A bench whose world has these settings of one part."""
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    return Bench(create_world(estate_toml=f"{default_estate_toml()}\n[settings.{part}]\n{lines}\n"))


def firmware_body(srv: str, image: bytes, version: str, devices: list[int]) -> Element:
    return element(
        "UpdatePPMIDFirmware" if srv == "11.4" else "UpdateFirmware",
        element("FirmwareImage", base64.b64encode(image).decode()),
        element("FirmwareVersion", version),
        element("DeviceIDList", ",".join(format_eui(eui) for eui in devices)),
    )


def dcc_alerts(deliveries: list[Delivery], code: str) -> list[DccAlert]:
    return [d.message for d in deliveries if isinstance(d.message, DccAlert) and d.message.alert_code == code]


def device_alerts(deliveries: list[Delivery], code: int) -> list[DeviceAlert]:
    return [d.message for d in deliveries if isinstance(d.message, DeviceAlert) and d.message.alert_code == code]


def responses(deliveries: list[Delivery]) -> list[ServiceResponse]:
    return [d.message for d in deliveries if isinstance(d.message, ServiceResponse)]
