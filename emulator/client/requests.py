"""Builders of Service Requests.

Each gives a typed :class:`~emulator.duis.messages.Request` whose counter is 0; the counter is stamped when the request is signed,
as the stock client does it (source: wire_contract.md section 1, measured). Fields and their order are those of DUIS V5.4
(source: duis.md appendix A, certain). Times are milliseconds of UTC.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, format_eui
from emulator.domain.tables import service_reference_variants
from emulator.domain.vocabulary import DeviceType
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import Element, Request, element

CANCEL = "3000-12-31T00:00:00.00Z"
"""The ExecutionDateTime that cancels a future-dated command (source: duis.md 1.8, all 20 cancellation templates; certain)."""


def service_request(
    user: Eui64, srv: str, *fields: Element | None, target: Eui64 = ACCESS_CONTROL_BROKER, command_variant: int | None = None
) -> Request:
    """Any of the 129 requests from the fields of its body; ``None`` fields are left out.

    The Command Variant is 8 for what the DCC answers itself, 4 (Transform) for critical ones and 1 for the others unless given.
    """
    row = service_reference_variants().get(srv)
    if row is None:
        raise Malformed(f"{srv!r} is not a Service Reference Variant", expected="such as 11.2 or 4.1.1")
    if command_variant is None:
        command_variant = 8 if row.non_device else 4 if row.critical else 1
    return Request(
        request_id=RequestId(user, target, 0),
        command_variant=command_variant,
        service_reference=row.service_reference,
        service_reference_variant=row.srv,
        body=element(row.body_element, *fields),
    )


def signed_pre_command(transform: Request, payload: bytes, command_variant: int = 5) -> Request:
    """What follows a Transform: the same RequestID, counter included, with the signed GBCS message (duis.md 1.7, certain)."""
    body = element("SignedPreCommand", element("GBCSPayload", base64.b64encode(payload).decode()))
    return replace(transform, command_variant=command_variant, body=body)


def update_firmware(user: Eui64, image: bytes, version: str, devices: Sequence[Eui64]) -> Request:
    """11.1: distribute an image to ESMEs, GSMEs or HCALCSs."""
    return service_request(user, "11.1", *_distribution(image, version, devices))


def update_ppmid_firmware(user: Eui64, image: bytes, version: str, devices: Sequence[Eui64]) -> Request:
    """11.4: distribute an image to PPMIDs."""
    return service_request(user, "11.4", *_distribution(image, version, devices))


def read_firmware_version(user: Eui64, device: Eui64, at_ms: int | None = None) -> Request:
    """11.2: read the version that the device runs, now or at a time."""
    return service_request(user, "11.2", _execution(at_ms), target=device)


def activate_firmware(user: Eui64, device: Eui64, image_hash: bytes, at_ms: int | None = None) -> Request:
    """11.3: switch to the stored image with this hash, now or at a time."""
    return service_request(user, "11.3", _execution(at_ms), _firmware_hash(image_hash), target=device)


def cancel_activation(user: Eui64, device: Eui64, image_hash: bytes) -> Request:
    """11.3 with the date that takes back a future-dated activation."""
    return service_request(
        user, "11.3", element("ExecutionDateTime", CANCEL), _firmware_hash(image_hash), target=device
    )  # fmt: skip


def read_inventory(
    user: Eui64,
    device: Eui64 | None = None,
    *,
    mpxn: str | None = None,
    uprn: int | None = None,
    post_code: str | None = None,
    address_identifier: str = "",
) -> Request:
    """8.2 by exactly one of device, MPxN, UPRN, or post code with address identifier."""
    choices = (
        _text("UPRN", uprn),
        _eui("DeviceID", device),
        _text("MPxN", mpxn),
        None if post_code is None else element("PropertyFilter", *_address(post_code, address_identifier)),
    )
    return service_request(user, "8.2", _only(choices, "device, mpxn, uprn or post_code"))


def decommission_device(user: Eui64, device: Eui64) -> Request:
    """8.3: take a device out of use."""
    return service_request(user, "8.3", _eui("DeviceID", device))


def update_inventory(user: Eui64, device: Eui64, change: Element) -> Request:
    """8.4 with a change made by :func:`status_change`, :func:`details_change`, :func:`deletion` or :func:`mpxn_change`."""
    return service_request(user, "8.4", _eui("DeviceID", device), change)


def status_change(status: str, *, hub: bool = False) -> Element:
    """A new inventory status; hubs have their own element."""
    return element("UpdateDeviceStatusCH" if hub else "UpdateDeviceStatusExceptCH", status)


def details_change(
    *,
    manufacturer: str | None = None,
    model: str | None = None,
    smets_version: str | None = None,
    firmware_version: str | None = None,
    esme_variant: str | None = None,
) -> Element:
    """Corrected details of a device."""
    return element("UpdateDeviceDetails", *_details(manufacturer, model, None, smets_version, firmware_version, esme_variant))


def deletion() -> Element:
    """Removal from the inventory."""
    return element("DeleteDevice")


def mpxn_change(
    *, import_mpxn: str | None = None, secondary_import_mpan: str | None = None, export_mpan: str | None = None
) -> Element:
    """Exactly one new MPxN."""
    choices = _mpxns(import_mpxn, secondary_import_mpan, export_mpan)
    return element("UpdateMPxN", _only(choices, "import_mpxn, secondary_import_mpan or export_mpan"))


def device_prenotification(
    user: Eui64,
    device: Eui64,
    device_type: DeviceType,
    *,
    manufacturer: str,
    model: str,
    smets_version: str | None = None,
    firmware_version: str | None = None,
    esme_variant: str | None = None,
    gpf: Eui64 | None = None,
) -> Request:
    """12.2: announce a device; ``gpf`` goes with a hub."""
    details = _details(manufacturer, model, device_type, smets_version, firmware_version, esme_variant)
    return service_request(user, "12.2", _eui("DeviceID", device), *details, _eui("AssociatedGPFDeviceID", gpf))


def add_to_device_log(
    user: Eui64,
    hub: Eui64,
    device: Eui64,
    install_code: bytes,
    *,
    join_time_s: int = 3600,
    import_mpxn: str | None = None,
    secondary_import_mpan: str | None = None,
    export_mpan: str | None = None,
    at_ms: int | None = None,
) -> Request:
    """8.11: whitelist a device on its hub, linking a meter to its MPxN."""
    addition = element(
        "AddDeviceToCHFWhitelist",
        _text("JoinTimePeriod", join_time_s),
        element("InstallCode", install_code.hex().upper()),
        *_mpxns(import_mpxn, secondary_import_mpan, export_mpan),
    )
    fields = (_execution(at_ms), _eui("DeviceID", device), element("RequestType", "Add"), addition)
    return service_request(user, "8.11", *fields, target=hub)


def remove_from_device_log(user: Eui64, hub: Eui64, device: Eui64, at_ms: int | None = None) -> Request:
    """8.11: take a device off its hub."""
    fields = (_execution(at_ms), _eui("DeviceID", device), element("RequestType", "Remove"))
    return service_request(user, "8.11", *fields, target=hub)


def commission_device(user: Eui64, device: Eui64, now_ms: int, tolerance_s: int = 10) -> Request:
    """8.1.1: set the clock, by which a meter becomes commissioned."""
    fields = (element("CurrentDateTime", format_datetime(now_ms)), _text("TolerancePeriod", tolerance_s))
    return service_request(user, "8.1.1", *fields, target=device)


def join(user: Eui64, device: Eui64, other: Eui64, *, critical: bool) -> Request:
    """8.7.1 (critical) or 8.7.2: let ``device`` talk to ``other``."""
    return service_request(user, "8.7.1" if critical else "8.7.2", _eui("OtherDeviceID", other), target=device)


def unjoin(user: Eui64, device: Eui64, other: Eui64, *, critical: bool) -> Request:
    """8.8.1 (critical) or 8.8.2: undo a join."""
    return service_request(user, "8.8.1" if critical else "8.8.2", _eui("OtherDeviceID", other), target=device)


def read_device_log(user: Eui64, device: Eui64, at_ms: int | None = None) -> Request:
    """8.9: read which devices a hub or device knows."""
    return service_request(user, "8.9", _execution(at_ms), target=device)


def read_import_registers(user: Eui64, device: Eui64, at_ms: int | None = None) -> Request:
    """4.1.1: read the import registers of a meter."""
    return service_request(user, "4.1.1", _execution(at_ms), target=device)


def read_identity(user: Eui64, device: Eui64) -> Request:
    """6.2.4: read what a device says it is."""
    return service_request(user, "6.2.4", target=device)


def read_schedule(user: Eui64, *, schedule_id: int | None = None, device: Eui64 | None = None) -> Request:
    """5.2 by schedule or by device."""
    return service_request(
        user, "5.2", _only((_text("DSPScheduleID", schedule_id), _eui("DeviceID", device)), "one of them")
    )  # fmt: skip


def delete_schedule(user: Eui64, *, schedule_id: int | None = None, device: Eui64 | None = None) -> Request:
    """5.3 by schedule or by device."""
    return service_request(
        user, "5.3", _only((_text("DSPScheduleID", schedule_id), _eui("DeviceID", device)), "one of them")
    )  # fmt: skip


def request_wan_matrix(
    user: Eui64, *, uprn: int | None = None, post_code: str | None = None, address_identifier: str = ""
) -> Request:
    """12.1 by UPRN or address."""
    address = None if post_code is None else element("PartialAddress", *_address(post_code, address_identifier))
    return service_request(user, "12.1", _only((_text("UPRN", uprn), address), "uprn or post_code"))


def hub_installed(
    user: Eui64,
    hub: Eui64,
    mpxn: str,
    *,
    install_type: str = "New CHF Install",
    aerial: bool = False,
    location: str = "Indoors on external wall",
) -> Request:
    """8.14.1: a hub was installed and reached the network."""
    fields = (
        _eui("DeviceID", hub),
        element("CHFInstallType", install_type),
        element("MPxN", mpxn),
        element("AerialInstall", str(aerial).lower()),
        element("CHFLocation", location),
    )
    return service_request(user, "8.14.1", *fields)


def _distribution(image: bytes, version: str, devices: Sequence[Eui64]) -> tuple[Element, ...]:
    return (
        element("FirmwareImage", base64.b64encode(image).decode()),
        element("FirmwareVersion", version),
        element("DeviceIDList", ",".join(format_eui(device) for device in devices)),
    )


def _firmware_hash(image_hash: bytes) -> Element:
    return element("FirmwareHash", image_hash.hex().upper())


def _execution(at_ms: int | None) -> Element | None:
    return None if at_ms is None else element("ExecutionDateTime", format_datetime(at_ms))


def _eui(name: str, eui: Eui64 | None) -> Element | None:
    return None if eui is None else element(name, format_eui(eui))


def _text(name: str, value: str | int | None) -> Element | None:
    return None if value is None else element(name, str(value))


def _address(post_code: str, address_identifier: str) -> tuple[Element, Element]:
    return element("PostCode", post_code), element("AddressIdentifier", address_identifier)


def _mpxns(*values: str | None) -> tuple[Element | None, ...]:
    names = ("ImportMPxN", "SecondaryImportMPAN", "ExportMPAN")
    return tuple(_text(name, value) for name, value in zip(names, values, strict=True))


def _details(
    manufacturer: str | None,
    model: str | None,
    device_type: DeviceType | None,
    smets_version: str | None,
    firmware_version: str | None,
    esme_variant: str | None,
) -> tuple[Element | None, ...]:
    return (
        _text("DeviceManufacturer", manufacturer),
        _text("DeviceModel", model),
        _text("DeviceType", device_type),
        _text("SMETSCHTSVersion", smets_version),
        _text("FirmwareVersion", firmware_version),
        _text("ESMEVariant", esme_variant),
    )


def _only(choices: Sequence[Element | None], names: str) -> Element:
    """The one choice that was made; the schema has a choice here, so anything else is a slip of the caller."""
    made = [choice for choice in choices if choice is not None]
    if len(made) != 1:
        raise Malformed(f"{len(made)} search keys were given", expected=f"exactly one of {names}")
    return made[0]
