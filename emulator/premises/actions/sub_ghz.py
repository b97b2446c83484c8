"""Settings and scans of the sub-GHz radio (6.28, 6.29); see :mod:`emulator.premises.sub_ghz`."""

from collections.abc import Mapping

from emulator.gbcs.dlms import AccessResult, Operation
from emulator.premises import sub_ghz, timers
from emulator.premises.answers import OTHER_REASON, DlmsCall, DlmsHandlers


def _set(call: DlmsCall) -> AccessResult:
    sub_ghz.set_settings(call.context, call.device, call.data, call.now_ms)
    return call.result()


def _scan(call: DlmsCall) -> AccessResult:
    if call.data.number:
        return call.result(OTHER_REASON)
    sub_ghz.scan(call.context, call.device, call.now_ms)
    return call.result()


DLMS: DlmsHandlers = {(Operation.SET, sub_ghz.SETTINGS): _set, (Operation.SET, sub_ghz.SCAN): _scan}

TIMERS: Mapping[str, timers.Run] = {sub_ghz.SCAN_ENDS: sub_ghz.scan_ends}
