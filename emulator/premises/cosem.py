"""Execution of DLMS Commands: the generic rule over the object store, activation times, and what does more than store.

Generic rule (derive.md, right for 292 of 292 pairs of test messages): results in the order of the request; a get answers value
or error, a set stores, an action runs its handler; data is null for sets, failures and plain actions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from emulator.domain.errors import Malformed
from emulator.gbcs.commands import CommandView
from emulator.gbcs.dlms import NULL, Access, AccessResponse, AccessResult, Attribute, Operation, invoke_id
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protected import PROTECTION_CLASS, protected_result, read_protected_request, sealing_key
from emulator.gbcs.times import read_cosem as read_time
from emulator.gbcs.usecases import Format
from emulator.premises import dated, faulty, objects
from emulator.premises.actions import DLMS, DLMS_DATED
from emulator.premises.answers import HARDWARE_FAULT, OBJECT_UNDEFINED, OTHER_REASON, SUCCESS, Answer, DlmsCall
from emulator.premises.context import Context
from emulator.premises.readers import reader_secret
from emulator.premises.readings import store, stored
from emulator.premises.state import DatedChange, DeviceState

ACTIVATION_TIMES: Mapping[int, tuple[int, Sequence[tuple[int, int]]]] = {
    20: (10, ((6, 2), (7, 3), (8, 4), (9, 5))),
    113: (7, ((6, 5),)),
    9000: (6, ((4, 2), (5, 3))),
}
"""By class: the attribute that is an activation time, and which passive attribute becomes which active one at that time
(activity calendar, charge, GBCS extended data; gbcs.md 6, the pairs by usecase_spec.json)."""


def execute(context: Context, device: DeviceState, view: CommandView, now_ms: int) -> Answer:
    """Run an access request."""
    message = view.message
    broken = context.faults.find("device.read_fails", device.eui, now_ms) is not None
    own_counter = _own_counter(device, message, view.accesses)
    results = []
    stop = faulty.breaks_off_at(context, device, len(view.accesses), now_ms)
    for number, item in enumerate(view.accesses):
        if number == stop or (broken and item.operation is not Operation.SET):
            results.append(_failed(item, HARDWARE_FAULT))
        elif number > stop:
            results.append(_failed(item, OTHER_REASON))
        else:
            results.append(_run(context, device, view, item, own_counter, now_ms))
    return Answer(AccessResponse(invoke_id(message.counter), tuple(results)).encode(), own_counter)


def _own_counter(device: DeviceState, message: GbcsMessage, items: tuple[Access, ...]) -> int | None:
    """A counter of the device's own for data encrypted for a party that it does not know (gbcs.md 5)."""
    unknown_party = message.supplementary is not None and message.supplementary.certificate is not None
    if not unknown_party or all(item.attribute.class_id != PROTECTION_CLASS for item in items):
        return None
    device.alert_counter += 1
    return device.alert_counter


def _run(
    context: Context, device: DeviceState, view: CommandView, item: Access, own_counter: int | None, now_ms: int
) -> AccessResult:
    key = str(item.attribute)
    try:
        if item.operation in (Operation.GET, Operation.GET_SELECTIVE):
            value = objects.read_cosem(context, device, item, now_ms)
            return _failed(item, OBJECT_UNDEFINED) if value is None else AccessResult(Operation.GET, SUCCESS, value)
        if item.attribute.class_id == PROTECTION_CLASS:
            return _protected_read(context, device, view.message, item, own_counter, now_ms)
        handler = DLMS.get((item.operation, key))
        if handler is not None:
            return handler(DlmsCall(context, device, view, item.operation, key, item.data, now_ms))
        row = objects.cosem_row(device, key)
        if item.operation is Operation.SET and row is not None and row.settable:
            _set(context, device, view.message, item, now_ms)
            return AccessResult(Operation.SET, SUCCESS)
    except Malformed as error:
        context.note(device, f"cannot run {item.operation.name} {key}: {error}")
        return _failed(item, OTHER_REASON)
    context.note(device, f"has nothing to {item.operation.name} at {key}")
    return _failed(item, OBJECT_UNDEFINED)


def _set(context: Context, device: DeviceState, message: GbcsMessage, item: Access, now_ms: int) -> None:
    """Store a value; an activation time makes its passive attributes active, now or at its date."""
    attribute = item.attribute
    store(device, attribute, item.data)
    own = str(attribute) in DLMS_DATED
    if not own and attribute.index != ACTIVATION_TIMES.get(attribute.class_id, (0, ()))[0]:
        return
    instruction = attribute.class_id.to_bytes(2, "big") + attribute.obis + bytes((attribute.index,))
    at_ms = read_time(item.data.octets)
    change = dated.plan(context, device, message, Format.DLMS, instruction, at_ms, now_ms)
    if change is not None:
        activate(context, device, change, now_ms)


def activate(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    """Make what an activation time stands for active: passive attributes of its object, those never set staying as they are, or
    what ``DLMS_DATED`` says."""
    class_id = int.from_bytes(change.instruction[:2], "big")
    named = Attribute(class_id, change.instruction[2:8], change.instruction[8])
    run = DLMS_DATED.get(str(named))
    if run is not None:
        run(context, device, change, now_ms)
        return
    for passive, active in ACTIVATION_TIMES[class_id][1]:
        value = stored(device, str(replace(named, index=passive)))
        if value is not None:
            store(device, replace(named, index=active), value)


def _protected_read(
    context: Context, device: DeviceState, message: GbcsMessage, item: Access, own_counter: int | None, now_ms: int
) -> AccessResult:
    secret = reader_secret(context, device, message)
    values = []
    for wanted in read_protected_request(item.data):
        value = objects.read_cosem(context, device, wanted, now_ms)
        if value is None:
            return _failed(item, OBJECT_UNDEFINED)
        values.append(value)
    key = sealing_key(message, secret, own_counter)
    return AccessResult(Operation.ACTION, SUCCESS, protected_result(message, values, key))


def _failed(item: Access, code: int) -> AccessResult:
    operation = Operation.GET if item.operation is Operation.GET_SELECTIVE else item.operation
    return AccessResult(operation, code, NULL)
