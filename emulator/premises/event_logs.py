"""The logs of a device: events, security, power, auxiliary loads, sub-GHz channels. They hold what happened, newest last.

Every entry bears device time. A log keeps its newest entries only (usecase_spec.json ECS35a, ECS61c).
"""

from emulator.domain.vocabulary import DeviceType
from emulator.premises import behaviours
from emulator.premises.context import Context
from emulator.premises.sending import send_alert
from emulator.premises.state import MAX_EVENT_LOG, DeviceState, LoadMemory, LogMemory

EVENT, SECURITY, POWER = "event", "security", "power"
"""Logs by which codes are told apart; the event log keeps what the others do not."""

ACTIONED, NOT_ACTIONED = 0x8154, 0x8155
"""A Command was carried out, or was not (alert_codes.csv); the log adds its message code (test messages ECS35a, CS10a)."""

CLEARED = 0x8F52
"""The event log was cleared; an entry of the security log (test messages ECS35b)."""

LOAD_LOG_DEPTH = 100
"""Entries of the log of auxiliary loads; ours, as for the other logs."""

_LOGGING = frozenset((DeviceType.ESME, DeviceType.GSME, DeviceType.CHF, DeviceType.GPF))
"""Devices whose logs can be read."""

Entry = tuple[int, int, bytes]
"""Device time, event code, other information."""


def happened(context: Context, device: DeviceState, code: int, now_ms: int) -> None:
    """Log an event and report it."""
    context.log_event(device, code, now_ms)
    send_alert(context, device, code, now_ms)


def log_command(device: DeviceState, done: bool, message_code: int, now_ms: int) -> None:
    """Log that a Command that changes something was carried out, or was not."""
    code = ACTIONED if done else NOT_ACTIONED
    if device.device_type not in _LOGGING or not behaviours.logs(device, code):
        return
    kept = logs_of(device).commands
    kept.append((now_ms + device.clock_offset_ms, code, message_code))
    del kept[:-MAX_EVENT_LOG]


def log_outage(device: DeviceState, code: int, seconds: int, now_ms: int) -> None:
    """Log the end of an outage."""
    kept = logs_of(device).outages
    kept.append((now_ms + device.clock_offset_ms, code, seconds))
    del kept[:-MAX_EVENT_LOG]


def logs_of(device: DeviceState) -> LogMemory:
    """The logs with details, to be written to."""
    if device.logs is None:
        device.logs = LogMemory()
    return device.logs


def loads_of(device: DeviceState) -> LoadMemory:
    """What the auxiliary controllers were told, to be written to."""
    if device.loads is None:
        device.loads = LoadMemory()
    return device.loads


def entries(device: DeviceState, log: str, start_ms: int, end_ms: int) -> list[Entry]:
    """The entries of a log between two device times, both counted, oldest first."""
    names, memory = behaviours.log_names(), device.logs or LogMemory()
    found = [(at_ms, code, b"") for at_ms, code in device.events if names.get(code, EVENT) == log]
    if log == EVENT:
        found += [(at_ms, code, message_code.to_bytes(2, "big")) for at_ms, code, message_code in memory.commands]
    elif log == POWER:
        found += [(at_ms, code, seconds.to_bytes(4, "big")) for at_ms, code, seconds in memory.outages]
    found.sort(key=lambda entry: entry[0])
    return [entry for entry in found[-MAX_EVENT_LOG:] if start_ms <= entry[0] <= end_ms]


def clear(context: Context, device: DeviceState, now_ms: int) -> None:
    """Empty the event log, which the security log notes."""
    names = behaviours.log_names()
    device.events[:] = [event for event in device.events if event[1] in names]
    if device.logs is not None:
        device.logs.commands.clear()
    context.log_event(device, CLEARED, now_ms)
