"""Messages of devices that are not as they should be, by fault: what they say, how they are protected, when they come.

``code`` is the message code of a Response or the alert code of an alert; faults may be limited to one.
"""

from dataclasses import replace

from emulator.domain.identifiers import MAX_COUNTER
from emulator.gbcs.message import GbcsMessage
from emulator.premises.context import Context
from emulator.premises.state import DeviceState
from emulator.simulation.faults import Params


def counter(context: Context, device: DeviceState, right: int, code: str, now_ms: int) -> int:
    """The counter of a message that should have the counter ``right``."""
    found = context.faults.find("device.wrong_counter", device.eui, now_ms, code)
    return right if found is None else min(max(0, right + _number(found, "by")), MAX_COUNTER)


def named(context: Context, device: DeviceState, message: GbcsMessage, code: str, now_ms: int) -> GbcsMessage:
    """A message before it is protected: it may name another use case."""
    found = context.faults.find("device.wrong_use_case", device.eui, now_ms, code)
    return message if found is None else replace(message, message_code=int(str(found["named"]), 16))


def protected(context: Context, device: DeviceState, message: GbcsMessage, code: str, now_ms: int) -> GbcsMessage:
    """A message after it was protected: its signature or its MAC may be wrong."""
    if message.signature and context.faults.find("device.bad_signature", device.eui, now_ms, code) is not None:
        message = replace(message, signature=_spoilt(message.signature))
    if message.mac and context.faults.find("device.bad_mac", device.eui, now_ms, code) is not None:
        message = replace(message, mac=_spoilt(message.mac))
    return message


def arrivals_ms(context: Context, device: DeviceState, due_ms: int, code: str, now_ms: int) -> list[int]:
    """When a message arrives that is due at ``due_ms``: it may be late, and arrive more than once."""
    late = context.faults.find("device.message_late", device.eui, now_ms, code)
    first_ms = due_ms if late is None else due_ms + _number(late, "delay_ms")
    repeated = context.faults.find("device.message_repeated", device.eui, now_ms, code)
    copies, gap_ms = (0, 0) if repeated is None else (_number(repeated, "copies"), _number(repeated, "gap_ms"))
    return [first_ms + number * gap_ms for number in range(copies + 1)]


def drift(context: Context, device: DeviceState, now_ms: int) -> None:
    """The device's clock may have drifted by now."""
    found = context.faults.find("device.clock_skew", device.eui, now_ms)
    if found is not None:
        device.clock_offset_ms = _number(found, "offset_ms")


def breaks_off_at(context: Context, device: DeviceState, parts: int, now_ms: int) -> int:
    """The part of a command, from 0, at which the device fails; ``parts`` where it does not."""
    found = context.faults.find("device.breaks_off", device.eui, now_ms)
    return parts if found is None else max(0, parts - 1 - _number(found, "rest"))


def delay_ms(context: Context, device: DeviceState, now_ms: int) -> int:
    """How much later than it could the device takes a command."""
    found = context.faults.find("device.slow", device.eui, now_ms)
    return 0 if found is None else _number(found, "delay_ms")


def version_named(context: Context, device: DeviceState, now_ms: int) -> int:
    """The firmware version that the device names when it is asked for it."""
    found = context.faults.find("device.wrong_version", device.eui, now_ms)
    return context.rows.running_version(device.eui) if found is None else int(str(found["version"]), 16)


def _number(params: Params, name: str) -> int:
    value = params[name]
    assert isinstance(value, int), "the plan has checked it"
    return value


def _spoilt(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))
