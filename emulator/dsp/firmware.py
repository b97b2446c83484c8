"""Firmware distribution: 11.1 for meters and HCALCSs, 11.4 for PPMIDs (reference ota/ota.md sections 3.2, 5.2, 6 to 8).

A request is checked, split into accepted devices and five warning lists, and becomes one job per device.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field

from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.limits import MAX_DEVICES_PER_REQUEST
from emulator.domain.vocabulary import CplStatus, DeviceStatus, DeviceType, UserRole
from emulator.dsp import job_states
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.inventory import cpl_entry
from emulator.dsp.registration import responsible, responsible_suppliers
from emulator.dsp.state import FirmwareRequest, InventoryEntry, Job
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import Element, element
from emulator.estate.model import CplEntry
from emulator.ota.image import OtaImage, parse_image

WARNING_LISTS = (
    "InvalidDeviceIDList",
    "NotCommissionedDeviceIDList",
    "NotApplicableFirmwareDeviceIDList",
    "OtherRequestInProgressList",
    "InvalidGBCSVersionList",
)
"""In the order of the schema (duis.md 6.2, certain)."""


@dataclass(slots=True)
class _Sorted:
    """Where each device of a request went."""

    accepted: list[InventoryEntry] = field(default_factory=list)
    lists: dict[str, list[str]] = field(default_factory=dict)
    served_type_seen: bool = False

    def put(self, name: str, text: str) -> None:
        self.lists.setdefault(name, []).append(text)


def update_firmware(context: Context, case: Case) -> Element | Refusal | None:
    """11.1 and 11.4: refuse, accept, or accept in part with the warning lists (duis.md 6.2)."""
    reference = case.row.service_reference

    def refuse(check: str, detail: str) -> Refusal:
        return Refusal(context.codes.code(check, reference), detail, where=check)

    version = case.request.body.required("FirmwareVersion").upper()
    try:
        octets = base64.b64decode(case.request.body.required("FirmwareImage"), validate=False)
        # Images for meters end in the supplier's authorising signature, images for PPMIDs do not (ota.md 3.1).
        image = parse_image(octets, trailer=case.row.srv == "11.1")
    except (Malformed, binascii.Error) as error:
        return refuse("image_malformed", f"the OTA image cannot be read: {error}")
    disagreement = _version_disagreement(context, case, image, version)
    if disagreement is not None:
        return refuse("image_malformed", disagreement)
    listed = _listed(context, case, image, version)
    if isinstance(listed, str):
        return refuse("firmware_version_not_on_cpl", listed)
    image_hash = image.manufacturer_image_hash.hex()
    matching = [entry for entry in listed if entry.image_hash in ("", image_hash)]
    if not matching:
        return refuse("image_hash_differs", f"the Manufacturer Image hashes to {image_hash}; the list has {listed[0].image_hash}")
    texts = case.request.body.required("DeviceIDList").split(",")
    if len(texts) > MAX_DEVICES_PER_REQUEST:
        return refuse("no_valid_device", f"{len(texts)} devices; at most {MAX_DEVICES_PER_REQUEST} in one request")
    outcome = _sort(context, case, texts, matching, version)
    if not outcome.accepted:
        check = "no_valid_device" if outcome.served_type_seen or not _all_known(context, texts) else "mixed_or_wrong_type"
        reasons = ", ".join(f"{name}: {len(devices)}" for name, devices in outcome.lists.items())
        return refuse(check, f"no device of the list may have the image ({reasons})")
    _accept(context, case, outcome.accepted, octets, image_hash, version)
    if not outcome.lists:
        return None
    warning = "DSPUpdatePPMIDFirmwareWarning" if case.row.srv == "11.4" else "DSPUpdateFirmwareWarning"
    return element(warning, *(element(name, ",".join(outcome.lists[name])) for name in WARNING_LISTS if name in outcome.lists))


def _all_known(context: Context, texts: list[str]) -> bool:
    return all(parse_eui(text) in context.state.inventory for text in texts)


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
    manufacturer = f"{image.manufacturer_code:04X}"
    types = case.row.device_types
    found = [
        entry
        for entry in context.state.cpl
        if entry.manufacturer == manufacturer and entry.firmware_version == version and entry.device_type in types
    ]
    if not found:
        return f"version {version} of manufacturer {manufacturer} is not on the Central Products List"
    usable = [entry for entry in found if entry.status is CplStatus.ACTIVE]
    if not usable:
        return f"version {version} of manufacturer {manufacturer} is {found[0].status} on the Central Products List"
    return usable


def _sort(context: Context, case: Case, texts: Iterable[str], listed: list[CplEntry], version: str) -> _Sorted:
    """Put each device into the accepted ones or the list that tells why not (ota.md 5.2; first reason wins)."""
    outcome = _Sorted()
    models = {(entry.device_type, entry.manufacturer, entry.model) for entry in listed}
    roles: list[UserRole] = [role for role in case.sender.roles if role in case.row.roles]
    seen: set[Eui64] = set()
    for text in texts:
        eui = parse_eui(text)
        if eui in seen:
            continue
        seen.add(eui)
        device = context.state.inventory.get(eui)
        if device is not None and device.device_type in case.row.device_types:
            outcome.served_type_seen = True
        reason = _reason(context, case, device, models, roles, version)
        if reason is None:
            assert device is not None
            outcome.accepted.append(device)
        else:
            outcome.put(reason, format_eui(eui))
    return outcome


def _reason(
    context: Context,
    case: Case,
    device: InventoryEntry | None,
    models: set[tuple[DeviceType, str, str]],
    roles: list[UserRole],
    version: str,
) -> str | None:
    if device is None or device.device_type not in case.row.device_types:
        return "InvalidDeviceIDList"
    if not any(responsible(context.state, case.sender, role, device, case.at_ms) for role in roles):
        return "InvalidDeviceIDList"
    if device.status not in (DeviceStatus.COMMISSIONED, DeviceStatus.SUSPENDED):
        return "NotCommissionedDeviceIDList"
    if (device.device_type, device.manufacturer, device.model) not in models:
        return "NotApplicableFirmwareDeviceIDList"
    if not context.settings.same_version_applicable and device.firmware_version == version:
        return "NotApplicableFirmwareDeviceIDList"
    if context.settings.in_progress_guard and device.eui in context.state.open_job:
        return "OtherRequestInProgressList"
    if device.device_type in (DeviceType.PPMID, DeviceType.HCALCS) and not _hub_capable(context, device):
        return "InvalidGBCSVersionList"
    return None


def _hub_capable(context: Context, device: InventoryEntry) -> bool:
    hub = context.state.inventory.get(device.hub) if device.hub is not None else None
    return hub is not None and _number(hub.gbcs_version) >= _number(context.settings.ppmid_hub_gbcs_version)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _accept(context: Context, case: Case, devices: list[InventoryEntry], octets: bytes, image_hash: str, version: str) -> None:
    request = FirmwareRequest(
        key=context.key(),
        request_id=str(case.request.request_id),
        user=case.sender.eui,
        service_reference_variant=case.row.srv,
        firmware_version=version,
        image_hash=image_hash,
        image_key=context.csp.hold_image(octets),
        accepted_ms=context.now_ms,
    )
    context.state.firmware_requests[request.key] = request
    for device in devices:
        assert device.hub is not None
        job = Job(context.key(), request.key, device.eui, device.hub, job_states.QUEUED, since_ms=context.now_ms)
        context.state.jobs[job.key] = job
        context.state.open_job[device.eui] = job.key
        context.state.latest_job[device.eui] = job.key
        context.state.open_jobs += 1
        request.jobs.append(job.key)
    context.journal(
        "job",
        f"{case.row.srv} accepted: firmware {version} for {len(devices)} device(s)",
        request_id=request.request_id,
        data={"image_hash": image_hash, "devices": len(devices)},
    )
    # A job may end while others of the request are still to be handed over: the request itself needs the image until then.
    context.csp.keep_image(request.image_key)
    context.agenda.schedule(context.now_ms, "dsp.hand_over", request.key)
    _tell_other_suppliers(context, case, devices, version)


def _tell_other_suppliers(context: Context, case: Case, devices: list[InventoryEntry], version: str) -> None:
    """FirmwareUpgradeRequested to every other responsible supplier of shared devices (ota.md C2, low-medium)."""
    shared: dict[tuple[Eui64, DeviceType], list[str]] = {}
    for device in devices:
        for supplier in responsible_suppliers(context.state, device, context.now_ms):
            if supplier != case.sender.eui:
                shared.setdefault((supplier, device.device_type), []).append(format_eui(device.eui))
    for (supplier, device_type), euis in sorted(shared.items()):
        body = element(
            "FirmwareUpgradeRequested",
            element("DeviceType", device_type),
            element("FirmwareVersion", version),
            element("DeviceList", ",".join(euis)),
        )
        context.dcc_alert([supplier], "firmware_upgrade_requested", body, device=None, request_id=str(case.request.request_id))


def hand_over(context: Context, key: int) -> None:
    """Give the jobs of an accepted request to the csp."""
    request = context.state.firmware_requests[key]
    for number in request.jobs:
        job = context.state.jobs[number]
        if advance_job(context, job, "handed_over"):
            context.csp.distribute(str(job.key), job.hub, job.device, request.image_key, context.now_ms)
    context.csp.release_image(request.image_key)


def advance_job(context: Context, job: Job, event: str, reason: str = "") -> bool:
    """Apply an event to a job; False, and nothing changes, when its state does not know the event."""
    state = job_states.transition(job.state, event)
    if state is None:
        return False
    was_open = job.state not in job_states.TERMINAL
    job.state, job.since_ms = state, context.now_ms
    job.reason = reason or job.reason
    if was_open and state in job_states.TERMINAL:
        context.state.open_jobs -= 1
        if context.state.open_job.get(job.device) == job.key:
            del context.state.open_job[job.device]
    request = context.state.firmware_requests[job.request]
    context.journal(
        "job",
        f"{format_eui(job.device)}: {event} → {state}" + (f" ({reason})" if reason else ""),
        request_id=request.request_id,
        device=job.device,
        data={"state": state, "event": event, "reason": reason},
    )
    return True


def delivered(context: Context, job_key: str, success: bool, reason: str) -> None:
    """The csp's leg ended: CSPFirmwareDeliveryStatus to the requester (duis.md 6.4, N60 and N61 medium-high)."""
    job = context.state.jobs[int(job_key)]
    request = context.state.firmware_requests[job.request]
    if not advance_job(context, job, "delivered" if success else "csp_failed", reason):
        return
    if reason in ("image rejected", "unknown hub", "unknown device"):
        body = element(
            "FirmwareDistributionFailure",
            element("UpdateFirmwareRequestID", request.request_id),
            element("MeterIDs", format_eui(job.device)),
        )
        context.dcc_alert([request.user], "distribution_failure", body, device=job.device, request_id=request.request_id)
        return
    body = element(
        "CSPFirmwareDeliveryStatus",
        element("UpdateFirmwareRequestID", request.request_id),
        element("CommsHubDeviceID", format_eui(job.hub)),
        element("TargetDeviceID", format_eui(job.device)),
        element("FirmwareVersion", request.firmware_version),
        element("TimeStamp", format_datetime(context.now_ms)),
        element("CommsHubTransferStatus", "Success" if success else "Failure"),
    )
    purpose = "firmware_delivered" if success else "firmware_not_delivered"
    context.dcc_alert([request.user], purpose, body, device=job.device, request_id=request.request_id)
    if success:
        context.agenda.schedule(context.now_ms + context.settings.silence_ms, "dsp.silence", job.key, job_states.AT_CH)


