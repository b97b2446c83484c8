"""The CHF device log over DLMS: whitelisting, opening, removing, backing up (:mod:`emulator.premises.device_log`)."""

from collections.abc import Callable

from emulator.gbcs.dlms import AccessResult, Data, Operation
from emulator.premises import device_log
from emulator.premises.answers import DlmsHandler, DlmsHandlers
from emulator.premises.context import Context
from emulator.premises.state import DeviceState


def _of(run: Callable[[Context, DeviceState, Data, int], AccessResult]) -> DlmsHandler:
    return lambda call: run(call.context, call.device, call.data, call.now_ms)


DLMS: DlmsHandlers = {
    (Operation.ACTION, f"{device_log.CURRENT} 1"): _of(device_log.add),
    (Operation.ACTION, f"{device_log.CURRENT} 2"): _of(device_log.remove),
    (Operation.ACTION, f"{device_log.CURRENT} 4"): _of(device_log.read_current),
    (Operation.ACTION, f"{device_log.CURRENT} 5"): _of(device_log.restore),
    (Operation.ACTION, f"{device_log.HISTORIC} 4"): _of(device_log.read_historic),
    (Operation.SET, f"{device_log.CURRENT} 3"): _of(device_log.set_join_period),
    (Operation.SET, f"{device_log.CURRENT} 2"): _of(device_log.open_joining),
}
