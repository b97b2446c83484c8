"""What happens to a whole home: power, restarts, the hub's own firmware, and devices that leave and come back (ota.md 11.5,
12)."""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import kernel
from emulator.fanout.fields import (
    BESIDE,
    CH_FALLS_OFF_AFTER_REBOOT,
    CH_HUB_BRICKS,
    CH_HUB_STORE_LOST,
    CH_HUB_UPDATE_FAILS,
    HP_REBOOT,
    HP_RESUME,
    HUB_LISTENED,
    HUB_OFF_FLAG,
    HUB_WIDTH,
    LISTENED,
    N_B,
    NODE_DEVICE_POWER,
    NODE_HUB_BACK,
    NODE_HUB_POWER,
    NODE_HUB_REBOOT,
    NODE_HUB_UPDATE,
    NODE_WIDTH,
    OFF,
    OFF_HAN,
    REBOOTING,
    RESERVED,
    S_LISTENED,
    S_NOW,
    S_SHIFT,
    UPDATING,
)
from emulator.fanout.kernels.agenda import announce_again
from emulator.fanout.kernels.chances import happens
from emulator.fanout.kernels.han import interrupt, lose
from emulator.fanout.kernels.reports import note, note_hub
from emulator.fanout.kernels.wan import cut_session, lose_segments
from emulator.fanout.kernels.wheel import later
from emulator.fanout.phases import (
    BACKOFF,
    CASTING,
    FELL_OFF,
    HUB_BRICKED,
    HUB_REBOOTED,
    HUB_ROLLED_BACK,
    HUB_RUNNING_NEW,
    NONE,
    POWER_BACK,
    POWER_LOST,
    READY,
    REPAIR,
    REPAIRING,
    SENDING,
    SERVING,
)

WAIT = 1_800
"""Seconds after which a hub looks again whether it may update itself."""


@kernel
def break_off(p: Pool, hub: int) -> int:
    """Whatever moves to or in a home stops moving."""
    shift = p.s[S_SHIFT]
    forgets = not p.hps[p.hub_profile[hub] * HUB_WIDTH + HP_RESUME]
    for row in range(hub << shift, (hub + 1) << shift):
        if p.phase[row] == SERVING:
            interrupt(p, row)
        elif p.phase[row] == SENDING or p.phase[row] == REPAIRING:
            cut_session(p, row)
        elif forgets and p.flags[row] & RESERVED and p.phase[row] in (CASTING, REPAIR, BACKOFF):
            lose_segments(p, row)
    return announce_home(p, hub)


@kernel
def announce_home(p: Pool, hub: int) -> int:
    """Announce what waits in a home anew."""
    shift = p.s[S_SHIFT]
    for row in range(hub << shift, (hub + 1) << shift):
        announce_again(p, row)
    return 0


@kernel
def restart_store(p: Pool, hub: int) -> int:
    """A hub comes up again, perhaps without the images that waited."""
    shift = p.s[S_SHIFT]
    for row in range(hub << shift, (hub + 1) << shift):
        if p.phase[row] == READY and happens(p, CH_HUB_STORE_LOST, row, p.order[row], 0) != NONE:
            lose(p, row)
    return announce_home(p, hub)


@kernel
def set_hub_power(p: Pool, hub: int, on: int) -> int:
    """Power of a hub; the devices of the home have their own."""
    was_on = not p.hub_flags[hub] & HUB_OFF_FLAG
    if on and not was_on:
        p.hub_flags[hub] &= ~HUB_OFF_FLAG
        return restart_store(p, hub)
    if not on and was_on:
        p.hub_flags[hub] |= HUB_OFF_FLAG
        return break_off(p, hub)
    return 0


@kernel
def set_device_power(p: Pool, row: int, on: int) -> int:
    """Power of a device."""
    if on:
        p.flags[row] &= ~OFF
        return announce_again(p, row)
    p.flags[row] |= OFF
    if p.phase[row] == SERVING:
        return interrupt(p, row)
    return announce_again(p, row)


@kernel
def set_on_han(p: Pool, row: int, joined: int) -> int:
    """A device leaves the HAN, or joins it again."""
    if joined:
        p.flags[row] &= ~OFF_HAN
        return announce_again(p, row)
    p.flags[row] |= OFF_HAN
    if p.phase[row] == SERVING:
        return interrupt(p, row)
    return announce_again(p, row)


