"""Prepayment: what becomes active when its activation times say so (usecase_spec.json ECS08a and ECS26a, by their names)."""

from collections.abc import Mapping

from emulator.gbcs import dlms
from emulator.premises.actions.tariffs import ACCOUNT, moving
from emulator.premises.answers import DlmsDated
from emulator.premises.context import Context
from emulator.premises.readings import store, stored
from emulator.premises.state import DatedChange, DeviceState

EMERGENCY_CREDIT = "112 0-0:19.10.1.255"
"""The emergency credit: attribute 9 is its limit, 10 the balance at which it can be had."""

DISABLEMENT = "21 0-0:16.0.1.255 2"
"""The balance at which supply ends, a list of one."""

NEXT_DISABLEMENT = "9000 0-0:94.44.128.22 4"


def _change_disablement(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    value = stored(device, NEXT_DISABLEMENT)
    if value is not None:
        store(device, DISABLEMENT, dlms.array(value))


DLMS_DATED: Mapping[str, DlmsDated] = {
    "9000 0-0:94.44.128.2 6": moving(("9000 0-0:94.44.128.2 4", f"{EMERGENCY_CREDIT} 9")),
    "9000 0-0:94.44.128.3 6": moving(("9000 0-0:94.44.128.3 4", f"{EMERGENCY_CREDIT} 10")),
    "9000 0-0:94.44.128.9 6": moving(("9000 0-0:94.44.128.9 4", f"{ACCOUNT} 16")),
    "9000 0-0:94.44.128.12 6": moving(("9000 0-0:94.44.128.12 4", f"{ACCOUNT} 18")),
    "9000 0-0:94.44.128.13 6": moving(("9000 0-0:94.44.128.13 4", f"{ACCOUNT} 19")),
    "9000 0-0:94.44.128.22 6": _change_disablement,
    "9000 0-0:94.44.128.28 6": moving(("10 0-1:12.0.1.255 2", "10 0-0:12.0.1.255 2")),
    "9000 0-0:94.44.128.31 6": moving(("11 0-1:11.0.2.255 2", "11 0-0:11.0.2.255 2")),
}
"""Limit and threshold of emergency credit, low credit, cap of debt recovery and its period, disablement, and the non-disablement
calendar with its special days."""
