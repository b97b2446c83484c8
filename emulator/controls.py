"""Commands of the control interface that change a world. Each is an input: logged, ordered, replayed.

A verb takes JSON values and gives JSON values; :class:`Malformed` refuses it and changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import CplStatus, DeviceType, UserRole
from emulator.dsp.effects import ControlAnswer
from emulator.dsp.firmware import cancel_jobs
from emulator.dsp.inputs import ControlInput
from emulator.dsp.inventory import suspend_or_restore
from emulator.dsp.state import User
from emulator.engine import Engine
from emulator.estate.model import CplEntry, DeviceDefinition, Registration

Params = Mapping[str, Any]
Verb = Callable[[Engine, Params], dict[str, Any]]


def _take(params: Params, name: str, kind: type, default: Any = ...) -> Any:
    value = params.get(name, default)
    if value is ...:
        raise Malformed(f"{name} is missing", where=name, expected=f"a value of type {kind.__name__}")
    if value is not default and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise Malformed(f"{name} is {str(value)[:60]!r}", where=name, expected=f"a value of type {kind.__name__}")
    return value


def _only(params: Params, *names: str) -> None:
    for name in params:
        if name not in names:
            raise Malformed(f"{name!r} is not a parameter", where=name, expected=f"one of {', '.join(names)}")


def _user(engine: Engine, params: Params) -> User:
    eui = parse_eui(_take(params, "user", str))
    user = engine.state.dsp.users.get(eui)
    if user is None:
        known = ", ".join(format_eui(each) for each in sorted(engine.state.dsp.users))
        raise Malformed(f"{format_eui(eui)} is not a user", where="user", expected=f"one of {known}")
    return user


def _device(engine: Engine, params: Params) -> Eui64:
    eui = parse_eui(_take(params, "device", str))
    if engine.premises.describe(eui, engine.now_ms) is None:
        raise Malformed(f"{format_eui(eui)} is in no home", where="device", expected="the EUI of a device of the estate")
    return eui


def user_endpoint(engine: Engine, params: Params) -> dict[str, Any]:
    """Set where a user's pushes go; an empty ``url`` holds them back."""
    _only(params, "user", "url")
    user = _user(engine, params)
    user.endpoint = _take(params, "url", str)
    return {"user": format_eui(user.eui), "url": user.endpoint}


def user_status(engine: Engine, params: Params) -> dict[str, Any]:
    """Suspend a user (E3) or make it active again."""
    _only(params, "user", "active")
    user = _user(engine, params)
    user.active = _take(params, "active", bool)
    return {"user": format_eui(user.eui), "active": user.active}


def registration_put(engine: Engine, params: Params) -> dict[str, Any]:
    """Register a party for an MPxN and role from an instant on; whoever held it until then ends there."""
    _only(params, "mpxn", "role", "party", "from_ms")
    mpxn, party = _take(params, "mpxn", str), _take(params, "party", str)
    try:
        role = UserRole(_take(params, "role", str))
    except ValueError:
        raise Malformed("there is no such role", where="role", expected=", ".join(UserRole)) from None
    from_ms = _take(params, "from_ms", int, engine.now_ms)
    if party not in {user.party for user in engine.state.dsp.users.values()}:
        raise Malformed(f"{party!r} is not a party", where="party", expected="the party of a user")
    registrations = engine.state.dsp.registrations
    for position, entry in enumerate(registrations):
        if entry.mpxn == mpxn and entry.role is role and (entry.to_ms is None or entry.to_ms > from_ms):
            registrations[position] = replace(entry, to_ms=max(entry.from_ms, from_ms))
    registrations.append(Registration(mpxn, role, party, from_ms))
    return {"mpxn": mpxn, "role": role.value, "party": party, "from_ms": from_ms}