@kernel
def cut_hub(p: Pool, row: int, seconds: int) -> int:
    """The hub of a device is without power for a while; who listens to the device hears of it."""
    hub = row >> p.s[S_SHIFT]
    if p.flags[row] & LISTENED and not p.hub_flags[hub] & HUB_LISTENED:
        p.hub_flags[hub] |= HUB_LISTENED
        p.s[S_LISTENED] += 1
    note_hub(p, hub, POWER_LOST, 0)
    set_hub_power(p, hub, 0)
    return later(p, NODE_HUB_POWER, hub, NONE, 0, p.s[S_NOW] + max(seconds, 1))


@kernel
def cut_device(p: Pool, row: int, seconds: int) -> int:
    """A device is without power for a while."""
    note(p, row, p.order[row], POWER_LOST, 0)
    set_device_power(p, row, 0)
    return later(p, NODE_DEVICE_POWER, row, NONE, 0, p.s[S_NOW] + max(seconds, 1))


@kernel
def hub_power_back(p: Pool, hub: int) -> int:
    """The end of a power cut, if nobody switched the hub on before."""
    if not p.hub_flags[hub] & HUB_OFF_FLAG:
        return 0
    note_hub(p, hub, POWER_BACK, 0)
    return set_hub_power(p, hub, 1)


@kernel
def device_power_back(p: Pool, row: int) -> int:
    """The same of a device."""
    if not p.flags[row] & OFF:
        return 0
    note(p, row, p.order[row], POWER_BACK, 0)
    return set_device_power(p, row, 1)


@kernel
def start_update(p: Pool, hub: int, waits: int, seconds: int) -> int:
    """The hub's own image comes; transfers on the HAN go first, within limits, and pause then (ota.md 9, 13)."""
    shift = p.s[S_SHIFT]
    busy = p.hub_flags[hub] & (HUB_OFF_FLAG | REBOOTING | UPDATING)
    for row in range(hub << shift, (hub + 1) << shift):
        if p.phase[row] == SERVING and waits > 0:
            busy = 1
    if busy:
        again = later(p, NODE_HUB_UPDATE, hub, NONE, max(waits - 1, 0), p.s[S_NOW] + WAIT)
        p.nodes[again * NODE_WIDTH + N_B] = seconds
        return 0
    p.hub_flags[hub] |= UPDATING
    for row in range(hub << shift, (hub + 1) << shift):
        if p.phase[row] == SERVING:
            interrupt(p, row)
    announce_home(p, hub)
    return later(p, NODE_HUB_REBOOT, hub, NONE, 0, p.s[S_NOW] + max(seconds, 1))


@kernel
def reboot(p: Pool, hub: int) -> int:
    """The hub restarts: the HAN is down."""
    p.hub_flags[hub] = p.hub_flags[hub] & ~UPDATING | REBOOTING
    note_hub(p, hub, HUB_REBOOTED, 0)
    break_off(p, hub)
    due = p.s[S_NOW] + p.hps[p.hub_profile[hub] * HUB_WIDTH + HP_REBOOT]
    return later(p, NODE_HUB_BACK, hub, NONE, 0, due)


@kernel
def back(p: Pool, hub: int) -> int:
    """The restart is over: new firmware, old firmware, or none."""
    shift = p.s[S_SHIFT]
    first = hub << shift
    p.hub_flags[hub] &= ~REBOOTING
    if happens(p, CH_HUB_BRICKS, first, NONE, 0) != NONE:
        p.hub_flags[hub] |= HUB_OFF_FLAG
        note_hub(p, hub, HUB_BRICKED, 0)
        return announce_home(p, hub)
    if happens(p, CH_HUB_UPDATE_FAILS, first, NONE, 0) != NONE:
        note_hub(p, hub, HUB_ROLLED_BACK, 0)
    else:
        note_hub(p, hub, HUB_RUNNING_NEW, 0)
    for row in range(first, first + (1 << shift)):
        if p.profile[row] < BESIDE and happens(p, CH_FALLS_OFF_AFTER_REBOOT, row, NONE, 0) != NONE:
            p.flags[row] |= OFF_HAN
            note(p, row, NONE, FELL_OFF, 1)
    return restart_store(p, hub)
