"""Logs that are cleared, and logs of gas meters and proxies that are read (3.3, 6.13)."""

from collections.abc import Mapping

from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.dlms import AccessResult, Operation
from emulator.gbcs.gbz import FAILURE, NOT_FOUND, OCTET_STRING, encode_zcl
from emulator.gbcs.times import CANCEL, read_utc_time, utc_time
from emulator.premises import event_logs
from emulator.premises.actions.dating import CLIENT_TO_SERVER, REPLY, SERVER_TO_CLIENT, numbers
from emulator.premises.answers import DlmsCall, DlmsHandlers, ZclAnswer, ZclCall, ZclHandlers, ZclReply
from emulator.premises.objects import mirrored

EVENT_LOG, LOAD_LOG = "7 0-0:99.98.0.255 1", "7 0-17:99.98.2.255 1"
"""The methods that clear (usecase_spec.json ECS15a, ECS15c)."""

EVENTS = 0x0709
GET, CLEAR = 0x00, 0x01
PUBLISHED, CLEARED = 0x01, 0x02

OWN: Mapping[int, str] = {3: event_logs.EVENT, 4: event_logs.SECURITY}
"""A device's own logs by their numbers."""

OF_THE_METER: Mapping[int, str] = {6: event_logs.EVENT, 7: event_logs.SECURITY}
"""Logs of the gas meter that its proxy keeps as well (usecase_spec.json CS10a, CS10b)."""

_LOG_FIELDS = (0x18, 0x21, 0x23, 0x23, 0x20, 0x21)
"""Log with how it is told, event, start, end, most entries, entries to pass over."""


def _clear_events(call: DlmsCall) -> AccessResult:
    event_logs.clear(call.context, call.device, call.now_ms)
    return call.result()


def _clear_loads(call: DlmsCall) -> AccessResult:
    if call.device.loads is not None:
        call.device.loads.log.clear()
    return call.result()


def _get(call: ZclCall) -> ZclAnswer:
    """All entries of a period at once, or nothing to be found (test messages CS10a, CS10b)."""
    (control, event, start, end, _, _), _ = numbers(call.request.payload, *_LOG_FIELDS)
    log, subject = control & 0x0F, call.device
    name = OWN.get(log)
    if name is None and call.device.device_type is DeviceType.GPF and log in OF_THE_METER:
        meter = mirrored(call.context, call.device)
        name, subject = OF_THE_METER[log], meter or call.device
        if meter is None:
            return ZclAnswer(NOT_FOUND)
    if name is None:
        return ZclAnswer(FAILURE)
    start_ms, end_ms = read_utc_time(start) or 0, read_utc_time(end) or CANCEL
    found = [entry for entry in event_logs.entries(subject, name, start_ms, end_ms) if event in (0, entry[1])]
    if not found:
        return ZclAnswer(NOT_FOUND)
    entries = b"".join(
        bytes((log,)) + code.to_bytes(2, "little") + utc_time(at_ms).to_bytes(4, "little") + encode_zcl(OCTET_STRING, more)
        for at_ms, code, more in found
    )
    payload = len(found).to_bytes(2, "little") + bytes((0, 1, 0)) + entries
    return ZclAnswer(replies=(ZclReply(REPLY, PUBLISHED, payload),))


def _clear(call: ZclCall) -> ZclAnswer:
    """The answer has a bit for each log that was cleared (test message CS11)."""
    (log,), _ = numbers(call.request.payload, 0x20)
    cleared = OWN.get(log) == event_logs.EVENT
    if cleared:
        event_logs.clear(call.context, call.device, call.now_ms)
    return ZclAnswer(replies=(ZclReply(SERVER_TO_CLIENT, CLEARED, bytes((1 << log if cleared else 0,))),))


DLMS: DlmsHandlers = {(Operation.ACTION, EVENT_LOG): _clear_events, (Operation.ACTION, LOAD_LOG): _clear_loads}

ZCL: ZclHandlers = {(EVENTS, CLIENT_TO_SERVER, GET): _get, (EVENTS, CLIENT_TO_SERVER, CLEAR): _clear}
