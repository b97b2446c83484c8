"""Reports on devices: what they run against what the inventory says, and the images that they hold."""

from collections.abc import Sequence

from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.vocabulary import DeviceType
from emulator.dsp import job_states
from emulator.dsp.jobs import job_of
from emulator.dsp.registration import supplier_parties
from emulator.dsp.state import FirmwareRequest, InventoryEntry, Job
from emulator.engine import Engine
from emulator.premises.state import DeviceState, SentImage
from emulator.reports.firmware import region_of
from emulator.reports.report import Column, Filter, Filters, Report, Row, Unit, shown_user

# version-disagreement


def _running(engine: Engine, entry: InventoryEntry) -> str | None:
    device = engine.state.premises.devices.get(entry.eui)
    return None if device is None else f"{engine.premises.rows.running_version(device.eui):08X}"


def _disagreement(engine: Engine, entry: InventoryEntry) -> str:
    """Whose word the inventory does not have; empty where it agrees or nothing is known."""
    running, reported = _running(engine, entry), entry.reported_version
    truth = "running" if entry.firmware_version and running not in (None, entry.firmware_version) else ""
    told = "reported" if reported and reported != entry.firmware_version else ""
    return " ".join(each for each in (truth, told) if each)


def _select_disagreements(engine: Engine, filters: Filters) -> Sequence[InventoryEntry]:
    device, supplier = filters.get("device"), filters.get("supplier")
    return [
        entry
        for entry in engine.state.dsp.inventory.values()
        if device in (None, entry.eui) and _disagreement(engine, entry)
        if supplier is None or supplier in supplier_parties(engine.context, entry, engine.now_ms)
    ]


def _disagreement_row(engine: Engine, entry: InventoryEntry) -> Row:
    job = job_of(engine.context, entry.eui)
    return {
        "device": format_eui(entry.eui),
        "type": entry.device_type.value,
        "hub": None if entry.hub is None else format_eui(entry.hub),
        "status": None if entry.status is None else entry.status.value,
        "suppliers": " ".join(supplier_parties(engine.context, entry, engine.now_ms)) or None,
        "inventory": entry.firmware_version,
        "running": _running(engine, entry),
        "reported": entry.reported_version or None,
        "reported_ms": entry.reported_ms,
        "differs": _disagreement(engine, entry),
        "job": None if job is None else job.state,
    }


VERSION_DISAGREEMENT = Report(
    "version-disagreement",
    "Devices of which the inventory has another firmware version than they run, or than they last reported: in answer to "
    "11.2 or on an activation. What they run is known to the emulator alone; nobody sees it in the real system.",
    (
        Column("device", "the device", Unit.DEVICE),
        Column("type", "its device type"),
        Column("hub", "its hub", Unit.DEVICE),
        Column("status", "its inventory status"),
        Column("suppliers", "its import and gas suppliers now"),
        Column("inventory", "firmware version in the inventory"),
        Column("running", "firmware version that it runs"),
        Column("reported", "firmware version that it last reported"),
        Column("reported_ms", "when it did", Unit.INSTANT),
        Column("differs", "what the inventory does not agree with: running, reported or both"),
        Column("job", "state of its newest firmware job"),
    ),
    (Filter("device", "this device alone", Unit.DEVICE), Filter("supplier", "devices of this supplier", Unit.COMPANY)),
    row=_disagreement_row,
    select=_select_disagreements,
)


# held-images


def _held(engine: Engine, device: DeviceState) -> SentImage:
    held = engine.premises.rows.held(device.eui)
    assert held is not None, "it was selected for what it holds"
    return held


def _sent(engine: Engine, device: DeviceState) -> tuple[FirmwareRequest, Job] | None:
    """The request and job that brought the image that a device holds; None where the DSP has forgotten them."""
    job = job_of(engine.context, device.eui, image_hash=_held(engine, device).manufacturer_image_hash.hex())
    return None if job is None else (engine.state.dsp.firmware_requests[job.request], job)