def silence(context: Context, key: int, state: str) -> None:
    """Nothing more was heard of a job since it entered ``state``."""
    job = context.state.jobs[key]
    if job.state == state:
        advance_job(context, job, "silence", "nothing heard")


def latest_job(context: Context, device: int) -> Job | None:
    """The newest job of a device, open or not."""
    key = context.state.latest_job.get(Eui64(device))
    return None if key is None else context.state.jobs[key]


def cancel_jobs(context: Context, device: int, reason: str) -> None:
    """End what is open for a device that left (ota.md F43)."""
    key = context.state.open_job.get(Eui64(device))
    if key is not None:
        context.csp.cancel(str(key), context.now_ms)
        advance_job(context, context.state.jobs[key], "cancelled", reason)


def version_proved(context: Context, device: InventoryEntry, version: str, *, by_activation: bool) -> None:
    """A device said which version it runs; the inventory follows (ota.md A11, duis.md 3.1 citing SR112).

    An activation is expected to change the version. A read that shows a version which neither the inventory nor a firmware
    request explains raises FirmwareVersionMismatch before the inventory is corrected.
    """
    job = latest_job(context, device.eui)
    request = context.state.firmware_requests[job.request] if job is not None else None
    expected = request is not None and request.firmware_version == version
    listed = cpl_entry(context, device, version)
    if job is not None and request is not None and not by_activation:
        advance_job(context, job, "version_equal" if expected else "version_differs", f"runs {version}")
    if version == device.firmware_version:
        return
    explained = by_activation or expected
    if context.settings.mismatch_alert and (not explained or listed is None):
        body = element(
            "FirmwareVersionMismatch",
            element("DeviceID", format_eui(device.eui)),
            element("DeviceType", device.device_type),
            element("FirmwareVersionSMI", device.firmware_version),
            element("FirmwareVersionDevice", version),
        )
        users = responsible_suppliers(context.state, device, context.now_ms)
        context.dcc_alert(users, "firmware_version_mismatch", body, device=device.eui)
    if listed is None or not (by_activation or context.settings.update_inventory_on_read):
        return
    device.firmware_version = version
    device.gbcs_version = listed.gbcs_version
    context.journal(
        "inventory", f"{format_eui(device.eui)}: firmware {version}", device=device.eui, data={"firmware_version": version}
    )