def cpl_put(engine: Engine, params: Params) -> dict[str, Any]:
    """Add a row to the Central Products List or change its status; devices are suspended or restored accordingly."""
    _only(params, "type", "manufacturer", "model", "firmware_version", "status", "image_hash", "gbcs_version")
    try:
        entry = CplEntry(
            device_type=DeviceType(_take(params, "type", str)),
            manufacturer=_take(params, "manufacturer", str),
            model=_take(params, "model", str),
            firmware_version=_take(params, "firmware_version", str).upper(),
            status=CplStatus(_take(params, "status", str, "Active")),
            image_hash=_take(params, "image_hash", str, "").lower(),
            gbcs_version=_take(params, "gbcs_version", str, "4.2"),
        )
    except ValueError as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed(
            str(error), expected=f"status one of {', '.join(CplStatus)}, type one of {', '.join(DeviceType)}"
        ) from None
    rows = engine.state.dsp.cpl
    same = [(row.device_type, row.manufacturer, row.model, row.firmware_version) for row in rows]
    key = (entry.device_type, entry.manufacturer, entry.model, entry.firmware_version)
    if key in same:
        position = same.index(key)
        known = rows[position]
        rows[position] = replace(known, status=entry.status, image_hash=entry.image_hash or known.image_hash)
    else:
        rows.append(entry)
    for device in list(engine.state.dsp.inventory.values()):
        if (device.device_type, device.manufacturer, device.model) == key[:3]:
            suspend_or_restore(engine.context, device)
    return {"firmware_version": entry.firmware_version, "status": entry.status.value}


def device_power(engine: Engine, params: Params) -> dict[str, Any]:
    """Switch a device or hub on or off."""
    _only(params, "device", "on")
    eui = _device(engine, params)
    on = _take(params, "on", bool)
    engine.premises.power(eui, on, engine.now_ms)
    return {"device": format_eui(eui), "on": on}


def device_fit(engine: Engine, params: Params) -> dict[str, Any]:
    """Fit a pre-notified device in the home of a hub, as an installer would; it joins once the hub's log lists it."""
    _only(params, "device", "hub", "supplier")
    eui, hub = parse_eui(_take(params, "device", str)), parse_eui(_take(params, "hub", str))
    entry, home = engine.state.dsp.inventory.get(eui), engine.state.dsp.premises.get(hub)
    if entry is None:
        raise Malformed(f"{format_eui(eui)} is not in the inventory", where="device", expected="a device notified by 12.2")
    if home is None:
        raise Malformed(f"{format_eui(hub)} is not a hub", where="hub", expected="the EUI of a CHF of the estate")
    supplier = _take(params, "supplier", str, None)
    definition = DeviceDefinition(
        eui=eui,
        device_type=entry.device_type,
        hub=hub,
        manufacturer=entry.manufacturer,
        model=entry.model,
        hardware_version=0x0101,
        firmware_version=entry.firmware_version or "00000000",
        smets_version=entry.smets_version,
        gbcs_version=entry.gbcs_version,
        status=entry.status,
        esme_variant=entry.esme_variant,
        supplier=None if supplier is None else parse_eui(supplier),
    )
    engine.premises.add_device(definition, engine.now_ms)
    entry.supplier = definition.supplier
    return {"device": format_eui(eui), "hub": format_eui(hub)}


def fault_add(engine: Engine, params: Params) -> dict[str, Any]:
    """Plan a fault; ``device`` limits it to one hub or device."""
    _only(params, "kind", "device", "from_ms", "to_ms", "times", "params")
    device = _take(params, "device", str, None)
    number = engine.faults.add(
        _take(params, "kind", str),
        None if device is None else parse_eui(device),
        from_ms=_take(params, "from_ms", int, 0),
        to_ms=_take(params, "to_ms", int, None),
        times=_take(params, "times", int, None),
        params=_take(params, "params", dict, {}),
    )
    return {"fault": number}


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
    if eui not in engine.state.dsp.open_job:
        raise Malformed(f"{format_eui(eui)} has no open firmware job", where="device", expected="a device with an open job")
    cancel_jobs(engine.context, eui, "given up by the operator")
    return {"device": format_eui(eui)}


VERBS: Mapping[str, Verb] = {
    "user.endpoint": user_endpoint,
    "user.status": user_status,
    "registration.put": registration_put,
    "cpl.put": cpl_put,
    "device.power": device_power,
    "device.fit": device_fit,
    "fault.add": fault_add,
    "fault.remove": fault_remove,
    "job.cancel": job_cancel,
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