def _suppliers(engine: Engine, device: DeviceState, at_ms: int) -> list[str]:
    entry = engine.state.dsp.inventory.get(Eui64(device.eui))
    return [] if entry is None else supplier_parties(engine.context, entry, at_ms)


def _changed(engine: Engine, device: DeviceState) -> bool | None:
    """Whether the suppliers are others than when the image was sent; None where that is forgotten."""
    sent = _sent(engine, device)
    if sent is None:
        return None
    return set(_suppliers(engine, device, sent[0].accepted_ms)) != set(_suppliers(engine, device, engine.now_ms))


def _held_since_ms(engine: Engine, device: DeviceState) -> int | None:
    """When the DSP heard that a device holds its image; where that is not known, when the image was at its hub."""
    sent = _sent(engine, device)
    if sent is None:
        return None
    return sent[1].since_ms if sent[1].state == job_states.VERIFIED else sent[1].at_hub_ms


def _select_held(engine: Engine, filters: Filters) -> Sequence[DeviceState]:
    wanted = filters.get("device")
    devices, held = engine.state.premises.devices.values(), engine.premises.rows.held
    found = [each for each in devices if wanted in (None, each.eui) and held(each.eui)]
    if "supplier" in filters:
        found = [each for each in found if filters["supplier"] in _suppliers(engine, each, engine.now_ms)]
    if "sender" in filters:
        found = [each for each in found if (sent := _sent(engine, each)) is not None and sent[0].user == filters["sender"]]
    if "supplier_changed" in filters:
        found = [each for each in found if _changed(engine, each) is filters["supplier_changed"]]
    if "longer_than_ms" in filters:
        latest_ms = engine.now_ms - filters["longer_than_ms"]
        found = [each for each in found if (since_ms := _held_since_ms(engine, each)) is not None and since_ms < latest_ms]
    return found


def _held_row(engine: Engine, device: DeviceState) -> Row:
    sent, held = _sent(engine, device), _held(engine, device)
    request, job = (None, None) if sent is None else sent
    entry = engine.state.dsp.inventory.get(Eui64(device.eui))
    return {
        "device": format_eui(device.eui),
        "type": device.device_type.value,
        "region": region_of(engine, device.hub).value,
        "version": f"{held.file_version:08X}",
        "image_hash": held.manufacturer_image_hash.hex(),
        "running": f"{engine.premises.rows.running_version(device.eui):08X}",
        "suppliers": " ".join(_suppliers(engine, device, engine.now_ms)) or None,
        "sender": shown_user(None if request is None else request.user),
        "acting_for": None if request is None else " ".join(request.acting_for) or None,
        "grant": None if job is None else job.grant or None,
        "request_id": None if request is None else request.request_id,
        "sent_ms": None if request is None else request.accepted_ms,
        "held_since_ms": _held_since_ms(engine, device),
        "supplier_changed": _changed(engine, device),
        "activates_ms": None if device.pending is None else device.pending.at_ms - device.clock_offset_ms,
        "status": None if entry is None or entry.status is None else entry.status.value,
        "job": None if job is None else job.state,
    }


