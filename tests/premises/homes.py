"""The default homes with real keys, a WAN before them, and a stand-in for the DSP that only collects what reaches it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from emulator.csp.csp import Csp
from emulator.csp.network import open_rows
from emulator.csp.regions import CspSettings
from emulator.csp.state import CspState
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.domain.vocabulary import RemotePartyRole
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.estate.model import DeviceDefinition, Estate
from emulator.gbcs.commands import build_command, finish_command
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.protect import sign, verify_mac, verify_signature
from emulator.gbcs.results import ReaderKeys, read_result
from emulator.gbcs.usecases import use_case_for
from emulator.ota.image import build
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.smki import Organisation, TestSmki
from emulator.premises.premises import Premises
from emulator.premises.settings import HanSettings
from emulator.premises.state import PremisesState
from emulator.simulation.agenda import Agenda
from emulator.simulation.faults import FaultPlan

HUB, GPF, ESME, GSME = (
    Eui64(0x00DB1234567890A2),
    Eui64(0x00DB1234567890A3),
    Eui64(0x00DB1234567890A0),
    Eui64(0x00DB1234567890A1),
)
PPMID, HCALCS = Eui64(0x00DB1234567890A4), Eui64(0x00DB1234567890A5)
SOUTH_HUB, LEGACY_PPMID = Eui64(0x00DB1234567892A2), Eui64(0x00DB1234567892A4)
NORTH_HUB, NORTH_ESME = Eui64(0x00DB1234567891A2), Eui64(0x00DB1234567891A0)
SUPPLIER, OTHER_SUPPLIER = Eui64(0x90B3D51F30010000), Eui64(0x90B3D51F30030000)
NETWORK_OPERATOR = Eui64(0x90B3D51F30020000)
LOAD_CONTROLLER = Eui64(0x90B3D51F30010008)

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
OLD, NEW, NEWER = 0x00010000, 0x00010100, 0x00010200

SMKI = TestSmki(seed=7)
DS, KA = Usage.DIGITAL_SIGNATURE, Usage.KEY_AGREEMENT


@cache
def key(eui: int, usage: str) -> ec.EllipticCurvePrivateKey:
    """Every key of the world, device or party."""
    return SMKI.private_key(eui, Usage(usage))


@cache
def certificates(party: int, generation: int = 0) -> tuple[CertificateRecord, ...]:
    """The certificates of a party of the default estate, or of the load controller, which it has not; those of a later
    ``generation`` once it has renewed them."""
    roles = {each.eui: each.remote_party_role for each in default_estate().parties}
    role = RemotePartyRole.LOAD_CONTROLLER if party == LOAD_CONTROLLER else roles.get(Eui64(party))
    if role is None:
        return ()
    prepayment = role is RemotePartyRole.SUPPLIER
    return SMKI.organisation_certificates(Organisation(Eui64(party), role, "party", prepayment=prepayment), generation)


class Keys:
    """The keys of the test SMKI."""

    def private_key(self, eui: int, usage: str) -> ec.EllipticCurvePrivateKey | None:
        return key(eui, usage)

    def public_key(self, eui: int, usage: str) -> ec.EllipticCurvePublicKey | None:
        return key(eui, usage).public_key()

    def anchor(self, party: int, usage: str, *, prepayment: bool = False) -> CertificateRecord | None:
        wanted = (Usage(usage), prepayment)
        return next((record for record in certificates(party) if (record.usage, record.prepayment) == wanted), None)

    def own_certificate(self, device: int, usage: str) -> CertificateRecord | None:
        return SMKI.device_certificate(Eui64(device), Usage(usage))

    def generated_key(self, device: int, usage: str, number: int) -> ec.EllipticCurvePrivateKey:
        return SMKI.private_key(device, Usage(usage), number, "made by the device")

    def root(self) -> bytes | None:
        return SMKI.root.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Heard:
    """One message that reached the DSP."""

    at_ms: int
    hub: int
    message: GbcsMessage
    octets: bytes

    @property
    def says(self) -> Mapping[str, Any]:
        reader = ReaderKeys(key(self.message.recipient, KA), key(self.message.originator, KA).public_key())
        return read_result(self.message, reader)

    @property
    def alert_code(self) -> int | None:
        code = self.says.get("alert_code")
        assert code is None or isinstance(code, int)
        return code


@cache
def default_estate() -> Estate:
    return load_estate(default_estate_toml())


class Rig:
    """A world without a DSP."""

    def __init__(
        self,
        han: HanSettings | None = None,
        csp: CspSettings | None = None,
        estate: Estate | None = None,
        state: PremisesState | None = None,
    ) -> None:
        self.estate = estate or default_estate()
        self.now_ms = self.estate.start_ms
        self.agenda = Agenda()
        self.faults = FaultPlan()
        self.journal: list[tuple[int, str, int | None, str, Mapping[str, Any]]] = []
        self.heard: list[Heard] = []
        self.deliveries: list[tuple[int, str, int, str]] = []
        self.outages: list[tuple[int, int, int]] = []
        self.undeliverable: list[tuple[int, int, int, bytes]] = []
        self.counter = 1_000

        def note(kind: str, device: int | None, summary: str, data: Mapping[str, Any]) -> None:
            self.journal.append((self.now_ms, kind, device, summary, data))

        han = han or HanSettings(store_images=4)
        self.state = state or PremisesState()
        self.csp_state = CspState()
        csp = csp or CspSettings()
        self.rows = open_rows(self.state, self.estate, (csp, han), self.agenda, Keys(), self.now_ms)
        self.premises = Premises(self.estate, Keys(), self.state, self.agenda, han, self.faults, note, self.rows)
        self.csp = Csp(self.estate, self.csp_state, self.agenda, csp, self.faults, self.estate.seed, self.premises, note)

    def run(self, for_ms: int) -> None:
        """Let time pass."""
        end_ms = self.now_ms + for_ms
        while (event := self.agenda.pop_due(end_ms)) is not None:
            assert event.at_ms >= self.now_ms
            self.now_ms = event.at_ms
            match event.topic.partition(".")[0], event.args:
                case "csp", _:
                    self.csp.handle(event)
                case "dsp", (int(hub), bytes(octets)):
                    self.heard.append(Heard(event.at_ms, hub, decode_message(octets), octets))
                case "dsp", (str(job), int(ok), str(reason)):
                    self.deliveries.append((event.at_ms, job, ok, reason))
                case "dsp", (int(hub), int(target), bytes(octets)):
                    self.undeliverable.append((event.at_ms, hub, target, octets))
                case "dsp", (int(hub), int(since_ms)):
                    self.outages.append((event.at_ms, hub, since_ms))
                case _:
                    self.premises.handle(event)
        self.now_ms = end_ms

    def definition(self, eui: int) -> DeviceDefinition:
        return self.state.devices[eui].definition

    def command(
        self, variant: str, eui: Eui64, parameters: Mapping[str, object] | None = None, user: Eui64 = SUPPLIER
    ) -> GbcsMessage:
        """A Command as the DSP makes it, signed by the user where it has to be, without MAC."""
        self.counter += 1
        roles = {SUPPLIER: RemotePartyRole.SUPPLIER, OTHER_SUPPLIER: RemotePartyRole.SUPPLIER}
        roles[NETWORK_OPERATOR] = RemotePartyRole.NETWORK_OPERATOR
        roles[LOAD_CONTROLLER] = RemotePartyRole.LOAD_CONTROLLER
        device_type = self.definition(eui).device_type
        use_case = use_case_for(variant, device_type, parameters, user_role=roles.get(user, RemotePartyRole.OTHER))
        assert use_case is not None
        message = build_command(
            use_case,
            user=user,
            user_counter=self.counter,
            device=eui,
            acb_counter=self.counter + 500_000,
            parameters=parameters or {},
            now_ms=self.now_ms,
            certificate=None,
        )
        return sign(message, key(message.originator, DS)) if use_case.critical else message

    def send(
        self,
        variant: str,
        eui: Eui64,
        parameters: Mapping[str, object] | None = None,
        user: Eui64 = SUPPLIER,
    ) -> GbcsMessage:
        """Send a Command through the WAN."""
        message = self.command(variant, eui, parameters, user)
        self.transmit(message)
        return message

    def transmit(self, message: GbcsMessage) -> None:
        """Add the ACB's MAC and send."""
        device = message.recipient
        octets = finish_command(message, key(ACCESS_CONTROL_BROKER, KA), key(device, KA).public_key())
        self.csp.send_command(Eui64(self.definition(device).hub), device, octets, self.now_ms)

    def activate(self, eui: Eui64, image_hash: bytes, date: str | None = None) -> GbcsMessage:
        """Send 11.3."""
        parameters = {"FirmwareHash": image_hash.hex()} | ({"ExecutionDateTime": date} if date else {})
        return self.send("11.3", eui, parameters)

    def distribute(self, eui: Eui64, image: bytes, job: str = "job") -> None:
        """Hand an image to the csp."""
        self.csp.distribute(job, Eui64(self.definition(eui).hub), eui, self.csp.hold_image(image), self.now_ms)

    def image(self, eui: Eui64, version: int = NEW, size: int = 20_000, **options: Any) -> bytes:
        """An image for a device, signed by the supplier that it trusts unless told otherwise."""
        definition = self.definition(eui)
        signer = options.pop("signer", definition.supplier)
        code = bytes(f"{eui:016x} {version:08x} ", "ascii") * (size // 26 + 1)
        return build(
            code[:size],
            manufacturer_code=options.pop("manufacturer_code", int(definition.manufacturer, 16)),
            image_type=1,
            file_version=version,
            private_key=None if signer is None else key(signer, DS),
            **options,
        )

    def answers(self, message: GbcsMessage) -> list[Heard]:
        """The Responses to a Command."""
        wanted = (message.recipient, message.message_code, message.counter)
        return [
            heard
            for heard in self.heard
            if heard.message.cra == 2 and (heard.message.originator, heard.message.message_code, heard.message.counter) == wanted
        ]

    def alerts(self, code: int) -> list[Heard]:
        """The alerts of a code."""
        return [heard for heard in self.heard if heard.message.cra == 3 and heard.alert_code == code]

    def read_version(self, eui: Eui64) -> str:
        """11.2: what the device says it runs."""
        message = self.send("11.2", eui)
        self.run(HOUR_MS)
        (answer,) = self.answers(message)
        assert answer.says["ok"]
        return str(answer.says["firmware_version"])

    def assert_all_authentic(self) -> None:
        """Every message that was heard is protected as it must be."""
        for heard in self.heard:
            message = heard.message
            if message.signature:
                assert message.mac is None
                assert verify_signature(message, key(message.originator, DS).public_key())
            else:
                assert verify_mac(message, key(message.originator, KA), key(message.recipient, KA).public_key())


def with_device(estate: Estate, eui: int, **changes: Any) -> Estate:
    """The estate with one device declared otherwise."""
    homes = tuple(
        replace(home, devices=tuple(replace(device, **changes) if device.eui == eui else device for device in home.devices))
        for home in estate.homes
    )
    return replace(estate, homes=homes)
