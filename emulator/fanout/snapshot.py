"""A network as octets, and its digest.

A dump is a line of JSON, that says what was declared and how long each table is, and the tables in order as little-endian
numbers of the width of their columns. Of the wheel only buckets that have something are written.
"""

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.domain.errors import Malformed
from emulator.fanout.columns import DEVICE_COLUMNS, HUB_COLUMNS, OWN, Ints
from emulator.fanout.fields import S_HOURS, S_NEXT, S_OUTCOMES, S_SHIFT
from emulator.fanout.phases import NONE, OUTCOMES
from emulator.fanout.pools import RunningPool
from emulator.fanout.specs import PoolSpec, Rule
from emulator.fanout.tables import Chance, DeviceProfile, HubProfile, Order, PoolProfile, row

if TYPE_CHECKING:
    from emulator.fanout.network import Network

VERSION = 2
_OUTCOMES_OF_1 = 45
"""Kinds of outcomes that version 1 counted."""
_KINDS = {name: kind for name, (kind, _, _) in (DEVICE_COLUMNS | HUB_COLUMNS).items()} | {n: kind for n, (kind, _) in OWN.items()}


def _octets(name: str, values: Ints, count: int) -> bytes:
    """The first ``count`` of a table."""
    if isinstance(values, np.ndarray):
        return np.ascontiguousarray(values[:count]).tobytes()
    assert isinstance(values, list)
    return np.array(values[:count], _KINDS[name]).tobytes()


def _columns(pool: RunningPool) -> list[tuple[str, Ints, int]]:
    """Columns with the length of what is used."""
    hubs, rows = pool.hubs, pool.hubs << pool.shift
    found = [(name, pool.memory.columns[name], rows) for name in DEVICE_COLUMNS]
    return found + [(name, pool.memory.columns[name], hubs) for name in HUB_COLUMNS]


def digest(network: "Network") -> str:
    """See :meth:`Network.digest`. What only says how far somebody looked ahead, or waits to be taken, is left out."""
    found = hashlib.sha256(f"{network.seed} {network.now}".encode())
    for pool in network.pools:
        for name, values, count in _columns(pool):
            found.update(_octets(name, values, count))
        for name in OWN:
            if name in ("heads", "out"):
                continue
            octets = _octets(name, pool.memory.tables[name], len(pool.memory.tables[name]))
            if name == "s":
                state = np.frombuffer(octets, "<i8").copy()
                state[[S_HOURS, S_NEXT, S_OUTCOMES]] = 0
                octets = state.tobytes()
            # Arrays grow further than lists do: the part that is as it was made says nothing.
            unused = OWN[name][1].to_bytes(8, "little", signed=True)[:1]
            found.update(name.encode() + octets.rstrip(unused))
        found.update(b"".join(_heads(pool)))
    return found.hexdigest()


def _heads(pool: RunningPool) -> tuple[bytes, bytes]:
    """The buckets that have something, and what."""
    heads = pool.memory.tables["heads"]
    if isinstance(heads, list):
        used = [place for place, head in enumerate(heads) if head != NONE]
        return np.array(used, "<i4").tobytes(), np.array([heads[place] for place in used], "<i4").tobytes()
    heads = np.asarray(heads, "<i4")
    places = np.flatnonzero(heads != NONE).astype("<i4")
    return places.tobytes(), heads[places].tobytes()


def dump(network: "Network") -> bytes:
    """See :meth:`Network.dump`."""
    parts: list[bytes] = []
    pools = []
    for pool in network.pools:
        names = []
        for name, values, count in _columns(pool):
            parts.append(_octets(name, values, count))
        for name, values in pool.memory.tables.items():
            if name != "heads":
                parts.append(_octets(name, values, len(values)))
                names.append((name, len(values)))
        places, entries = _heads(pool)
        parts += [places, entries]
        pools.append(
            {
                "hubs": pool.hubs,
                "shift": pool.shift,
                "tables": names,
                "heads": len(pool.memory.tables["heads"]),
                "buckets": len(places) // 4,
                "taken": pool.taken,
            }
        )
    declared = network.declared
    header = {
        "version": VERSION,
        "seed": network.seed,
        "day_s": network.day_s,
        "target": network.now,
        "specs": [asdict(spec) for spec in network.specs],
        "declared": asdict(declared) | {"shared": declared.shared.tables},
        "pools": pools,
    }
    text = json.dumps(header, default=list).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def load(kind: "type[Network]", octets: bytes, compiled: bool | None, threads: int) -> "Network":
    """See :meth:`Network.load`."""
    try:
        size = int.from_bytes(octets[:8], "little")
        header = json.loads(octets[8 : 8 + size])
        if header["version"] not in (1, VERSION):
            raise Malformed(f"version {header['version']} is not known", where="dump", expected=f"version {VERSION}")
        specs = [_spec(spec) for spec in header["specs"]]
        network = kind(
            header["seed"], [_unmade(spec) for spec in specs], compiled=compiled, threads=threads, day_s=header["day_s"]
        )
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Malformed(str(error), where="dump", expected="what Network.dump() gave") from None
    network.specs = tuple(specs)
    _restore_declared(network, header["declared"])
    at = 8 + size
    for pool, saved in zip(network.pools, header["pools"], strict=True):
        at = _restore_pool(pool, saved, octets, at)
        if header["version"] == 1:
            _widen_counts(pool)
    network.resume(header["target"])
    return network


