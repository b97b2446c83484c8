"""What people and the surroundings do to a device: tampering and every other event that it reports by an alert code.

What a device does about an event that a party can set is in :mod:`emulator.premises.behaviours`; what tampering does to the
supply is set by 6.25 and 6.7.
"""

import json
from collections.abc import Callable, Mapping

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.usecases import UseCase, alert_use_case
from emulator.premises import event_logs, loads, supply
from emulator.premises.context import Context
from emulator.premises.readings import stored
from emulator.premises.sending import send_alert
from emulator.premises.state import DeviceState

TAMPERING = frozenset((0x8F3F, 0x8F73, 0x8F74, 0x8F75, 0x8F76, 0x8F77, 0x8F78, 0x81C3))
"""Physical access that nobody allowed (alert_codes.csv)."""

LOCKED = 0x81BE
"""The supply is off and locked because of it."""

SETTINGS: Mapping[DeviceType, str] = {DeviceType.ESME: "1 0-0:94.44.0.4 2", DeviceType.GSME: "0702 0607"}
"""What is to become of the supply: true for locked (ECS81), 0 for locked (GCS24)."""

MOST_BOOST_MINUTES = 1_440
"""Longest boost; ours."""

MINUTE_MS = 60_000

Content = Callable[[Context, DeviceState, int], dict[str, object]]


def _gas_meter(context: Context, device: DeviceState, now_ms: int) -> dict[str, object]:
    """The device on the sub-GHz band that the alert is about: the gas meter of the home, else the hub itself."""
    found = (eui for eui in context.hub_of(device).devices if context.state.devices[eui].device_type is DeviceType.GSME)
    return {"device": next(found, device.eui)}


def _discarded(context: Context, device: DeviceState, now_ms: int) -> dict[str, object]:
    """A message of the gas meter to its supplier, with its newest counter (test message DBCH10)."""
    about = context.state.devices[_eui(_gas_meter(context, device, now_ms))]
    to = next(iter(about.credentials.values()), device.eui)
    header = (about.eui.to_bytes(8, "big"), int(to).to_bytes(8, "big"), b"\x03", about.alert_counter.to_bytes(8, "big"))
    return {"discarded": b"".join(header).hex()}


def _eui(values: Mapping[str, object]) -> int:
    found = values["device"]
    assert isinstance(found, int)
    return found


def _update(context: Context, device: DeviceState, now_ms: int) -> dict[str, object]:
    """What the first auxiliary controller does (test message ECS200)."""
    output, input_ = (loads.level(context, device, direction, 1, now_ms) for direction in (loads.OUTPUT, loads.INPUT))
    return {"update": json.dumps({"outputState": str(output), "inputState": str(input_), "other-data": ""})}


CONTENT: Mapping[int, Content] = {
    0x81A0: lambda context, device, now_ms: {"integrity_issue": "0005"},
    0x8F20: _gas_meter,
    0x8F2C: _discarded,
    0x8F2D: _gas_meter,
    0x8F88: _update,
}
"""What alerts say beside code and time, where no Command or state of the device brings them about. What the two octets of an
integrity warning mean no source says; those of the test messages stand for any."""


def happen(context: Context, device: DeviceState, code: int, now_ms: int) -> None:
    """Something happens at a device that has an alert code: it is logged and reported as the device was told to.

    :class:`Malformed` for a code that this type of device does not have, or that only follows from a Command.
    """
    use_case = alert_use_case(code, device.device_type)
    if use_case is None or (code not in CONTENT and _says_more(use_case)):
        detail = f"a {device.device_type} does not report {code:04X} of itself"
        raise Malformed(detail, where="code", expected="an alert code of such a device")
    context.note(device, f"has event {code:04X}")
    context.log_event(device, code, now_ms)
    content = CONTENT.get(code)
    send_alert(context, device, code, now_ms, None if content is None else content(context, device, now_ms))
    if code in TAMPERING and _locks(device) and supply.state_of(device) != supply.OFF:
        supply.switch(context, device, supply.OFF, "it was tampered with")
        event_logs.happened(context, device, LOCKED, now_ms)


def _says_more(use_case: UseCase) -> bool:
    return bool(use_case.alert_elements) or use_case.alert is not None


def _locks(device: DeviceState) -> bool:
    """Whether tampering ends the supply."""
    attribute = SETTINGS.get(device.device_type)
    if attribute is None:
        return False
    if device.device_type is DeviceType.GSME:
        return device.attributes.get(attribute) == "00"
    value = stored(device, attribute)
    return value is None or value.number != 0  # until it is set, a meter answers that it is locked (identity.toml)


def press_boost(context: Context, device: DeviceState, minutes: int, now_ms: int) -> None:
    """The customer presses the boost button: what 7.9 gave it is on for so long."""
    if not 0 < minutes <= MOST_BOOST_MINUTES:
        raise Malformed(f"{minutes} minutes", where="minutes", expected=f"1 to {MOST_BOOST_MINUTES}")
    at_ms = now_ms + device.clock_offset_ms
    event_logs.loads_of(device).boosts.append((at_ms, at_ms + minutes * MINUTE_MS))
    context.note(device, f"has its boost button pressed for {minutes} minutes")
