"""What a meter does on events, set and read (6.22, 6.2.10): see :mod:`emulator.premises.behaviours`."""

from collections.abc import Mapping

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType
from emulator.gbcs.dlms import AccessResult, Operation
from emulator.gbcs.gbz import NOT_FOUND
from emulator.gbcs.octets import Reader
from emulator.premises import behaviours
from emulator.premises.actions.dating import CLIENT_TO_SERVER, SERVER_TO_CLIENT, numbers
from emulator.premises.answers import DlmsCall, DlmsHandler, DlmsHandlers, ZclAnswer, ZclCall, ZclHandlers, ZclReply

DEVICE_MANAGEMENT = 0x0708
SET, GET, REPORT = 0x04, 0x05, 0x04

ALL = 0x81FF
"""The event that stands for all of them (test message GCS20r)."""

BY_LIST = 0
"""The configuration comes with a list of events (usecase_spec.json GCS20)."""


def _setter(party: str, kind: str) -> DlmsHandler:
    def run(call: DlmsCall) -> AccessResult:
        behaviours.set_bits(call.device, party, kind, call.data)
        return call.result()

    return run


def _set(call: ZclCall) -> ZclAnswer:
    (_, _, octet, control, count), rest = numbers(call.request.payload, 0x23, 0x23, 0x18, 0x30, 0x20)
    if control != BY_LIST:
        raise Malformed(f"configuration control {control}", where="event configuration", expected="a list of events")
    reader = Reader(rest)
    codes = [int.from_bytes(reader.take(2, "event"), "little") for _ in range(count)]
    known = [behaviours.set_octet(call.device, code, octet) for code in codes]
    return ZclAnswer() if any(known) or not known else ZclAnswer(NOT_FOUND)


def _get(call: ZclCall) -> ZclAnswer:
    """Event and octet, of all events or of one, in one message (test message GCS20r)."""
    (event,), _ = numbers(call.request.payload, 0x21)
    codes = behaviours.settable_codes(DeviceType.GSME)
    wanted = codes if event == ALL else [code for code in codes if code == event]
    if not wanted:
        return ZclAnswer(NOT_FOUND)
    told = (code.to_bytes(2, "little") + bytes((behaviours.octet_of(call.device, code),)) for code in wanted)
    return ZclAnswer(replies=(ZclReply(CLIENT_TO_SERVER, REPORT, bytes((0, 1)) + b"".join(told)),))


_SETTINGS: Mapping[str, tuple[str, ...]] = {"supplier": ("wan", "han", "alarm", "logged"), "network_operator": ("wan", "logged")}

DLMS: DlmsHandlers = {
    (Operation.SET, f"{behaviours.PARTIES[party]}.{group}.255 2"): _setter(party, kind)
    for party, kinds in _SETTINGS.items()
    for group, kind in behaviours.KINDS.items()
    if kind in kinds
}

ZCL: ZclHandlers = {
    (DEVICE_MANAGEMENT, SERVER_TO_CLIENT, SET): _set,
    (DEVICE_MANAGEMENT, SERVER_TO_CLIENT, GET): _get,
}
