"""The clock: preset within limits, then adjusted to the hub's (usecase_spec.json ECS70, proven)."""

from emulator.gbcs.dlms import AccessResult, Operation
from emulator.gbcs.times import read_cosem as read_time
from emulator.premises.answers import OTHER_REASON, DlmsCall, DlmsHandlers
from emulator.premises.context import Context
from emulator.premises.readings import members
from emulator.premises.state import DeviceState

CLOCK = "8 0-0:1.0.0.255"
"""Attribute 2 is its time, method 5 presets, method 4 adjusts."""


ADJUSTED, NOT_ADJUSTED = 0x8145, 0x81C6
"""The clock was adjusted, or not, for the time lies outside of what is tolerated (alert_codes.csv)."""


def _preset(call: DlmsCall) -> AccessResult:
    _, start, end = members(call.data, 3)
    read_time(start.octets), read_time(end.octets)
    call.device.attributes[f"{CLOCK} preset"] = (start.octets + end.octets).hex()
    return call.result()


def _adjust(call: DlmsCall) -> AccessResult:
    limits = bytes.fromhex(call.device.attributes.get(f"{CLOCK} preset", ""))
    if not limits:
        return call.result(OTHER_REASON)
    synchronise(call.context, call.device, read_time(limits[:12]), read_time(limits[12:]), call.now_ms)
    return call.result()


def synchronise(context: Context, device: DeviceState, start_ms: int | None, end_ms: int | None, now_ms: int) -> None:
    """Take the hub's time when it lies in the range that the supplier vouches for; the clock is not reliable otherwise. Log it.

    The hub's clock is the simulated time.
    """
    device.clock_reliable = start_ms is not None and end_ms is not None and start_ms <= now_ms <= end_ms
    if device.clock_reliable:
        device.clock_offset_ms = 0
    context.log_event(device, ADJUSTED if device.clock_reliable else NOT_ADJUSTED, now_ms)


DLMS: DlmsHandlers = {(Operation.ACTION, f"{CLOCK} 5"): _preset, (Operation.ACTION, f"{CLOCK} 4"): _adjust}
