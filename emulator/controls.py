"""Commands of the control interface that change a world. Each is an input: logged, ordered, replayed.

A verb takes JSON values and gives JSON values; :class:`Malformed` refuses it and changes nothing.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from io import BytesIO
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.limits import MAX_REGISTRATION_CSV_CHARACTERS
from emulator.domain.operators import check_operator
from emulator.domain.settings import DAY_MS, HOUR_MS
from emulator.domain.vocabulary import CplStatus, DeviceType, RemotePartyRole, UserRole
from emulator.dsp import anomaly, firmware_controls, grants
from emulator.dsp.audit import Entry
from emulator.dsp.effects import ControlAnswer
from emulator.dsp.inputs import ControlInput
from emulator.dsp.jobs import cancel_jobs, is_open
from emulator.dsp.state import User
from emulator.dsp.versions import product_changed
from emulator.duis.datetimes import format_datetime
from emulator.engine import Engine
from emulator.estate.model import CplEntry, DeviceDefinition, Registration
from emulator.estate.registration_csv import read_tenures, registrations_of
from emulator.estate.registrations import FOREVER_MS
from emulator.gbcs.usecases import parse_version
from emulator.premises.profiles import device_kind
from emulator.simulation.clock import MAX_INSTANT_MS
from emulator.simulation.faults import KINDS, read_fault

Params = Mapping[str, Any]
_HEX_DIGITS = frozenset("0123456789ABCDEFabcdef")
_SUPPLIER = RemotePartyRole.SUPPLIER
Verb = Callable[[Engine, Params], dict[str, Any]]


_MAX_URL = 2_000
MAX_CHANNELS = 1_000_000
"""Most images that a pool may send at a time; ours."""
_MAX_TEXT = 200
"""Longest text parameter but an endpoint; far above every text of the inventory."""


def _take(params: Params, name: str, kind: type, default: Any = ...) -> Any:
    """One parameter; an absent or null one is ``default`` where there is one."""
    value = params.get(name)
    if value is None and default is not ...:
        return default
    if value is None:
        raise Malformed(f"{name} is missing", where=name, expected=f"a value of type {kind.__name__}")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Malformed(f"{name} is {str(value)[:60]!r}", where=name, expected=f"a value of type {kind.__name__}")
    return value


def _text(params: Params, name: str, default: Any = ...) -> Any:
    """A text that can be shown and sent: printable, and not endless."""
    value = _take(params, name, str, default)
    if isinstance(value, str) and not (value.isprintable() and len(value) <= _MAX_TEXT):
        raise Malformed(f"{name} is {value[:60]!r}", where=name, expected=f"at most {_MAX_TEXT} printable characters")
    return value


def _word(params: Params, name: str, vocabulary: type[StrEnum], default: Any = ...) -> Any:
    value = _take(params, name, str, default)
    try:
        return vocabulary(value)
    except ValueError:
        raise Malformed(f"there is no {name} {value[:60]!r}", where=name, expected=f"one of {', '.join(vocabulary)}") from None


def _hex(params: Params, name: str, digits: int, default: Any = ...) -> Any:
    value = _take(params, name, str, default)
    if value and (len(value) != digits or not set(value) <= _HEX_DIGITS):
        raise Malformed(f"{name} is {value[:80]!r}", where=name, expected=f"{digits} hexadecimal digits")
    return value


def _instant(params: Params, name: str, default: Any = ...) -> Any:
    value = _take(params, name, int, default)
    if value is not None and not 0 <= value <= MAX_INSTANT_MS:
        raise Malformed(f"{name} is {value}", where=name, expected=f"0 to {MAX_INSTANT_MS} milliseconds of UTC")
    return value


def _eui(params: Params, name: str, default: Any = ...) -> Any:
    value = _take(params, name, str, default)
    if value is None:
        return None
    try:
        return parse_eui(value)
    except Malformed as error:
        raise Malformed(error.detail, where=name, expected=error.expected) from None


def _only(params: Params, *names: str) -> None:
    for name in params:
        if name not in names:
            raise Malformed(f"{name!r} is not a parameter", where=str(name), expected=f"one of {', '.join(names)}")


def _user(engine: Engine, params: Params) -> User:
    eui = _eui(params, "user")
    user = engine.state.dsp.users.get(eui)
    if user is None:
        known = ", ".join(format_eui(each) for each in sorted(engine.state.dsp.users))
        raise Malformed(f"{format_eui(eui)} is not a user", where="user", expected=f"one of {known}")
    return user


def _device(engine: Engine, params: Params) -> Eui64:
    eui: Eui64 = _eui(params, "device")
    if engine.premises.describe(eui, engine.now_ms) is None:
        raise Malformed(f"{format_eui(eui)} is in no home", where="device", expected="the EUI of a device of the estate")
    return eui


def user_endpoint(engine: Engine, params: Params) -> dict[str, Any]:
    """Set where a user's pushes go; an empty ``url`` holds them back."""
    _only(params, "user", "url")
    user = _user(engine, params)
    url = _take(params, "url", str)
    if not (url.isprintable() and len(url) <= _MAX_URL):
        raise Malformed(f"url is {url[:60]!r}", where="url", expected=f"at most {_MAX_URL} printable characters")
    user.endpoint = url
    return {"user": format_eui(user.eui), "url": user.endpoint}


