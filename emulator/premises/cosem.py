"""Execution of DLMS Commands: the generic rule over the object store, and the methods that do something.

Generic rule (derive.md, right for 292 of 292 pairs of test messages): results in the order of the request; a get answers value
or error, a set stores, an action runs its handler or just succeeds; data is null for sets, failures and plain actions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.gbcs.commands import CommandView
from emulator.gbcs.dlms import NULL, Access, AccessResponse, AccessResult, Data, Operation, invoke_id
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protected import PROTECTION_CLASS, protected_result, read_protected_request, sealing_key
from emulator.gbcs.times import read_cosem as read_time
from emulator.premises import device_log, objects
from emulator.premises.context import Context
from emulator.premises.readers import reader_secret
from emulator.premises.state import DeviceState

SUCCESS, HARDWARE_FAULT, OBJECT_UNDEFINED, OTHER_REASON = 0, 1, 4, 250
"""Results in use (gbcs.md 6, proven save 4, which is of the source)."""

CLOCK = "8 0-0:1.0.0.255"
"""The clock: attribute 2 its time, method 5 presets, method 4 adjusts (usecase_spec.json ECS70, proven)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device answers."""

    content: bytes
    originator_counter: int | None = None
    """The device's own counter, when data was encrypted for an unknown remote party."""


Handler = Callable[[Context, DeviceState, Data, int], AccessResult]
"""Runs a set or an action: ``(context, device, data, now_ms)``."""


def execute(context: Context, device: DeviceState, view: CommandView, now_ms: int) -> Answer:
    """Run an access request."""
    message = view.message
    broken = context.faults.find("device.read_fails", device.eui, now_ms) is not None
    own_counter = _own_counter(device, message, view.accesses)
    results = []
    for item in view.accesses:
        if broken and item.operation is not Operation.SET:
            results.append(_failed(item, HARDWARE_FAULT))
        else:
            results.append(_run(context, device, message, item, own_counter, now_ms))
    return Answer(AccessResponse(invoke_id(message.counter), tuple(results)).encode(), own_counter)


def _own_counter(device: DeviceState, message: GbcsMessage, items: tuple[Access, ...]) -> int | None:
    """A counter of the device's own for data encrypted for a party that it does not know (gbcs.md 5)."""
    unknown_party = message.supplementary is not None and message.supplementary.certificate is not None
    if not unknown_party or all(item.attribute.class_id != PROTECTION_CLASS for item in items):
        return None
    device.alert_counter += 1
    return device.alert_counter


def _run(
    context: Context, device: DeviceState, message: GbcsMessage, item: Access, own_counter: int | None, now_ms: int
) -> AccessResult:
    try:
        if item.operation in (Operation.GET, Operation.GET_SELECTIVE):
            value = objects.read_cosem(context, device, item.attribute, now_ms)
            return _failed(item, OBJECT_UNDEFINED) if value is None else AccessResult(Operation.GET, SUCCESS, value)
        if item.attribute.class_id == PROTECTION_CLASS:
            return _protected_read(context, device, message, item, own_counter, now_ms)
        handler = HANDLERS.get((item.operation, str(item.attribute)))
        if handler is not None:
            return handler(context, device, item.data, now_ms)
    except Malformed as error:
        context.note(device, f"cannot run {item.operation.name} {item.attribute}: {error}")
        return _failed(item, OTHER_REASON)
    if item.operation is Operation.SET:
        objects.write_cosem(device, item.attribute, item.data)
    return AccessResult(item.operation, SUCCESS)


def _protected_read(
    context: Context, device: DeviceState, message: GbcsMessage, item: Access, own_counter: int | None, now_ms: int
) -> AccessResult:
    secret = reader_secret(context, device, message)
    values = []
    for wanted in read_protected_request(item.data):
        value = objects.read_cosem(context, device, wanted.attribute, now_ms)
        if value is None:
            return _failed(item, OBJECT_UNDEFINED)
        values.append(value)
    key = sealing_key(message, secret, own_counter)
    return AccessResult(Operation.ACTION, SUCCESS, protected_result(message, values, key))


def _failed(item: Access, code: int) -> AccessResult:
    operation = Operation.GET if item.operation is Operation.GET_SELECTIVE else item.operation
    return AccessResult(operation, code, NULL)


def _preset_clock(context: Context, device: DeviceState, data: Data, now_ms: int) -> AccessResult:
    _, start, end = objects.members(data, 3)
    read_time(start.octets), read_time(end.octets)
    device.attributes[f"{CLOCK} preset"] = (start.octets + end.octets).hex()
    return AccessResult(Operation.ACTION, SUCCESS)


def _adjust_clock(context: Context, device: DeviceState, data: Data, now_ms: int) -> AccessResult:
    limits = bytes.fromhex(device.attributes.get(f"{CLOCK} preset", ""))
    if not limits:
        return AccessResult(Operation.ACTION, OTHER_REASON)
    synchronise(device, read_time(limits[:12]), read_time(limits[12:]), now_ms)
    return AccessResult(Operation.ACTION, SUCCESS)


def synchronise(device: DeviceState, start_ms: int | None, end_ms: int | None, now_ms: int) -> None:
    """Take the hub's time when it lies in the range that the supplier vouches for; the clock is not reliable otherwise.

    The hub's clock is the simulated time.
    """
    device.clock_reliable = start_ms is not None and end_ms is not None and start_ms <= now_ms <= end_ms
    if device.clock_reliable:
        device.clock_offset_ms = 0


HANDLERS: Mapping[tuple[Operation, str], Handler] = {
    (Operation.ACTION, f"{CLOCK} 5"): _preset_clock,
    (Operation.ACTION, f"{CLOCK} 4"): _adjust_clock,
    (Operation.ACTION, f"{device_log.CURRENT} 1"): device_log.add,
    (Operation.ACTION, f"{device_log.CURRENT} 2"): device_log.remove,
    (Operation.ACTION, f"{device_log.CURRENT} 4"): device_log.read_current,
    (Operation.ACTION, f"{device_log.HISTORIC} 4"): device_log.read_historic,
    (Operation.SET, f"{device_log.CURRENT} 3"): device_log.set_join_period,
    (Operation.SET, f"{device_log.CURRENT} 2"): device_log.open_joining,
}
"""Sets and actions that do more than store."""