def _unmade(spec: PoolSpec) -> PoolSpec:
    """A pool without its homes: they come from the dump."""
    return PoolSpec(spec.profile, spec.name, 0, None, spec.first_hub)


def _spec(saved: dict[str, Any]) -> PoolSpec:
    rule = saved["rule"]
    if rule is not None:
        rule = Rule(
            tuple((HubProfile(**profile), weight) for profile, weight in rule["hubs"]),
            tuple(
                tuple((None if profile is None else DeviceProfile(**profile), weight) for profile, weight in place)
                for place in rule["places"]
            ),
            tuple((party, weight) for party, weight in rule["parties"]),
            rule["version"],
        )
    return PoolSpec(PoolProfile(**saved["profile"]), saved["name"], saved["hubs"], rule, saved["first_hub"], saved["places"])


def _restore_declared(network: "Network", saved: dict[str, Any]) -> None:
    declared = network.declared
    declared.shared.tables.update(saved["shared"])
    declared.hubs = [HubProfile(**each) for each in saved["hubs"]]
    declared.devices = [DeviceProfile(**each) for each in saved["devices"]]
    declared.versions = {int(version): number for version, number in saved["versions"].items()}
    declared.orders = {int(number): Order(**each) for number, each in saved["orders"].items()}
    declared.free_orders = saved["free_orders"]
    declared.chances = {int(number): Chance(**each) for number, each in saved["chances"].items()}
    declared.next_chance, declared.parties, declared.for_all = saved["next_chance"], saved["parties"], saved["for_all"]
    # A row may be longer now than when it was written.
    declared.shared.tables["hps"] = [value for profile in declared.hubs for value in row(profile)]
    declared.shared.tables["dps"] = [value for profile in declared.devices for value in row(profile)]
    declared.shared.version += 1


def _widen_counts(pool: RunningPool) -> None:
    """Make room for the kinds of outcomes that version 1 did not have."""
    for name in ("counts", "series"):
        old: Any = pool.memory.tables[name]
        rows = len(old) // _OUTCOMES_OF_1
        table: Any = pool.memory.table(name, rows * len(OUTCOMES))
        for number in range(rows):
            at = number * len(OUTCOMES)
            table[at : at + _OUTCOMES_OF_1] = old[number * _OUTCOMES_OF_1 : (number + 1) * _OUTCOMES_OF_1]
        pool.memory.tables[name] = table


def _restore_pool(pool: RunningPool, saved: dict[str, Any], octets: bytes, at: int) -> int:
    """Fill a pool from the octets at a place; return where they end."""

    def values(kind: str, count: int) -> Any:
        nonlocal at
        found = np.frombuffer(octets, kind, count, at)
        at += found.nbytes
        return found if pool.shared.arrays else found.tolist()

    pool.memory.restride(saved["shift"])
    pool.memory.grow_hubs(saved["hubs"])
    rows = saved["hubs"] << saved["shift"]
    for names, count in ((DEVICE_COLUMNS, rows), (HUB_COLUMNS, saved["hubs"])):
        for name in names:
            column: Any = pool.memory.columns[name]
            column[:count] = values(_KINDS[name], count)
    for name, count in saved["tables"]:
        table: Any = pool.memory.table(name, count)
        table[:] = values(_KINDS[name], count)
        pool.memory.tables[name] = table
    heads: Any = pool.memory.table("heads", saved["heads"])
    places, entries = values("<i4", saved["buckets"]), values("<i4", saved["buckets"])
    for place, entry in zip(places, entries, strict=True):
        heads[place] = entry
    pool.memory.tables["heads"] = heads
    pool.taken = [(raw[0], raw[1], raw[2], raw[3], raw[4]) for raw in saved["taken"]]
    assert pool.s[S_SHIFT] == saved["shift"]
    pool.chances_written()
    pool.changed()
    return at
