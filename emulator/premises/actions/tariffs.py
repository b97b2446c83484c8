"""Tariffs, prices and payment modes: what becomes active when their activation times say so.

Which attribute stands for the activation of which other is of usecase_spec.json (ECS01a, ECS01c, ECS03) and the published alerts.
Whatever is charged by is changed only after all charges until then were taken.
"""

from collections.abc import Iterable, Mapping

from emulator.gbcs import dlms
from emulator.gbcs.dlms import Tag
from emulator.premises.answers import DlmsDated
from emulator.premises.context import Context
from emulator.premises.credit import changing
from emulator.premises.readings import members, store, stored
from emulator.premises.state import DatedChange, DeviceState

ACCOUNT, NEXT_ACCOUNT = "111 0-0:19.0.0.255", "111 0-1:19.0.0.255"
"""The account in force, and the one that is to follow: attribute 2 is mode and status, 11 which credit pays which charge."""

ACTIVE = 2
"""Status of the account in force (usecase_spec.json ECS26j)."""


def moving(*pairs: tuple[str, str]) -> DlmsDated:
    """What makes attributes active: pairs of where a value was set and where it becomes active."""

    def run(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
        with changing(context, device, now_ms):
            move(device, pairs)

    return run


def move(device: DeviceState, pairs: Iterable[tuple[str, str]]) -> None:
    """Make values active; those never set stay as they are."""
    for source, target in pairs:
        value = stored(device, source)
        if value is not None:
            store(device, target, value)


def _change_account(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    """The next account becomes the one in force, whose status is then active."""
    following = stored(device, f"{NEXT_ACCOUNT} 2")
    with changing(context, device, now_ms):
        if following is not None:
            mode, _ = members(following, 2)
            store(device, f"{ACCOUNT} 2", dlms.structure(mode, dlms.number(Tag.ENUM, ACTIVE)))
        move(device, [(f"{NEXT_ACCOUNT} 11", f"{ACCOUNT} 11")])


def _within(named: str, *pairs: tuple[int, int]) -> DlmsDated:
    """Passive attributes of an object that become active ones of the same."""
    return moving(*((f"{named} {passive}", f"{named} {active}") for passive, active in pairs))


THRESHOLDS = tuple((f"21 0-0:16.1.{number}.255 2", f"21 0-0:16.0.{number}.255 2") for number in range(11, 19))
CALENDARS = tuple(f"20 0-0:13.0.{element}.255" for element in (0, 1))
CHARGES = tuple(f"113 0-0:19.20.{charge}.255" for charge in (0, 4, 5))
"""Prices, standing charge, prices of the second element."""

DLMS_DATED: Mapping[str, DlmsDated] = {
    **{f"{named} 10": _within(named, (7, 3), (8, 4), (9, 5)) for named in CALENDARS},
    **{f"{named} 7": _within(named, (6, 5)) for named in CHARGES},
    "9000 0-0:94.44.128.29 6": moving(("11 0-1:11.0.0.255 2", "11 0-0:11.0.0.255 2")),
    "9000 0-0:94.44.128.30 6": moving(("11 0-1:11.0.1.255 2", "11 0-0:11.0.1.255 2")),
    "9000 0-0:63.1.1.255 6": moving(*THRESHOLDS),
    f"{NEXT_ACCOUNT} 13": _change_account,
}
"""Switching tables, prices, special days of either element, thresholds of blocks, and the account."""
