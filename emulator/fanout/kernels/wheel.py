"""The agenda of a pool: one-second buckets of linked entries, devices through their own columns, everything else through nodes.

A bucket has one or more chains, an entry's by its number. What is due in a tick comes chain by chain, the last scheduled first.
An entry beyond the horizon of the wheel lies in its bucket all the same and is passed over until its round. An entry of a
device is its row, an entry of a node ``-2 - node``.
"""

from emulator.fanout.columns import Pool
from emulator.fanout.compiling import inlined, kernel
from emulator.fanout.fields import (
    BLOCK,
    BLOCK_LOG2,
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
    S_BUCKETS,
    S_CHAINS,
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
def chain_of(p: Pool, bucket: int, entry: int) -> int:
    """Where the head of an entry's chain in a bucket lies."""
    chains = p.s[S_CHAINS]
    return bucket << chains | entry & ((1 << chains) - 1)


@inlined
def enter_bucket(p: Pool, entry: int, due: int) -> int:
    """Count an entry in and return the place of its chain."""
    bucket = due & p.s[S_BUCKETS]
    p.blocks[bucket >> BLOCK_LOG2] += 1
    p.s[S_SCHEDULED] += 1
    if due < p.s[S_NEXT]:
        p.s[S_NEXT] = due
    return chain_of(p, bucket, entry)


@inlined
def schedule(p: Pool, row: int, due: int) -> int:
    """Put a device that is not on the agenda on it, for the next tick at the earliest."""
    due = max(due, p.s[S_NOW] + 1)
    chain = enter_bucket(p, row, due)
    p.due[row] = due
    p.link[row] = p.heads[chain]
    p.heads[chain] = row
    return 0


@inlined
def schedule_node(p: Pool, node: int, due: int) -> int:
    """The same for a node."""
    due = max(due, p.s[S_NOW] + 1)
    chain = enter_bucket(p, -2 - node, due)
    p.nodes[node * NODE_WIDTH + N_DUE] = due
    p.nodes[node * NODE_WIDTH + N_LINK] = p.heads[chain]
    p.heads[chain] = -2 - node
    return 0


@kernel
def unlink(p: Pool, entry: int) -> int:
    """Take an entry off the agenda: 1, or 0 if it was not on it."""
    due = due_of(p, entry)
    if due < 0:
        return 0
    pending = due == p.s[S_NOW]
    bucket = due & p.s[S_BUCKETS]
    chain = chain_of(p, bucket, entry)
    at = p.s[S_PENDING] if pending else p.heads[chain]
    before = NONE
    while at != entry:
        before, at = at, link_of(p, at)
    after = link_of(p, entry)
    if before != NONE:
        set_link(p, before, after)
    elif pending:
        p.s[S_PENDING] = after
    else:
        p.heads[chain] = after
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
def fetch(p: Pool, first: int, count: int) -> int:
    """Walk up to eight chains side by side, so that the memory of many entries is fetched at a time; return the sum of their
    ticks.

    Each step waits for memory; eight that do not depend on one another wait together.
    """
    a, b = p.heads[first], p.heads[first + 1]
    c, d = p.heads[first + 2], p.heads[first + 3]
    e, f = p.heads[first + 4], p.heads[first + 5]
    g, h = p.heads[first + 6], p.heads[first + 7]
    found = 0
    for _ in range(count):
        if a >= 0:
            found += p.due[a]
            a = p.link[a]
        if b >= 0:
            found += p.due[b]
            b = p.link[b]
        if c >= 0:
            found += p.due[c]
            c = p.link[c]
        if d >= 0:
            found += p.due[d]
            d = p.link[d]
        if e >= 0:
            found += p.due[e]
            e = p.link[e]
        if f >= 0:
            found += p.due[f]
            f = p.link[f]
        if g >= 0:
            found += p.due[g]
            g = p.link[g]
        if h >= 0:
            found += p.due[h]
            h = p.link[h]
        if a < 0 and b < 0 and c < 0 and d < 0 and e < 0 and f < 0 and g < 0 and h < 0:
            return found
    return found


@kernel
def turn(p: Pool, tick: int) -> int:
    """Make a tick the present: move what is due from its bucket to the list of what is pending; return how many."""
    p.s[S_NOW] = tick
    bucket = tick & p.s[S_BUCKETS]
    first = chain_of(p, bucket, 0)
    last = first + (1 << p.s[S_CHAINS])
    if last - first == 8:
        fetch(p, first, 1 << 20)
    end, count = NONE, 0
    for chain in range(first, last):
        before, at = NONE, p.heads[chain]
        while at != NONE:
            after = link_of(p, at)
            if due_of(p, at) == tick:
                if before == NONE:
                    p.heads[chain] = after
                else:
                    set_link(p, before, after)
                if end == NONE:
                    p.s[S_PENDING] = at
                else:
                    set_link(p, end, at)
                end = at
                count += 1
            else:
                before = at
            at = after
    if end != NONE:
        set_link(p, end, NONE)
    p.blocks[bucket >> BLOCK_LOG2] -= count
    return count


@kernel
def next_tick(p: Pool, limit: int) -> int:
    """The next tick after now at which something is due, or ``limit`` if nothing is before it."""
    if p.s[S_SCHEDULED] == 0:
        return limit
    tick = max(p.s[S_NOW] + 1, p.s[S_NEXT])
    last = p.s[S_NOW] + p.s[S_BUCKETS] + 1
    while tick < limit and tick <= last:
        bucket = tick & p.s[S_BUCKETS]
        if p.blocks[bucket >> BLOCK_LOG2] == 0:
            tick = (tick | (BLOCK - 1)) + 1
            continue
        if earliest(p, bucket, tick) == tick:
            p.s[S_NEXT] = tick
            return tick
        tick += 1
    if tick <= last or tick >= limit:
        p.s[S_NEXT] = max(p.s[S_NEXT], min(tick, limit))
        return limit
    return beyond_horizon(p, limit)


@kernel
def earliest(p: Pool, bucket: int, tick: int) -> int:
    """The least due tick in a bucket, ``tick`` as soon as one is found, or NONE in an empty one."""
    least = NONE
    first = chain_of(p, bucket, 0)
    for chain in range(first, first + (1 << p.s[S_CHAINS])):
        at = p.heads[chain]
        while at != NONE:
            due = due_of(p, at)
            if due == tick:
                return tick
            if least == NONE or due < least:
                least = due
            at = link_of(p, at)
    return least


@kernel
def beyond_horizon(p: Pool, limit: int) -> int:
    """The next due tick when all lie beyond one round of the wheel, or ``limit``."""
    least = NONE
    bucket = 0
    while bucket <= p.s[S_BUCKETS]:
        if p.blocks[bucket >> BLOCK_LOG2] == 0:
            bucket += BLOCK
            continue
        due = earliest(p, bucket, NONE)
        if due != NONE and (least == NONE or due < least):
            least = due
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