def user_status(engine: Engine, params: Params) -> dict[str, Any]:
    """Suspend a user (E3) or make it active again."""
    _only(params, "user", "active")
    user = _user(engine, params)
    user.active = _take(params, "active", bool)
    _audit(engine, "control", "user active" if user.active else "user suspended", user.name, user=format_eui(user.eui))
    return {"user": format_eui(user.eui), "active": user.active}


def registration_put(engine: Engine, params: Params) -> dict[str, Any]:
    """Register a party for an MPxN and role from an instant on; whoever held it until then ends there.

    With ``to_ms`` nobody holds it from then on.
    """
    _only(params, "mpxn", "role", "party", "from_ms", "to_ms")
    entry = Registration(
        mpxn=_text(params, "mpxn"),
        role=_word(params, "role", UserRole),
        party=_text(params, "party"),
        from_ms=_instant(params, "from_ms", engine.now_ms),
        to_ms=_instant(params, "to_ms", None),
    )
    _register(engine, [entry], Entry("registration", "registered", mpxn=entry.mpxn, role=entry.role.value))
    return asdict(entry)


def registration_load(engine: Engine, params: Params) -> dict[str, Any]:
    """Register parties from the text of a CSV file, all or none (docs/reference/registration.md)."""
    _only(params, "csv")
    text = _take(params, "csv", str)
    if len(text) > MAX_REGISTRATION_CSV_CHARACTERS:
        limit = f"at most {MAX_REGISTRATION_CSV_CHARACTERS} characters; the registration_file of an estate has room for more"
        raise Malformed(f"csv has {len(text)} characters", where="csv", expected=limit)
    parties = engine.state.dsp.registrations.parties
    tenures = read_tenures(BytesIO(text.encode("utf-8", "replace")), parties, source="csv")
    entries = registrations_of(tenures, parties)
    record = Entry(
        kind="registration",
        outcome="loaded",
        reason=f"{len(entries)} registrations",
        file_hash=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(),
    )
    return {"registrations": len(entries), "mpxns": _register(engine, entries, record)}


