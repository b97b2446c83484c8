"""Tariffs, prices and payment modes: what becomes active when their activation times say so.

Which attribute stands for the activation of which other is of usecase_spec.json (ECS01a, ECS01c, ECS03) and the published alerts.
"""

from collections.abc import Iterable, Mapping

from emulator.gbcs import dlms
from emulator.gbcs.dlms import Tag
from emulator.premises.answers import DlmsDated
from emulator.premises.context import Context
from emulator.premises.readings import members, store, stored
from emulator.premises.state import DatedChange, DeviceState

ACCOUNT, NEXT_ACCOUNT = "111 0-0:19.0.0.255", "111 0-1:19.0.0.255"
"""The account in force, and the one that is to follow: attribute 2 is mode and status, 11 which credit pays which charge."""

ACTIVE = 2
"""Status of the account in force (usecase_spec.json ECS26j)."""


def moving(*pairs: tuple[str, str]) -> DlmsDated:
    """What makes attributes of other objects active: pairs of where a value was set and where it becomes active."""

    def run(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
        for source, target in pairs:
            value = stored(device, source)
            if value is not None:
                store(device, target, value)

    return run


def _change_account(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    """The next account becomes the one in force, whose status is then active."""
    following = stored(device, f"{NEXT_ACCOUNT} 2")
    if following is not None:
        mode, _ = members(following, 2)
        store(device, f"{ACCOUNT} 2", dlms.structure(mode, dlms.number(Tag.ENUM, ACTIVE)))
    moving((f"{NEXT_ACCOUNT} 11", f"{ACCOUNT} 11"))(context, device, change, now_ms)


def _by_object(source: str, target: str, numbers: Iterable[int]) -> Iterable[tuple[str, str]]:
    return ((source.format(number), target.format(number)) for number in numbers)


DLMS_DATED: Mapping[str, DlmsDated] = {
    "9000 0-0:94.44.128.29 6": moving(("11 0-1:11.0.0.255 2", "11 0-0:11.0.0.255 2")),
    "9000 0-0:94.44.128.30 6": moving(("11 0-1:11.0.1.255 2", "11 0-0:11.0.1.255 2")),
    "9000 0-0:63.1.1.255 6": moving(*_by_object("21 0-0:16.1.{}.255 2", "21 0-0:16.0.{}.255 2", range(11, 19))),
    f"{NEXT_ACCOUNT} 13": _change_account,
}
"""Special days of either element, thresholds of blocks, and the account."""
