"""The agenda of a pool: one-second buckets of linked entries, devices through their own columns, everything else through nodes.

An entry beyond the horizon of the wheel lies in its bucket all the same and is passed over until its round. An entry of a
device is its row, an entry of a node ``-2 - node``.
"""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    BLOCK,
    BLOCK_LOG2,
    BUCKETS,
    N_A,
    N_B,
    N_DUE,
    N_HEAD,
    N_JOIN,
    N_JOIN_TAIL,
    N_KIND,
    N_LINK,
    N_NEXT,
    N_ORDER,
    N_ROW,
    N_TAIL,
    NODE_FREE,
    NODE_WIDTH,
    S_NEXT,
    S_NODE_FREE,
    S_NODES_LEFT,
    S_NOW,
    S_PENDING,
    S_SCHEDULED,
)
from emulator.fanout.phases import NONE


@inlined
def link_of(p: Pool, entry: int) -> int:
    """What follows an entry in its list."""
    return p.link[entry] if entry >= 0 else p.nodes[(-2 - entry) * NODE_WIDTH + N_LINK]


@inlined
def due_of(p: Pool, entry: int) -> int:
    """When an entry is due."""
    return p.due[entry] if entry >= 0 else p.nodes[(-2 - entry) * NODE_WIDTH + N_DUE]


@inlined
def set_link(p: Pool, entry: int, value: int) -> int:
    """Let ``value`` follow an entry."""
    if entry >= 0:
        p.link[entry] = value
    else:
        p.nodes[(-2 - entry) * NODE_WIDTH + N_LINK] = value
    return 0


@inlined
def enter_bucket(p: Pool, due: int) -> int:
    """Count an entry in and return its bucket."""
    bucket = due & (BUCKETS - 1)
    p.blocks[bucket >> BLOCK_LOG2] += 1
    p.s[S_SCHEDULED] += 1
    if due < p.s[S_NEXT]:
        p.s[S_NEXT] = due
    return bucket


@inlined
def schedule(p: Pool, row: int, due: int) -> int:
    """Put a device that is not on the agenda on it, for the next tick at the earliest."""
    due = max(due, p.s[S_NOW] + 1)
    bucket = enter_bucket(p, due)
    p.due[row] = due
    p.link[row] = p.heads[bucket]
    p.heads[bucket] = row
    return 0


@inlined
def schedule_node(p: Pool, node: int, due: int) -> int:
    """The same for a node."""
    due = max(due, p.s[S_NOW] + 1)
    bucket = enter_bucket(p, due)
    p.nodes[node * NODE_WIDTH + N_DUE] = due
    p.nodes[node * NODE_WIDTH + N_LINK] = p.heads[bucket]
    p.heads[bucket] = -2 - node
    return 0


@kernel
def unlink(p: Pool, entry: int) -> int:
    """Take an entry off the agenda: 1, or 0 if it was not on it."""
    due = due_of(p, entry)
    if due < 0:
        return 0
    pending = due == p.s[S_NOW]
    bucket = due & (BUCKETS - 1)
    at = p.s[S_PENDING] if pending else p.heads[bucket]
    before = NONE
    while at != entry:
        before, at = at, link_of(p, at)
    after = link_of(p, entry)
    if before != NONE:
        set_link(p, before, after)
    elif pending:
        p.s[S_PENDING] = after
    else:
        p.heads[bucket] = after
    if not pending:
        p.blocks[bucket >> BLOCK_LOG2] -= 1
    p.s[S_SCHEDULED] -= 1
    if entry >= 0:
        p.due[entry] = NONE
        p.link[entry] = NONE
    else:
        p.nodes[(-2 - entry) * NODE_WIDTH + N_DUE] = NONE
    return 1


@kernel
def turn(p: Pool, tick: int) -> int:
    """Make a tick the present: move what is due from its bucket to the list of what is pending."""
    p.s[S_NOW] = tick
    bucket = tick & (BUCKETS - 1)
    at = p.heads[bucket]
    kept, taken, count = NONE, p.s[S_PENDING], 0
    while at != NONE:
        after = link_of(p, at)
        if due_of(p, at) == tick:
            set_link(p, at, taken)
            taken = at
            count += 1
        else:
            set_link(p, at, kept)
            kept = at
        at = after
    p.heads[bucket] = kept
    p.blocks[bucket >> BLOCK_LOG2] -= count
    p.s[S_PENDING] = taken
    return count


@kernel
def next_tick(p: Pool, limit: int) -> int:
    """The next tick after now at which something is due, or ``limit`` if nothing is before it."""
    if p.s[S_SCHEDULED] == 0:
        return limit
    tick = max(p.s[S_NOW] + 1, p.s[S_NEXT])
    last = p.s[S_NOW] + BUCKETS
    while tick < limit and tick <= last:
        bucket = tick & (BUCKETS - 1)
        if p.blocks[bucket >> BLOCK_LOG2] == 0:
            tick = (tick | (BLOCK - 1)) + 1
            continue
        at = p.heads[bucket]
        while at != NONE:
            if due_of(p, at) == tick:
                p.s[S_NEXT] = tick
                return tick
            at = link_of(p, at)
        tick += 1
    if tick <= last or tick >= limit:
        p.s[S_NEXT] = max(p.s[S_NEXT], min(tick, limit))
        return limit
    return beyond_horizon(p, limit)


@kernel
def beyond_horizon(p: Pool, limit: int) -> int:
    """The next due tick when all lie beyond one round of the wheel, or ``limit``."""
    least = NONE
    bucket = 0
    while bucket < BUCKETS:
        if p.blocks[bucket >> BLOCK_LOG2] == 0:
            bucket += BLOCK
            continue
        at = p.heads[bucket]
        while at != NONE:
            due = due_of(p, at)
            if least == NONE or due < least:
                least = due
            at = link_of(p, at)
        bucket += 1
    p.s[S_NEXT] = least
    return min(least, limit)


@kernel
def new_node(p: Pool, kind: int, row: int, order: int, a: int, b: int) -> int:
    """Take a node; Python makes more before they run out."""
    node = p.s[S_NODE_FREE]
    at = node * NODE_WIDTH
    p.s[S_NODE_FREE] = p.nodes[at + N_NEXT]
    p.s[S_NODES_LEFT] -= 1
    p.nodes[at + N_KIND] = kind
    p.nodes[at + N_DUE] = NONE
    p.nodes[at + N_LINK] = NONE
    p.nodes[at + N_ROW] = row
    p.nodes[at + N_ORDER] = order
    p.nodes[at + N_A] = a
    p.nodes[at + N_B] = b
    p.nodes[at + N_HEAD] = NONE
    p.nodes[at + N_TAIL] = NONE
    p.nodes[at + N_JOIN] = NONE
    p.nodes[at + N_JOIN_TAIL] = NONE
    p.nodes[at + N_NEXT] = NONE
    return node


@kernel
def free_node(p: Pool, node: int) -> int:
    """Give a node back."""
    p.nodes[node * NODE_WIDTH + N_KIND] = NODE_FREE
    p.nodes[node * NODE_WIDTH + N_NEXT] = p.s[S_NODE_FREE]
    p.s[S_NODE_FREE] = node
    p.s[S_NODES_LEFT] += 1
    return 0


@kernel
def later(p: Pool, kind: int, row: int, order: int, a: int, due: int) -> int:
    """A new node on the agenda."""
    node = new_node(p, kind, row, order, a, 0)
    schedule_node(p, node, due)
    return node