def _register(engine: Engine, entries: Sequence[Registration], record: Entry) -> int:
    """Put registrations, with one record whatever their number, and have the DSP act on each change of party when it comes."""
    now_ms, store, agenda = engine.now_ms, engine.state.dsp.registrations, engine.state.agenda
    if record.mpxn:
        (only,) = entries
        held = store.party_for(only.mpxn, only.role, only.from_ms)
        before = "" if held is None else store.parties[held]
        record = replace(record, before=before, after=f"{only.party} {_span(only)}")
    count = store.put(entries)
    engine.context.audit(record)
    mpxns = sorted({entry.mpxn for entry in entries})
    for mpxn in mpxns:
        agenda.schedule(now_ms, "dsp.registration", mpxn)
    for at_ms, mpxn in sorted({(change.at_ms, change.mpxn) for change in store.changes(now_ms, FOREVER_MS, mpxns)}):
        agenda.schedule(at_ms, "dsp.registration", mpxn)
    return count


def _span(entry: Registration) -> str:
    until = "" if entry.to_ms is None else f" to {format_datetime(entry.to_ms)}"
    return f"from {format_datetime(entry.from_ms)}{until}"


def cpl_put(engine: Engine, params: Params) -> dict[str, Any]:
    """Add a row to the Central Products List or change its status; devices are suspended or restored accordingly."""
    _only(params, "type", "manufacturer", "model", "firmware_version", "status", "image_hash", "gbcs_version")
    entry = CplEntry(
        device_type=_word(params, "type", DeviceType),
        manufacturer=_hex(params, "manufacturer", 4).upper(),
        model=_hex(params, "model", 8).upper(),
        firmware_version=_hex(params, "firmware_version", 8).upper(),
        status=_word(params, "status", CplStatus, CplStatus.ACTIVE.value),
        image_hash=_hex(params, "image_hash", 64, "").lower(),
        gbcs_version=_gbcs_version(params),
    )
    for name in ("manufacturer", "model", "firmware_version"):
        if not params[name]:
            raise Malformed(f"{name} is empty", where=name, expected="hexadecimal digits")
    known = engine.state.dsp.cpl.get((entry.device_type, entry.manufacturer, entry.model, entry.firmware_version))
    if known is not None:
        entry = replace(
            known,
            status=entry.status,
            image_hash=entry.image_hash or known.image_hash,
            gbcs_version=entry.gbcs_version if params.get("gbcs_version") else known.gbcs_version,
        )
    engine.context.lookup.put_product(entry)
    engine.context.audit(
        Entry(
            kind="control",
            outcome="product listed",
            reason=f"{entry.device_type} {entry.manufacturer}/{entry.model}",
            version=entry.firmware_version,
            image_hash=entry.image_hash,
            before="" if known is None else f"status {known.status}",
            after=f"status {entry.status}",
        )
    )
    product_changed(engine.context, entry)
    return {"firmware_version": entry.firmware_version, "status": entry.status.value}


def _gbcs_version(params: Params) -> str:
    value = _text(params, "gbcs_version", "4.2")
    if not parse_version(value):
        raise Malformed(f"gbcs_version is {value!r}", where="gbcs_version", expected="numbers and dots such as 4.2")
    return str(value)


def device_power(engine: Engine, params: Params) -> dict[str, Any]:
    """Switch a device or hub on or off."""
    _only(params, "device", "on")
    eui = _device(engine, params)
    on = _take(params, "on", bool)
    engine.premises.power(eui, on, engine.now_ms)
    return {"device": format_eui(eui), "on": on}


def device_side_channel(engine: Engine, params: Params) -> dict[str, Any]:
    """Change what a combined PPMID/CAD runs, as its maker does over the internet: the DCC hears nothing of it (ota.md 15)."""
    _only(params, "device", "version")
    eui, version = _device(engine, params), _hex(params, "version", 8)
    definition = engine.state.premises.devices[eui].definition
    if not device_kind(definition.profile, definition.device_type).side_channel:
        raise Malformed(f"{format_eui(eui)} has no side channel", where="device", expected="a device of profile PPMID-CAD or CAD")
    engine.premises.side_channel(eui, int(version, 16), engine.now_ms)
    return {"device": format_eui(eui), "version": version.upper()}


