"""What happened, counted for everybody and told for those somebody listens to; and what the DSP makes of it."""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    CH_ALERT_LOST,
    CH_RESPONSE_LOST,
    HUB_LISTENED,
    LISTENED,
    O_PARENT,
    OFF,
    OFF_HAN,
    ORDER_WIDTH,
    OUTCOME_WIDTH,
    S_HOURS,
    S_NOW,
    S_OUTCOMES,
    SILENT,
)
from emulator.fanout.kernels.chances import happens
from emulator.fanout.kernels.store import target_of
from emulator.fanout.phases import LOST, NONE, OUTCOMES, RESPONSE_LOST, SIGHTS, UNREPORTED

KINDS = len(OUTCOMES)
SEEN = len(SIGHTS)


@inlined
def count(p: Pool, order: int, kind: int) -> int:
    """Count one of a kind for an order and its hour."""
    if order != NONE:
        p.counts[p.orders[order * ORDER_WIDTH + O_PARENT] * KINDS + kind] += 1
    hour = min(p.s[S_NOW] // 3_600, p.s[S_HOURS] - 1)
    p.series[hour * KINDS + kind] += 1
    return 0


@kernel
def tell(p: Pool, row: int, order: int, kind: int, code: int) -> int:
    """Put an outcome into the buffer."""
    at = p.s[S_OUTCOMES] * OUTCOME_WIDTH
    p.out[at] = p.s[S_NOW]
    p.out[at + 1] = row if row < 0 else target_of(p, row)
    p.out[at + 2] = order if order == NONE else p.orders[order * ORDER_WIDTH + O_PARENT]
    p.out[at + 3] = kind
    p.out[at + 4] = code
    p.s[S_OUTCOMES] += 1
    return 0


@inlined
def note(p: Pool, row: int, order: int, kind: int, code: int) -> int:
    """Something that happened to a device."""
    count(p, order, kind)
    if p.flags[row] & LISTENED:
        tell(p, row, order, kind, code)
    return 0


@kernel
def note_hub(p: Pool, hub: int, kind: int, code: int) -> int:
    """Something that happened to a hub."""
    count(p, NONE, kind)
    if p.hub_flags[hub] & HUB_LISTENED:
        tell(p, -1 - hub, NONE, kind, code)
    return 0


@inlined
def set_job(p: Pool, row: int, order: int, job: int) -> int:
    """The DSP's job of a device becomes another."""
    parent = p.orders[order * ORDER_WIDTH + O_PARENT] * 16
    before = p.job[row]
    if before != 0:
        p.jobs[parent + before] -= 1
    p.job[row] = job
    if job != 0:
        p.jobs[parent + job] += 1
    return 0


@inlined
def sees(p: Pool, row: int, order: int, sight: int) -> int:
    """The DSP comes to see something of a device's job; what concerns an earlier order changes nothing."""
    last = p.order[row]
    if last == NONE or p.orders[last * ORDER_WIDTH + O_PARENT] != p.orders[order * ORDER_WIDTH + O_PARENT]:
        return 0
    job = p.job_next[p.job[row] * SEEN + sight]
    if job != NONE:
        set_job(p, row, order, job)
    return 0


@inlined
def report(p: Pool, row: int, order: int, kind: int, code: int, sight: int, by_device: int) -> int:
    """Something that is reported to the DSP by an alert: 1 if it gets there, 0 if it is lost on the way or never sent."""
    if (by_device and p.flags[row] & (SILENT | OFF | OFF_HAN)) or happens(p, CH_ALERT_LOST, row, order, kind) != NONE:
        note(p, row, order, kind, code | LOST)
        note(p, row, order, UNREPORTED, kind)
        return 0
    note(p, row, order, kind, code)
    sees(p, row, order, sight)
    return 1


@kernel
def answer(p: Pool, row: int, order: int, kind: int, code: int, sight: int) -> int:
    """The same of an answer to a command; ``sight`` NONE changes nothing in the DSP's view."""
    if p.flags[row] & (SILENT | OFF | OFF_HAN) or happens(p, CH_RESPONSE_LOST, row, order, kind) != NONE:
        note(p, row, order, kind, code | LOST)
        note(p, row, order, RESPONSE_LOST, kind)
        return 0
    note(p, row, order, kind, code)
    if sight != NONE:
        sees(p, row, order, sight)
    return 1
