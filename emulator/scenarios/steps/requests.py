"""Service Requests in short form."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from emulator.client import requests
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import parse_eui
from emulator.domain.tables import service_reference_variants
from emulator.domain.vocabulary import DeviceType
from emulator.dsp.firmware import WARNING_LISTS
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import Request, ServiceResponse, element
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.steps.sending import CriticalStep, RequestStep
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Duration, Moment, Reference, References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class Distribution(RequestStep):
    """Distribute an image to devices."""

    image: Reference
    """The image that a step `image` built."""
    devices: References
    """To whom."""
    version: str = ""
    """FirmwareVersion of the request; that of the image when not given."""
    lists: dict[str, References] = {}
    """Warning lists of the answer, exactly: a list that is not named must not be there."""

    def check(self, names: Names) -> None:
        """Image, devices and lists."""
        super().check(names)
        names.known("image", self.image, names.images, "image")
        names.devices_of(self.devices, "devices")
        for name, devices in self.lists.items():
            if name not in WARNING_LISTS:
                raise Malformed(f"there is no warning list {name!r}", where="lists", expected=suggest(name, WARNING_LISTS))
            names.devices_of(devices, f"lists.{name}")

    def requests(self, stage: "Stage") -> list[Request]:
        """11.1 or 11.4."""
        image = stage.images[self.image]
        make = requests.update_ppmid_firmware if self.do == "11.4" else requests.update_firmware
        user, devices = stage.names.user(self.by, "by"), stage.names.devices_of(self.devices, "devices")
        return [make(user, image.octets, self.version or image.image.firmware_version, devices)]

    def compare(self, stage: "Stage", answer: ServiceResponse) -> None:
        """The lists, whatever the order in them."""
        super().compare(stage, answer)
        names = stage.names
        expected = {
            name: sorted(names.shown(eui) for eui in names.devices_of(devices, "lists"))
            for name, devices in self.lists.items()
            if devices
        }
        found = {
            child.name: sorted(names.shown(parse_eui(text)) for text in child.text.split(","))
            for child in answer.payload or ()
            if child.name in WARNING_LISTS
        }
        stage.verify("warning lists", expected, found)


class DeviceRead(RequestStep):
    """Read something from devices, one request to each."""

    device: References
    """From which."""
    at: Moment | None = None
    """When; at once when not given."""

    def check(self, names: Names) -> None:
        """The devices."""
        super().check(names)
        names.devices_of(self.device, "device")

    def requests(self, stage: "Stage") -> list[Request]:
        """The read that ``do`` names."""
        user = stage.names.user(self.by, "by")
        at_ms = None if self.at is None else self.at.at_ms(stage.start_ms, stage.now_ms)
        fields = () if at_ms is None else (element("ExecutionDateTime", format_datetime(at_ms)),)
        devices = stage.names.devices_of(self.device, "device")
        return [requests.service_request(user, self.do, *fields, target=device) for device in devices]


class Activation(CriticalStep):
    """Activate the image that devices hold, one request to each: Transform, check, sign, send."""

    device: References
    """On which."""
    image: Reference = ""
    """The image whose hash is sent."""
    hash: str = ""
    """Another hash in hexadecimal, in place of `image`."""
    at: Moment | None = None
    """When the device is to act; at once when not given."""
    cancel: bool = False
    """Take back an activation that the device was given for later."""

    def check(self, names: Names) -> None:
        """Devices, and image or hash."""
        super().check(names)
        names.devices_of(self.device, "device")
        if bool(self.image) == bool(self.hash):
            raise Malformed("exactly one of image and hash is needed", where="image", expected="the name of an image")
        if self.image:
            names.known("image", self.image, names.images, "image")
        if self.hash and (len(self.hash) != 64 or not set(self.hash.lower()) <= set("0123456789abcdef")):
            raise Malformed(f"{self.hash[:80]!r} is not a SHA-256", where="hash", expected="64 hexadecimal digits")
        if self.cancel and self.at is not None:
            raise Malformed("a cancellation has no date of its own", where="at", expected="cancel alone")

    def requests(self, stage: "Stage") -> list[Request]:
        """11.3."""
        user, devices = stage.names.user(self.by, "by"), stage.names.devices_of(self.device, "device")
        digest = bytes.fromhex(self.hash or stage.images[self.image].hash)
        if self.cancel:
            return [requests.cancel_activation(user, device, digest) for device in devices]
        at_ms = None if self.at is None else self.at.at_ms(stage.start_ms, stage.now_ms)
        return [requests.activate_firmware(user, device, digest, at_ms) for device in devices]


class ReadInventory(RequestStep):
    """Read the inventory by device, MPxN or UPRN."""

    device: Reference = ""
    """A device of the home."""
    mpxn: str = ""
    """An MPxN of the home."""
    uprn: int | None = None
    """The UPRN of the home."""
    devices: References = []
    """Devices that the answer must list, exactly, whatever their order."""
    shows: dict[str, dict[str, str]] = {}
    """Per device, elements of its entry and their texts: `"ESME@central" = { DeviceStatus = "Commissioned" }`."""

    def check(self, names: Names) -> None:
        """Exactly one key to search by, and the devices."""
        super().check(names)
        if sum((bool(self.device), bool(self.mpxn), self.uprn is not None)) != 1:
            raise Malformed("exactly one of device, mpxn and uprn is needed", where="device", expected="what to search by")
        if self.device:
            names.device(self.device, "device")
        names.devices_of(self.devices, "devices")
        names.devices_of(self.shows, "shows")

    def requests(self, stage: "Stage") -> list[Request]:
        """8.2."""
        device = stage.names.device(self.device, "device") if self.device else None
        user = stage.names.user(self.by, "by")
        return [requests.read_inventory(user, device, mpxn=self.mpxn or None, uprn=self.uprn)]

    def compare(self, stage: "Stage", answer: ServiceResponse) -> None:
        """Which devices are listed, and their entries."""
        super().compare(stage, answer)
        names = stage.names
        listed = {parse_eui(text): entry for entry in answer.payload or () if (text := entry.value("DeviceID"))}
        if self.devices:
            expected = sorted(names.shown(eui) for eui in names.devices_of(self.devices, "devices"))
            stage.verify("devices listed", expected, sorted(names.shown(eui) for eui in listed))
        for text, elements in self.shows.items():
            for eui in names.devices_of([text], "shows"):
                found = listed.get(eui)
                seen = {path: None if found is None else found.value(*path.split("/")) for path in elements}
                stage.verify(f"entry of {names.shown(eui)}", elements, seen, about=eui)


class OneDevice(RequestStep):
    """A request to the DCC about a device."""

    device: Reference
    """Which."""

    def check(self, names: Names) -> None:
        """The device."""
        super().check(names)
        names.device(self.device, "device")


class Decommission(OneDevice):
    """Take a device out of use."""

    def requests(self, stage: "Stage") -> list[Request]:
        """8.3."""
        return [requests.decommission_device(stage.names.user(self.by, "by"), stage.names.device(self.device, "device"))]


class UpdateInventory(OneDevice):
    """Change the inventory entry of a device: exactly one of `status`, `details`, `mpxn` and `delete`."""

    status: str = ""
    """The new status."""
    details: dict[Literal["manufacturer", "model", "smets_version", "firmware_version", "esme_variant"], str] = {}
    """Corrected details."""
    mpxn: dict[Literal["import_mpxn", "secondary_import_mpan", "export_mpan"], str] = {}
    """A new MPxN."""
    delete: bool = False
    """Remove it from the inventory."""

    def check(self, names: Names) -> None:
        """Exactly one change."""
        super().check(names)
        if sum(map(bool, (self.status, self.details, self.mpxn, self.delete))) != 1:
            raise Malformed("exactly one change is needed", where="status", expected="status, details, mpxn or delete")

    def requests(self, stage: "Stage") -> list[Request]:
        """8.4."""
        user, device = stage.names.user(self.by, "by"), stage.names.device(self.device, "device")
        if self.status:
            definition = next((each for home in stage.names.estate.homes for each in home.devices if each.eui == device), None)
            hub = definition is not None and definition.device_type is DeviceType.CHF
            change = requests.status_change(self.status, hub=hub)
        elif self.details:
            change = requests.details_change(**{str(name): text for name, text in self.details.items()})
        elif self.mpxn:
            change = requests.mpxn_change(**{str(name): text for name, text in self.mpxn.items()})
        else:
            change = requests.deletion()
        return [requests.update_inventory(user, device, change)]


class PreNotify(OneDevice):
    """Announce a device that the inventory does not hold yet."""

    type: DeviceType
    """What it is."""
    manufacturer: str
    """As the firmware list has it."""
    model: str
    """As the firmware list has it."""
    smets_version: str = ""
    """The version of the technical specification that it meets."""
    firmware_version: str = ""
    """What it runs."""
    esme_variant: str = ""
    """Electricity meters: the variant."""
    gpf: Reference = ""
    """The Gas Proxy Function that goes with a hub."""

    def check(self, names: Names) -> None:
        """The Gas Proxy Function."""
        super().check(names)
        if self.gpf:
            names.device(self.gpf, "gpf")

    def requests(self, stage: "Stage") -> list[Request]:
        """12.2."""
        request = requests.device_prenotification(
            stage.names.user(self.by, "by"),
            stage.names.device(self.device, "device"),
            self.type,
            manufacturer=self.manufacturer,
            model=self.model,
            smets_version=self.smets_version or None,
            firmware_version=self.firmware_version or None,
            esme_variant=self.esme_variant or None,
            gpf=stage.names.device(self.gpf, "gpf") if self.gpf else None,
        )
        return [request]


class DeviceLog(OneDevice):
    """Put a device on the log of a hub, or take it off."""

    hub: Reference
    """Which hub."""
    remove: bool = False
    """Take it off."""
    install_code: str = "00112233445566778899AABBCCDDEEFF"
    """In hexadecimal."""
    join_time: Duration = 3_600_000
    """How long the device may take to join."""
    mpxn: dict[Literal["import_mpxn", "secondary_import_mpan", "export_mpan"], str] = {}
    """MPxNs of a meter."""

    def check(self, names: Names) -> None:
        """Hub and install code."""
        super().check(names)
        names.device(self.hub, "hub")
        try:
            bytes.fromhex(self.install_code)
        except ValueError:
            raise Malformed(f"{self.install_code!r} is not hexadecimal", where="install_code", expected="octets") from None

    def requests(self, stage: "Stage") -> list[Request]:
        """8.11."""
        user, hub = stage.names.user(self.by, "by"), stage.names.device(self.hub, "hub")
        device = stage.names.device(self.device, "device")
        if self.remove:
            return [requests.remove_from_device_log(user, hub, device)]
        mpxns: dict[str, Any] = {str(name): text for name, text in self.mpxn.items()}
        code = bytes.fromhex(self.install_code)
        return [requests.add_to_device_log(user, hub, device, code, join_time_s=self.join_time // 1000, **mpxns)]


class Commission(CriticalStep):
    """Set the clock of a meter, by which it becomes commissioned."""

    device: Reference
    """Which."""
    tolerance: Duration = 10_000
    """How far its clock may be off."""

    def check(self, names: Names) -> None:
        """The device."""
        super().check(names)
        names.device(self.device, "device")

    def requests(self, stage: "Stage") -> list[Request]:
        """8.1.1."""
        user, device = stage.names.user(self.by, "by"), stage.names.device(self.device, "device")
        return [requests.commission_device(user, device, stage.now_ms, self.tolerance // 1000)]


class Join(CriticalStep):
    """Let a device talk to another, or undo that."""

    device: Reference
    """Which is told."""
    other: Reference
    """Which other."""

    @property
    def transformed(self) -> bool:
        """Only 8.7.1 and 8.8.1 are critical."""
        return service_reference_variants()[self.do].critical

    def check(self, names: Names) -> None:
        """Both devices."""
        super().check(names)
        names.device(self.device, "device")
        names.device(self.other, "other")

    def requests(self, stage: "Stage") -> list[Request]:
        """8.7.1, 8.7.2, 8.8.1 or 8.8.2."""
        names = stage.names
        make = requests.join if self.do.startswith("8.7") else requests.unjoin
        euis = (names.user(self.by, "by"), names.device(self.device, "device"), names.device(self.other, "other"))
        return [make(*euis, critical=self.transformed)]


STEPS: Mapping[str, type[Step]] = {
    "4.1.1": DeviceRead,
    "6.2.4": DeviceRead,
    "8.1.1": Commission,
    "8.2": ReadInventory,
    "8.3": Decommission,
    "8.4": UpdateInventory,
    "8.7.1": Join,
    "8.7.2": Join,
    "8.8.1": Join,
    "8.8.2": Join,
    "8.9": DeviceRead,
    "8.11": DeviceLog,
    "11.1": Distribution,
    "11.2": DeviceRead,
    "11.3": Activation,
    "11.4": Distribution,
    "12.2": PreNotify,
}
"""Requests in short form, by Service Reference Variant."""