def hub_update(engine: Engine, params: Params) -> dict[str, Any]:
    """Send a hub firmware of its own, as its CSP does; the HAN is down while it restarts (ota.md 9)."""
    _only(params, "hub", "version", "gbcs_version", "duration_ms")
    hub, version = _eui(params, "hub"), _hex(params, "version", 8)
    gbcs_version, duration_ms = _text(params, "gbcs_version", ""), _take(params, "duration_ms", int, HOUR_MS)
    if not 1_000 <= duration_ms <= 31 * DAY_MS:
        raise Malformed(f"duration_ms is {duration_ms}", where="duration_ms", expected="one second to 31 days, in milliseconds")
    if gbcs_version and not parse_version(gbcs_version):
        raise Malformed(f"gbcs_version is {gbcs_version!r}", where="gbcs_version", expected="numbers and dots such as 4.2")
    if not engine.premises.update_hub(hub, int(version, 16), gbcs_version, duration_ms, engine.now_ms):
        raise Malformed(f"{format_eui(hub)} is not a hub", where="hub", expected="the EUI of a CHF that is there")
    return {"hub": format_eui(hub), "version": version.upper()}


def network_capacity(engine: Engine, params: Params) -> dict[str, Any]:
    """Change how many images a pool sends at a time: sessions, or channels of a radio cell or of all cells."""
    _only(params, "pool", "channels", "cell")
    pool, cell = _text(params, "pool"), _take(params, "cell", int, -1)
    channels = _take(params, "channels", int)
    if not 0 <= channels <= MAX_CHANNELS:
        raise Malformed(f"channels is {channels}", where="channels", expected=f"0 to {MAX_CHANNELS}")
    engine.premises.set_capacity(pool, channels, cell, engine.now_ms)
    return {"pool": pool, "channels": channels}


def network_outage(engine: Engine, params: Params) -> dict[str, Any]:
    """Let no image through in a pool, or in one of its cells, until an instant; one that is past ends that."""
    _only(params, "pool", "until_ms", "cell")
    pool, cell = _text(params, "pool"), _take(params, "cell", int, -1)
    until_ms = _instant(params, "until_ms")
    engine.premises.set_outage(pool, until_ms, cell, engine.now_ms)
    return {"pool": pool, "until_ms": until_ms}


def device_fit(engine: Engine, params: Params) -> dict[str, Any]:
    """Fit a pre-notified device in the home of a hub, as an installer would; it joins once the hub's log lists it."""
    _only(params, "device", "hub", "supplier")
    eui, hub, supplier = _eui(params, "device"), _eui(params, "hub"), _eui(params, "supplier", None)
    entry, home = engine.state.dsp.inventory.get(eui), engine.state.dsp.premises.get(hub)
    if entry is None:
        raise Malformed(f"{format_eui(eui)} is not in the inventory", where="device", expected="a device notified by 12.2")
    if entry.device_type in (DeviceType.CHF, DeviceType.GPF):
        raise Malformed(f"a {entry.device_type} is not fitted into a home", where="device", expected="a device other than a hub")
    if home is None:
        raise Malformed(f"{format_eui(hub)} is not a hub", where="hub", expected="the EUI of a CHF of the estate")
    if supplier is not None and supplier not in {p.eui for p in engine.state.estate.parties if p.remote_party_role is _SUPPLIER}:
        raise Malformed(f"{format_eui(supplier)} is not a supplier", where="supplier", expected="the EUI of a supplier")
    version = entry.firmware_version or "00000000"
    definition = DeviceDefinition(
        eui=eui,
        device_type=entry.device_type,
        hub=hub,
        manufacturer=entry.manufacturer,
        model=entry.model,
        hardware_version=0x0101,
        # The versions of Type 2 devices are free text, which nothing runs.
        firmware_version=version if len(version) == 8 and set(version) <= _HEX_DIGITS else "00000000",
        smets_version=entry.smets_version,
        gbcs_version=entry.gbcs_version,
        status=entry.status,
        esme_variant=entry.esme_variant,
        supplier=supplier,
    )
    engine.premises.add_device(definition, engine.now_ms)
    entry.supplier = definition.supplier
    return {"device": format_eui(eui), "hub": format_eui(hub)}


