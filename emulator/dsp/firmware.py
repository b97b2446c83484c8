"""Firmware distribution: 11.1 for meters and HCALCSs, 11.4 for PPMIDs (reference ota/ota.md sections 3.2, 5.2, 6 to 8).

A request is checked, split into accepted devices and five warning lists, and becomes one job per device.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from emulator.domain.errors import Refusal
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.limits import MAX_DEVICES_PER_REQUEST
from emulator.domain.vocabulary import CplStatus, DeviceStatus, DeviceType, UserRole
from emulator.dsp.agents import AGENT_SERVICES, Authorisation, Exclusive, authorise
from emulator.dsp.context import Context
from emulator.dsp.deadlines import watch
from emulator.dsp.device_lists import NOTHING_LISTED, DeviceList, read_list
from emulator.dsp.gate import Case, eligible_roles
from emulator.dsp.holding import Holding
from emulator.dsp.jobs import add_jobs, in_progress, job_of, portions
from emulator.dsp.registration import responsible
from emulator.dsp.releases import RELEASED_TYPES, Feature, is_on, missing_for_service
from emulator.dsp.state import FirmwareRequest, InventoryEntry
from emulator.dsp.upgrade_paths import permits
from emulator.duis.messages import Element, Request, element
from emulator.estate.model import CplEntry
from emulator.gbcs.usecases import parse_version
from emulator.ota.image import OtaImage, parse_image

WARNING_LISTS = (
    "InvalidDeviceIDList",
    "NotCommissionedDeviceIDList",
    "NotApplicableFirmwareDeviceIDList",
    "OtherRequestInProgressList",
    "InvalidGBCSVersionList",
)
"""In the order of the schema (duis.md 6.2, certain)."""

UPDATABLE = (DeviceStatus.COMMISSIONED, DeviceStatus.SUSPENDED)
"""Inventory statuses in which a device may get an image; Recovery is not one (ota.md 5.2, F08)."""

Models = frozenset[tuple[DeviceType, str, str]] | None
"""Device types, manufacturers and models that the products list has for an image; None where the list is not consulted."""


@dataclass(slots=True)
class _Wanted:
    """What a request wants to distribute, after the checks of the image."""

    octets: bytes
    image: OtaImage
    image_hash: str
    version: str
    models: Models = None


@dataclass(slots=True)
class _Sorted:
    """Where each device of a request went."""

    listed: int
    """How many devices the list has."""
    holding: Holding
    """Who holds the devices."""
    accepted: list[InventoryEntry] = field(default_factory=list)
    lists: dict[str, list[str]] = field(default_factory=dict)
    authorisation: Authorisation = field(default_factory=Authorisation)
    """What the grants say of devices that the sender has only as a Registered Supplier Agent."""

    def put(self, name: str, text: str) -> None:
        self.lists.setdefault(name, []).append(text)


def update_firmware(context: Context, case: Case) -> Element | Refusal | None:
    """11.1 and 11.4: refuse, accept, or accept in part with the warning lists (duis.md 6.2).

    An agent hears first what it may not do, and what the products list says of its image last (access.md section 4).
    """
    missing = missing_for_service(context.state.releases, context.settings, case.row.srv)
    if missing is not None:
        return _refusal(context, case, "service_not_released", f"{case.row.srv} does not exist yet: {missing} is off")
    wanted = _wanted(context, case)
    if isinstance(wanted, Refusal):
        return wanted
    unlisted = _look_up(context, case, wanted)
    if unlisted is not None and UserRole.RSA not in eligible_roles(context, case.sender, case.row):
        return unlisted
    listed = read_list(case.request.body.required("DeviceIDList"))
    if listed.count > MAX_DEVICES_PER_REQUEST:
        detail = f"{listed.count} devices; at most {MAX_DEVICES_PER_REQUEST} in one request"
        return _refusal(context, case, "no_valid_device", detail)
    if listed.unreadable is not None:
        parse_eui(listed.unreadable)  # says what is wrong with it
    outcome = _sort(context, case, listed.euis, wanted)
    if not outcome.accepted:
        check = "mixed_or_wrong_type" if _all_of_other_types(context, case, listed.euis) else "no_valid_device"
        reasons = ", ".join(f"{name}: {len(devices)}" for name, devices in outcome.lists.items())
        return _refusal(context, case, check, f"no device of the list may have the image ({reasons})")
    if unlisted is not None:
        return unlisted
    _accept(context, case, outcome, wanted)
    if not outcome.lists:
        return None
    warning = "DSPUpdatePPMIDFirmwareWarning" if case.row.srv == "11.4" else "DSPUpdateFirmwareWarning"
    return element(warning, *(element(name, ",".join(outcome.lists[name])) for name in WARNING_LISTS if name in outcome.lists))


def _refusal(context: Context, case: Case, check: str, detail: str) -> Refusal:
    return Refusal(context.codes.code(check, case.row.service_reference), detail, where=check)


def _wanted(context: Context, case: Case) -> _Wanted | Refusal:
    """Read the image (ota.md 3.2)."""
    version = case.request.body.required("FirmwareVersion").upper()
    try:
        octets = base64.b64decode("".join(case.request.body.required("FirmwareImage").split()), validate=True)
        # Images for meters end in the supplier's authorising signature, images for PPMIDs do not (ota.md 3.1).
        image = parse_image(octets, trailer=case.row.srv == "11.1")
    except ValueError as error:
        return _refusal(context, case, "image_malformed", f"the OTA image cannot be read: {error}")
    if len(octets) > context.settings.max_image_bytes:
        detail = f"the OTA image has {len(octets)} octets; at most {context.settings.max_image_bytes}"
        return _refusal(context, case, "image_malformed", detail)
    if context.settings.hw_version_mandatory and image.min_hardware_version is None:
        return _refusal(context, case, "image_malformed", "the OTA header has no hardware versions")
    disagreement = _version_disagreement(context, case, image, version)
    if disagreement is not None:
        return _refusal(context, case, "image_malformed", disagreement)
    return _Wanted(octets, image, image.manufacturer_image_hash.hex(), version)


def _look_up(context: Context, case: Case, wanted: _Wanted) -> Refusal | None:
    """Hold the image against the products list: the models that may have it, or why none may (ota.md 3.2)."""
    if not context.settings.check_products_list:
        return None
    listed = _listed(context, case, wanted.image, wanted.version)
    if isinstance(listed, str):
        return _refusal(context, case, "firmware_version_not_on_cpl", listed)
    matching = [row for row in listed if row.image_hash in ("", wanted.image_hash) or not context.settings.check_image_hash]
    if not matching:
        detail = f"the Manufacturer Image hashes to {wanted.image_hash}; the list has {listed[0].image_hash}"
        return _refusal(context, case, "image_hash_differs", detail)
    wanted.models = frozenset((row.device_type, row.manufacturer, row.model) for row in matching)
    return None


def _version_disagreement(context: Context, case: Case, image: OtaImage, version: str) -> str | None:
    header = image.firmware_version
    if header == version or context.settings.version_agreement == "off":
        return None
    detail = f"FirmwareVersion is {version}, the file version in the OTA header is {header}"
    if context.settings.version_agreement == "refuse":
        return detail
    context.journal("warning", detail, request_id=str(case.request.request_id))
    return None


def _listed(context: Context, case: Case, image: OtaImage, version: str) -> list[CplEntry] | str:
    """Rows in use for the version of the image's manufacturer and the service's device types, or why there are none."""
    manufacturer = f"{image.manufacturer_code:04X}"
    found = [row for row in context.lookup.products(manufacturer, version) if row.device_type in case.row.device_types]
    if not found:
        return f"version {version} of manufacturer {manufacturer} is not on the Central Products List"
    usable = [row for row in found if row.status is CplStatus.ACTIVE]
    if not usable:
        return f"version {version} of manufacturer {manufacturer} is {found[0].status} on the Central Products List"
    return usable


def _sort(context: Context, case: Case, listed: Sequence[Eui64], wanted: _Wanted) -> _Sorted:
    """Put each device into the accepted ones or the list that tells why not (ota.md 5.2; first reason wins)."""
    own = [role for role in eligible_roles(context, case.sender, case.row) if role is not UserRole.RSA]
    known = [context.state.inventory.get(eui) for eui in listed]
    holding = Holding(context, case.sender, own, case.at_ms)
    holding.look_up(device for device in known if device is not None)
    outcome = _Sorted(len(listed), holding, authorisation=_authorisation(context, case, listed, known, holding, wanted))
    granted, exclusive = outcome.authorisation.granted, Exclusive(context) if case.row.srv in AGENT_SERVICES else None
    guarded = exclusive is not None and exclusive.guards
    judge = _Judge(context, case, wanted)
    kept: dict[Eui64, str] = {}
    for eui, device in zip(listed, known, strict=True):
        may = eui in granted if granted else False
        if device is None or not (may or holding.entitled(device)):
            reason: str | None = "InvalidDeviceIDList"
        elif guarded and not may and exclusive is not None and (why := exclusive.kept(case.sender.eui, device, wanted.version)):
            reason, kept[eui] = "InvalidDeviceIDList", why
        else:
            reason = judge.reason(device)
        if reason is not None:
            outcome.put(reason, format_eui(eui))
        elif device is not None:
            outcome.accepted.append(device)
    if kept:
        _journal_refused(context, case, f"{len(kept)} device(s) kept back", kept)
    return outcome


def _all_of_other_types(context: Context, case: Case, listed: Iterable[Eui64]) -> bool:
    """Whether every device of a list is known and of a type that the service does not serve."""
    known = (context.state.inventory.get(eui) for eui in listed)
    return all(device is not None and device.device_type not in case.row.device_types for device in known)


def _authorisation(
    context: Context,
    case: Case,
    listed: Sequence[Eui64],
    known: Iterable[InventoryEntry | None],
    holding: Holding,
    wanted: _Wanted,
) -> Authorisation:
    """For devices that the sender has only as an agent: what the grants of their suppliers let it do (access.md section 4)."""
    if UserRole.RSA not in eligible_roles(context, case.sender, case.row):
        return Authorisation()
    devices = [
        device
        for device in known
        if device is not None and device.device_type in case.row.device_types and not holding.entitled(device)
    ]
    found = authorise(context, case.sender, devices, wanted.version, wanted.image_hash, listed)
    if found.refused:
        _journal_refused(context, case, f"{len(found.refused)} device(s) not granted", found.refused)
    return found


def _journal_refused(context: Context, case: Case, summary: str, refused: Mapping[Eui64, str]) -> None:
    """One entry for a request, however many devices it is about."""
    reasons = sorted(set(refused.values()))
    context.journal(
        "grant",
        f"{summary}: {reasons[0]}",
        request_id=str(case.request.request_id),
        data={"reasons": reasons[:20], "devices": [format_eui(eui) for eui in list(refused)[:100]]},
    )


class _Judge:
    """What one request asks of each device; what is the same for all of them is worked out once."""

    def __init__(self, context: Context, case: Case, wanted: _Wanted) -> None:
        self._context = context
        self._case = case
        self._version = wanted.version
        self._models = None if wanted.models is None else tuple(wanted.models)
        self._types = case.row.device_types
        settings = context.settings
        self._unchanged = None if settings.same_version_applicable else wanted.version
        self._ordered = settings.upgrade_order != "off" and bool(context.state.upgrade_paths)
        self._guarded = settings.in_progress_guard

    def reason(self, device: InventoryEntry) -> str | None:
        """The warning list for a device of somebody who may distribute to it, or None when it may have the image."""
        kind = device.device_type
        if kind not in self._types or device.hub is None:
            return "InvalidDeviceIDList"
        if device.status not in UPDATABLE:
            return "NotCommissionedDeviceIDList"
        if self._models is not None and (kind, device.manufacturer, device.model) not in self._models:
            return "NotApplicableFirmwareDeviceIDList"
        if device.firmware_version == self._unchanged:
            return "NotApplicableFirmwareDeviceIDList"
        if self._ordered and not _in_order(self._context, self._case, device, self._version):
            return "NotApplicableFirmwareDeviceIDList"
        if self._guarded and in_progress(self._context, device):
            return "OtherRequestInProgressList"
        if kind in RELEASED_TYPES and not passes_on(self._context, device):
            return "InvalidGBCSVersionList"
        return None


def _in_order(context: Context, case: Case, device: InventoryEntry, version: str) -> bool:
    """Whether a device may go from the version that the inventory shows to this one (ota.md F45)."""
    key = (device.device_type, device.manufacturer, device.model, version)
    if permits(context.state.upgrade_paths, key, device.firmware_version):
        return True
    detail = f"{format_eui(device.eui)} runs {device.firmware_version}, from which {version} is not reached"
    context.journal("warning", detail, request_id=str(case.request.request_id), device=device.eui)
    return context.settings.upgrade_order == "warn"


def passes_on(context: Context, device: InventoryEntry) -> bool:
    """Whether DSP, CSPs and the firmware of its hub can distribute to a PPMID or HCALCS (ota.md 1, item 10)."""
    state, settings = context.state.releases, context.settings
    released = is_on(state, settings, Feature.DSP) and is_on(state, settings, Feature.CSP)
    return released and hub_passes_on(context, device)


def hub_passes_on(context: Context, device: InventoryEntry) -> bool:
    """Whether the firmware of its hub alone could (ota.md 1, item 10)."""
    state, settings = context.state.releases, context.settings
    hub = context.state.inventory.get(device.hub) if device.hub is not None else None
    if hub is None:
        return False
    capable = parse_version(hub.gbcs_version) >= parse_version(settings.ppmid_hub_gbcs_version)
    return state.hub_versions.get(hub.firmware_version, capable)


def _own_role(context: Context, case: Case, device: InventoryEntry) -> UserRole | None:
    """The role in which the sender has a device."""
    return next((role for role in case.eligible if responsible(context, case.sender, role, device, case.at_ms)), case.role)


def _accept(context: Context, case: Case, outcome: _Sorted, wanted: _Wanted) -> None:
    devices, granted, tokens = outcome.accepted, outcome.authorisation.granted, outcome.authorisation.tokens
    used = {granted[device.eui].number: granted[device.eui] for device in devices if device.eui in granted}
    for number in tokens.keys() & used.keys():
        tokens[number].used_by = str(case.request.request_id)
    case.role = UserRole.RSA if used else _own_role(context, case, devices[0])
    request = FirmwareRequest(
        key=context.key(),
        request_id=str(case.request.request_id),
        user=case.sender.eui,
        service_reference_variant=case.row.srv,
        firmware_version=wanted.version,
        image_hash=wanted.image_hash,
        file_version=wanted.image.firmware_version,
        image_key=context.csp.hold_image(wanted.octets),
        accepted_ms=context.now_ms,
        by_agent=bool(used),
        acting_for=tuple(sorted({grant.supplier for grant in used.values()})),
        grants=tuple(sorted(used)),
        listed=outcome.listed,
    )
    context.state.firmware_requests[request.key] = request
    add_jobs(context, request, devices, {eui: grant.number for eui, grant in granted.items()})
    context.journal(
        "job",
        f"{case.row.srv} accepted: firmware {wanted.version} for {len(devices)} device(s)",
        request_id=request.request_id,
        data={"image_hash": wanted.image_hash, "devices": len(devices)},
    )
    # A job may end while others of the request are still to be handed over: the request itself needs the image until then.
    context.csp.keep_image(request.image_key)
    context.agenda.schedule(context.now_ms, "dsp.hand_over", request.key, 0)
    watch(context, request)
    _tell_other_suppliers(context, case, outcome, wanted.version)


def _tell_other_suppliers(context: Context, case: Case, outcome: _Sorted, version: str) -> None:
    """FirmwareUpgradeRequested to every other responsible supplier of shared devices (ota.md A3 and C2, low-medium)."""
    shared: dict[tuple[Eui64, DeviceType], list[str]] = {}
    for device in outcome.accepted:
        for supplier in outcome.holding.other_suppliers(device):
            shared.setdefault((supplier, device.device_type), []).append(format_eui(device.eui))
    for (supplier, device_type), euis in sorted(shared.items()):
        for some in portions(euis, context.settings.devices_per_alert):
            body = element(
                "FirmwareUpgradeRequested",
                element("DeviceType", device_type),
                element("FirmwareVersion", version),
                element("DeviceList", ",".join(some)),
            )
            request_id = str(case.request.request_id)
            context.dcc_alert([supplier], "firmware_upgrade_requested", body, device=None, request_id=request_id)


def check_activation_hash(context: Context, case: Case) -> Refusal | None:
    """11.3 with another hash than that of the image last sent to the device (access.md section 4: a guard, off by default)."""
    guard, job = context.settings.activation_hash_guard, job_of(context, case.target.eui)
    if guard == "off" or job is None or case.cancels:
        return None
    expected = context.state.firmware_requests[job.request].image_hash
    asked = (case.request.body.value("FirmwareHash") or "").lower()
    if asked == expected:
        return None
    detail = f"FirmwareHash is {asked}; the image last sent to the device has {expected}"
    if guard == "block":
        return Refusal(context.codes.code("activation_hash_unexpected", "11.3"), detail, where="activation_hash_unexpected")
    context.journal("warning", detail, request_id=str(case.request.request_id), device=case.target.eui)
    return None


def named_devices(request: Request) -> DeviceList:
    """The devices that a firmware request names; none for any other request."""
    text = request.body.value("DeviceIDList")
    return NOTHING_LISTED if text is None else read_list(text)


def excluded_devices(context: Context, request: Request) -> list[Eui64]:
    """The devices of an accepted list that do not get the image, each once; right after it was accepted."""
    accepted = request_of(context, str(request.request_id))
    taken = {context.state.jobs[key].device for key in accepted.jobs} if accepted is not None else set()
    return [eui for eui in named_devices(request).euis if eui not in taken]


def request_of(context: Context, request_id: str) -> FirmwareRequest | None:
    """The firmware request accepted last, when it is the one of this RequestID."""
    newest = next(reversed(context.state.firmware_requests.values()), None)
    return newest if newest is not None and newest.request_id == request_id else None