HELD_IMAGES = Report(
    "held-images",
    "Devices that hold a verified image and do not run it: what can be activated, with the hash that 11.3 must name, and "
    "who sent it. For a supplier the devices ready to activate; after a change of supplier the images that it took over.",
    (
        Column("device", "the device", Unit.DEVICE),
        Column("type", "its device type"),
        Column("region", "its region", Unit.REGION),
        Column("version", "firmware version of the image"),
        Column("image_hash", "SHA-256 of the Manufacturer Image, as 11.3 must name it"),
        Column("running", "firmware version that it runs"),
        Column("suppliers", "its import and gas suppliers now"),
        Column("sender", "who sent the image", Unit.USER),
        Column("acting_for", "suppliers for whom an agent sent it"),
        Column("grant", "number of the grant under which it was sent", Unit.GRANT),
        Column("request_id", "the request that sent it", Unit.REQUEST),
        Column("sent_ms", "when that was accepted", Unit.INSTANT),
        Column("held_since_ms", "when the DSP heard that it holds it; if it did not, when it was at the hub", Unit.INSTANT),
        Column("supplier_changed", "whether its suppliers are others than when the image was sent", Unit.FLAG),
        Column("activates_ms", "when it will activate the image by itself", Unit.INSTANT),
        Column("status", "its inventory status"),
        Column("job", "state of the firmware job that brought the image"),
    ),
    (
        Filter("supplier", "devices of this supplier now", Unit.COMPANY),
        Filter("sender", "images that this user sent", Unit.USER),
        Filter("device", "this device alone", Unit.DEVICE),
        Filter("longer_than_ms", "those held for longer than so many milliseconds", Unit.DURATION),
        Filter("supplier_changed", "only those held after a change of supplier, or only the others", Unit.FLAG),
    ),
    row=_held_row,
    select=_select_held,
)


# never-read


def _select_unread(engine: Engine, filters: Filters) -> Sequence[InventoryEntry]:
    """Devices that run another version than they last answered to 11.2, or, never read, than they were installed with."""
    wanted, supplier = filters.get("device"), filters.get("supplier")
    found = []
    for entry in engine.state.dsp.inventory.values():
        device = engine.state.premises.devices.get(entry.eui)
        if device is None or wanted not in (None, entry.eui) or entry.device_type is DeviceType.GPF:
            continue
        if _running(engine, entry) == (entry.read_version or device.definition.firmware_version):
            continue
        if supplier is None or supplier in supplier_parties(engine.context, entry, engine.now_ms):
            found.append(entry)
    return found


def _unread_row(engine: Engine, entry: InventoryEntry) -> Row:
    running = _running(engine, entry)
    job = job_of(engine.context, entry.eui, file_version=running or "")
    request = None if job is None else engine.state.dsp.firmware_requests[job.request]
    told = entry.reported_version == running and entry.reported_ms is not None
    return {
        "device": format_eui(entry.eui),
        "type": entry.device_type.value,
        "region": region_of(engine, entry.hub).value,
        "suppliers": " ".join(supplier_parties(engine.context, entry, engine.now_ms)) or None,
        "running": running,
        "inventory": entry.firmware_version,
        "route": "DCC" if job is not None else "other",
        "request_id": None if request is None else request.request_id,
        "user": shown_user(None if request is None else request.user),
        "reported_ms": entry.reported_ms if told else None,
        "read": entry.read_version or None,
        "read_ms": entry.read_ms,
        "job": None if job is None else job.state,
    }


NEVER_READ = Report(
    "never-read",
    "Devices that got other firmware, whatever the way, and whose version nobody has read by 11.2 since. What they run is known "
    "to the emulator alone.",
    (
        Column("device", "the device", Unit.DEVICE),
        Column("type", "its device type"),
        Column("region", "its region", Unit.REGION),
        Column("suppliers", "its import and gas suppliers now"),
        Column("running", "firmware version that it runs"),
        Column("inventory", "firmware version in the inventory"),
        Column("route", "whether a request to the DCC brought it that version, or something other"),
        Column("request_id", "the request that did", Unit.REQUEST),
        Column("user", "who sent that", Unit.USER),
        Column("reported_ms", "when it reported that it runs the version, if that arrived", Unit.INSTANT),
        Column("read", "version of its last answer to 11.2"),
        Column("read_ms", "when that came", Unit.INSTANT),
        Column("job", "state of the firmware job that brought it that version"),
    ),
    (Filter("device", "this device alone", Unit.DEVICE), Filter("supplier", "devices of this supplier", Unit.COMPANY)),
    row=_unread_row,
    select=_select_unread,
)
