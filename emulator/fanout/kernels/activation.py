"""From a received image to new firmware: verification, the supplier's 11.3, the restart and what the new firmware does (ota.md
11.6)."""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    CH_ACTIVATION_DIES,
    CH_ACTIVATION_FAILS,
    CH_COMMAND_LOST,
    CH_FALLS_OFF_AFTER_ACTIVATION,
    CH_FALLS_OFF_AFTER_DOWNLOAD,
    CH_HELD_LOST,
    CH_ROLLS_BACK,
    CH_SELF_CHECK_FAILS,
    CH_SIGNATURE_BAD,
    CH_STOPS_REPORTING,
    CH_SUPPLY_OFF,
    CH_WRONG_HASH,
    DEVICE_WIDTH,
    DP_ACTIVATES_ITSELF,
    DP_ACTIVATION,
    DP_CS09,
    DP_FALLBACK,
    DP_SILENCE,
    HELD_BACK,
    HELD_BACK_S,
    N_B,
    NO_SUPPLY,
    NODE_ROLL_BACK,
    NODE_SELF_CHECK,
    NODE_SUPPLY,
    NODE_WIDTH,
    O_ACTIVATE_AFTER,
    O_FROM_VERSION,
    O_READ_AFTER,
    O_SIGNED,
    O_VERSION,
    OFF,
    OFF_HAN,
    ORDER_WIDTH,
    S_NOW,
    S_PARTIES,
    SILENT,
)
from emulator.fanout.kernels.agenda import announce_again, command_later, expect, finish, on_han
from emulator.fanout.kernels.chances import happens
from emulator.fanout.kernels.reports import answer, note, report, sees
from emulator.fanout.kernels.wheel import later
from emulator.fanout.phases import (
    ACTIVATED,
    ACTIVATING,
    ACTIVATION_FAILED,
    COMMAND_SENT,
    COMMANDED,
    CS09_FAILED,
    CS09_OK,
    DEAD,
    DIED,
    FELL_OFF,
    HELD,
    HELD_LOST,
    IN_ACTIVATION,
    JOB_ACTIVATED,
    NONE,
    READ_BACK,
    READING,
    ROLLED_BACK,
    RUNNING,
    SAW_ACTIVATE_FAILED,
    SAW_ACTIVATED,
    SAW_SILENCE,
    SAW_VERIFIED,
    SAW_VERIFY_FAILED,
    SAW_VERSION_DIFFERS,
    SAW_VERSION_EQUAL,
    SAW_VERSION_NEW,
    SELF_CHECK_FAILED,
    SILENCE,
    STOPPED_REPORTING,
    SUPPLY_OFF,
    UNANSWERED,
    VERIFIED,
    VERIFY_FAILED,
    WATCHED,
)

NO_IMAGE_HELD, HASH_MISMATCH, ACTIVATION_FAILURE = 1, 2, 3
"""Codes of CS06 (ota.md 4, exact)."""


@inlined
def watch(p: Pool, row: int, order: int) -> int:
    """The DSP waits for a report that does not come."""
    silence = p.dps[p.profile[row] * DEVICE_WIDTH + DP_SILENCE]
    if silence > 0:
        expect(p, row, order, WATCHED, p.s[S_NOW] + silence)
    return 0


@inlined
def verified(p: Pool, row: int) -> int:
    """A device has checked its image."""
    order = p.order[row]
    own = p.dps[p.profile[row] * DEVICE_WIDTH + DP_ACTIVATES_ITSELF]
    good = 1
    if not own and p.orders[order * ORDER_WIDTH + O_SIGNED]:
        good = p.verdicts[order * p.s[S_PARTIES] + p.party[row]]
    if happens(p, CH_SIGNATURE_BAD, row, order, 1) != NONE:
        good = 0
    if good:
        p.held[row] = order
        p.firmware[row] = HELD
    finish(p, row)
    if not good:
        reject(p, row, order, own)
    elif own:
        note(p, row, order, VERIFIED, 0)
        start_activation(p, row, order)
    else:
        receipt(p, row, order)
    return 0


@kernel
def reject(p: Pool, row: int, order: int, own: int) -> int:
    """The image is dropped: a meter says so, a PPMID reports an activation that failed."""
    if not own:
        seen = report(p, row, order, VERIFY_FAILED, 0, SAW_VERIFY_FAILED, 1)
    elif p.dps[p.profile[row] * DEVICE_WIDTH + DP_CS09]:
        note(p, row, order, VERIFY_FAILED, 0)
        seen = report(p, row, order, CS09_FAILED, 1, SAW_ACTIVATE_FAILED, 1)
    else:
        note(p, row, order, VERIFY_FAILED, 0)
        seen = 0
    if not seen:
        watch(p, row, order)
    return 0