def fault_add(engine: Engine, params: Params) -> dict[str, Any]:
    """Plan a fault (docs/reference/faults.md); ``matches`` says how many hubs or devices it can hit as things stand."""
    entry = read_fault(params, engine.now_ms)
    engine.entities.check(entry)
    matches = engine.faults.selected(entry, engine.entities.population(KINDS[entry.kind].subject))
    if not matches and entry.who.share is not None and entry.who == entry.who.lasting(share=True):
        detail = f"with this seed the share takes nobody: {entry.who}"
        raise Malformed(detail, where="who.share", expected="a larger share, or more to take it of")
    return {"fault": engine.faults.put(entry), "matches": matches}


def fault_remove(engine: Engine, params: Params) -> dict[str, Any]:
    """Take a fault back; without ``fault`` all of them."""
    _only(params, "fault")
    number = _take(params, "fault", int, None)
    if number is None:
        engine.faults.clear()
    elif not engine.faults.remove(number):
        raise Malformed(f"there is no fault {number}", where="fault", expected="the number of a planned fault")
    return {"fault": number}


def job_cancel(engine: Engine, params: Params) -> dict[str, Any]:
    """Give up the firmware job that is open for a device."""
    _only(params, "device")
    eui = _device(engine, params)
    if not any(is_open(job) for job in engine.context.lookup.jobs_of(eui)):
        raise Malformed(f"{format_eui(eui)} has no open firmware job", where="device", expected="a device with an open job")
    cancel_jobs(engine.context, eui, "given up by the operator")
    engine.context.audit(Entry("control", "job cancelled", device=format_eui(eui)))
    return {"device": format_eui(eui)}


def grant_put(engine: Engine, params: Params) -> dict[str, Any]:
    """Let an agent distribute firmware for a supplier."""
    values = {name: value for name, value in params.items() if value is not None}
    grant = grants.put_grant(engine.state.dsp.grants, values, engine.now_ms)
    _audit_grant(engine, "granted", grant)
    return {"grant": grant.number}


def grant_revoke(engine: Engine, params: Params) -> dict[str, Any]:
    """End a grant now."""
    _only(params, "grant")
    grant = grants.revoke(engine.state.dsp.grants, _take(params, "grant", int), engine.now_ms)
    _audit_grant(engine, "revoked", grant)
    return {"grant": grant.number}


def grant_approve(engine: Engine, params: Params) -> dict[str, Any]:
    """Approve an image under a grant, for any list of devices or for one."""
    token = grants.approve(engine.state.dsp.grants, params)
    devices = {parse_eui(text) for text in params.get("devices") or ()}
    engine.context.audit(
        Entry(
            kind="grant",
            outcome="approved",
            reason=f"approval {token.number} of {'one list of devices' if token.devices_digest else 'a version'}",
            acting_for=engine.state.dsp.grants.grants[token.grant].supplier,
            grant=str(token.grant),
            devices=len(devices),
            devices_digest=token.devices_digest,
            version=token.version,
            image_hash=token.image_hash,
        ),
        devices,
    )
    return {"approval": token.number}


def anomaly_threshold(engine: Engine, params: Params) -> dict[str, Any]:
    """Set how much a user may send of a service in a day."""
    threshold = anomaly.read_threshold(params, "threshold")
    anomaly.put_threshold(engine.state.dsp.anomaly, threshold)
    _audit(engine, "control", "threshold set", f"{threshold.variant}: {threshold.requests} requests, {threshold.devices} devices")
    return {"variant": threshold.variant}


def quarantine_release(engine: Engine, params: Params) -> dict[str, Any]:
    """Let a quarantined request go on."""
    _only(params, "reference", "operator")
    reference = _take(params, "reference", int)
    return {"reference": reference, "code": engine.dsp.release(reference, _operator(params))}


def quarantine_delete(engine: Engine, params: Params) -> dict[str, Any]:
    """Delete a quarantined request."""
    _only(params, "reference", "operator")
    reference = _take(params, "reference", int)
    engine.dsp.discard(reference, _operator(params))
    return {"reference": reference}


def _operator(params: Params) -> str:
    """The human who gives the command, as they name themselves."""
    return check_operator(_take(params, "operator", str, ""))


def device_credentials(engine: Engine, params: Params) -> dict[str, Any]:
    """Put another supplier's certificates into a device, as a completed 6.23 would."""
    _only(params, "device", "party")
    eui, party = _device(engine, params), _eui(params, "party")
    user = engine.state.dsp.users.get(party)
    if user is None or user.remote_party_role is not RemotePartyRole.SUPPLIER:
        raise Malformed(f"{format_eui(party)} is not a supplier", where="party", expected="the User ID of a supplier")
    entry = engine.state.dsp.inventory.get(eui)
    before = "" if entry is None or entry.supplier is None else format_eui(entry.supplier)
    engine.premises.set_credential(eui, RemotePartyRole.SUPPLIER, party, engine.now_ms)
    if entry is not None:
        entry.supplier = party
    engine.context.audit(
        Entry("control", "credentials", device=format_eui(eui), user=format_eui(party), before=before, after=format_eui(party))
    )
    return {"device": format_eui(eui), "party": format_eui(party)}


def _audit_grant(engine: Engine, outcome: str, grant: grants.Grant) -> None:
    text = f"grant {grant.number} of {grant.supplier}"
    entry = Entry("grant", outcome, text, user=format_eui(grant.agent), acting_for=grant.supplier, grant=str(grant.number))
    engine.context.audit(replace(entry, after=grants.written(grant)) if outcome == "granted" else entry)


def _audit(engine: Engine, kind: str, outcome: str, reason: str, *, user: str = "") -> None:
    engine.context.audit(Entry(kind, outcome, reason, user=user))


VERBS: Mapping[str, Verb] = {
    "user.endpoint": user_endpoint,
    "user.status": user_status,
    "registration.put": registration_put,
    "registration.load": registration_load,
    "cpl.put": cpl_put,
    "device.power": device_power,
    "device.fit": device_fit,
    "device.side_channel": device_side_channel,
    "hub.update": hub_update,
    "network.capacity": network_capacity,
    "network.outage": network_outage,
    "fault.add": fault_add,
    "fault.remove": fault_remove,
    "job.cancel": job_cancel,
    "grant.put": grant_put,
    "grant.revoke": grant_revoke,
    "grant.approve": grant_approve,
    "anomaly.threshold": anomaly_threshold,
    "quarantine.release": quarantine_release,
    "quarantine.delete": quarantine_delete,
    "device.credentials": device_credentials,
    "release.set": lambda engine, params: firmware_controls.switch(engine.context, params),
    "upgrade_path.put": lambda engine, params: firmware_controls.put_upgrade_path(engine.context, params),
}
"""Every verb by name."""


class ControlledEngine(Engine):
    """An engine that takes control inputs as well."""

    def control(self, item: ControlInput, at_ms: int) -> ControlAnswer:
        """Advance to ``at_ms`` and carry out one verb; a refused one changes nothing."""
        self.advance(at_ms)
        verb = VERBS.get(item.verb)
        try:
            if verb is None:
                raise Malformed(f"there is no verb {item.verb!r}", expected=f"one of {', '.join(sorted(VERBS))}")
            return ControlAnswer(verb(self, item.params))
        except Malformed as error:
            return ControlAnswer({"detail": error.detail, "where": error.where, "expected": error.expected}, str(error))