@inlined
def receipt(p: Pool, row: int, order: int) -> int:
    """A meter tells its supplier the hash; who has seen it sends 11.3 when it wants to."""
    seen = report(p, row, order, VERIFIED, 0, SAW_VERIFIED, 1)
    if happens(p, CH_FALLS_OFF_AFTER_DOWNLOAD, row, order, 0) != NONE:
        p.flags[row] |= OFF_HAN
        note(p, row, order, FELL_OFF, 0)
        announce_again(p, row)
    after = p.orders[order * ORDER_WIDTH + O_ACTIVATE_AFTER]
    if not seen:
        watch(p, row, order)
    elif after != NONE:
        command_later(p, row, order, COMMANDED, HELD_BACK_S if after == HELD_BACK else after)
    return 0


@inlined
def commanded(p: Pool, row: int, order: int) -> int:
    """An 11.3 of the supplier reaches the device, or does not; one that is held back is looked at again later."""
    if p.orders[order * ORDER_WIDTH + O_ACTIVATE_AFTER] == HELD_BACK:
        return command_later(p, row, order, COMMANDED, HELD_BACK_S)
    note(p, row, order, COMMAND_SENT, 0)
    if not on_han(p, row) or happens(p, CH_COMMAND_LOST, row, order, 0) != NONE:
        note(p, row, order, UNANSWERED, 0)
        return 0
    code = refusal(p, row, order)
    if code:
        answer(p, row, order, ACTIVATION_FAILED, code, NONE)
        return code
    start_activation(p, row, order)
    return 0


@kernel
def refusal(p: Pool, row: int, order: int) -> int:
    """The code of CS06 with which a device refuses to activate, or 0; NONE as order is any image."""
    if p.firmware[row] == HELD and happens(p, CH_HELD_LOST, row, order, 0) != NONE:
        p.firmware[row] = RUNNING
        note(p, row, p.held[row], HELD_LOST, 0)
        p.held[row] = NONE
    if p.firmware[row] != HELD:
        return NO_IMAGE_HELD
    if (order != NONE and p.held[row] != order) or happens(p, CH_WRONG_HASH, row, order, 0) != NONE:
        return HASH_MISMATCH
    return 0


@inlined
def start_activation(p: Pool, row: int, order: int) -> int:
    """The device restarts into its held image."""
    p.firmware[row] = IN_ACTIVATION
    announce_again(p, row)
    return expect(p, row, order, ACTIVATING, p.s[S_NOW] + p.dps[p.profile[row] * DEVICE_WIDTH + DP_ACTIVATION])


@inlined
def activated(p: Pool, row: int, order: int) -> int:
    """The restart is over."""
    held = p.held[row]
    profile = p.profile[row] * DEVICE_WIDTH
    if p.flags[row] & OFF:
        return expect(p, row, order, ACTIVATING, p.s[S_NOW] + p.dps[profile + DP_ACTIVATION])
    if happens(p, CH_ACTIVATION_DIES, row, held, 0) != NONE:
        return dies(p, row, held)
    wanted = p.orders[held * ORDER_WIDTH + O_FROM_VERSION]
    if (wanted != NONE and wanted != p.running[row]) or happens(p, CH_ACTIVATION_FAILS, row, held, 0) != NONE:
        if not p.dps[profile + DP_FALLBACK]:
            return dies(p, row, held)
        return falls_back(p, row, held)
    return runs(p, row, held)


@kernel
def dies(p: Pool, row: int, order: int) -> int:
    """The device does not come up again."""
    p.firmware[row] = DEAD
    note(p, row, order, DIED, 0)
    return watch(p, row, order)


@kernel
def falls_back(p: Pool, row: int, order: int) -> int:
    """The old firmware goes on; the image stays, so that it can be tried again."""
    profile = p.profile[row] * DEVICE_WIDTH
    p.firmware[row] = HELD
    announce_again(p, row)
    if not p.dps[profile + DP_ACTIVATES_ITSELF]:
        answer(p, row, order, ACTIVATION_FAILED, ACTIVATION_FAILURE, NONE)
        return 0
    note(p, row, order, ACTIVATION_FAILED, ACTIVATION_FAILURE)
    if not p.dps[profile + DP_CS09] or not report(p, row, order, CS09_FAILED, 1, SAW_ACTIVATE_FAILED, 1):
        watch(p, row, order)
    return 0


@inlined
def runs(p: Pool, row: int, order: int) -> int:
    """The new firmware runs, and does what it does."""
    profile = p.profile[row] * DEVICE_WIDTH
    before = p.running[row]
    p.running[row] = p.orders[order * ORDER_WIDTH + O_VERSION]
    p.firmware[row] = RUNNING
    p.held[row] = NONE
    effects(p, row, order, before)
    announce_again(p, row)
    seen = 0
    if not p.dps[profile + DP_ACTIVATES_ITSELF]:
        seen = answer(p, row, order, ACTIVATED, 0, SAW_ACTIVATED)
    else:
        note(p, row, order, ACTIVATED, 0)
        if p.dps[profile + DP_CS09]:
            seen = report(p, row, order, CS09_OK, 0, SAW_ACTIVATED, 1)
        if not seen:
            watch(p, row, order)
    after = p.orders[order * ORDER_WIDTH + O_READ_AFTER]
    if seen and after >= 0:
        command_later(p, row, order, READING, after)
    return 0


@kernel
def cut_supply(p: Pool, row: int, order: int, version: int) -> int:
    """The firmware disables the supply, unless the device runs something else by now."""
    if p.running[row] == version and p.firmware[row] != DEAD:
        p.flags[row] |= NO_SUPPLY
        note(p, row, order, SUPPLY_OFF, 0)
    return 0


@inlined
def effects(p: Pool, row: int, order: int, before: int) -> int:
    """What a bad firmware does to a device (ota.md 12, F37, F39, F41)."""
    if happens(p, CH_STOPS_REPORTING, row, order, 0) != NONE:
        p.flags[row] |= SILENT
        note(p, row, order, STOPPED_REPORTING, 0)
    if happens(p, CH_FALLS_OFF_AFTER_ACTIVATION, row, order, 0) != NONE:
        p.flags[row] |= OFF_HAN
        note(p, row, order, FELL_OFF, 0)
    after = happens(p, CH_SUPPLY_OFF, row, order, 0)
    if after > 0:
        later(p, NODE_SUPPLY, row, order, p.running[row], p.s[S_NOW] + after)
    elif after != NONE:
        cut_supply(p, row, order, p.running[row])
    after = happens(p, CH_ROLLS_BACK, row, order, 0)
    if after != NONE:
        node = later(p, NODE_ROLL_BACK, row, order, before, p.s[S_NOW] + after)
        p.nodes[node * NODE_WIDTH + N_B] = p.running[row]
    after = happens(p, CH_SELF_CHECK_FAILS, row, order, 0)
    if after != NONE:
        later(p, NODE_SELF_CHECK, row, order, 0, p.s[S_NOW] + after)
    return 0


@kernel
def roll_back(p: Pool, row: int, order: int, version: int, left: int) -> int:
    """The device goes back to what it ran before, unless it runs something else by now."""
    if p.running[row] == left and p.firmware[row] != DEAD:
        p.running[row] = version
        note(p, row, order, ROLLED_BACK, 0)
    return 0


@kernel
def self_check(p: Pool, row: int, order: int) -> int:
    """The firmware finds itself damaged at power-on: 8F1B."""
    if p.firmware[row] == DEAD:
        return 0
    if p.flags[row] & (SILENT | OFF_HAN | OFF):
        return note(p, row, order, SELF_CHECK_FAILED, 256)
    return note(p, row, order, SELF_CHECK_FAILED, 0)


@kernel
def read_back(p: Pool, row: int, order: int) -> int:
    """An 11.2 shows which version runs."""
    if not on_han(p, row) or happens(p, CH_COMMAND_LOST, row, order, 1) != NONE:
        return note(p, row, order, UNANSWERED, 1)
    if p.running[row] != p.orders[order * ORDER_WIDTH + O_VERSION]:
        return answer(p, row, order, READ_BACK, 1, SAW_VERSION_DIFFERS)
    sight = SAW_VERSION_EQUAL if p.job[row] == JOB_ACTIVATED else SAW_VERSION_NEW
    return answer(p, row, order, READ_BACK, 0, sight)


@kernel
def heard_nothing(p: Pool, row: int, order: int) -> int:
    """The DSP has waited long enough."""
    note(p, row, order, SILENCE, 0)
    return sees(p, row, order, SAW_SILENCE)


@inlined
def device_event(p: Pool, row: int, order: int, phase: int) -> int:
    """What was on a device's agenda is due."""
    if phase == COMMANDED:
        return commanded(p, row, order)
    if phase == ACTIVATING:
        return activated(p, row, order)
    if phase == READING:
        return read_back(p, row, order)
    return heard_nothing(p, row, order)
