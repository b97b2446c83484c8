"""Names and fields of ZigBee cluster commands, from ``data/zcl.toml``, for people."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from emulator.domain.errors import Malformed
from emulator.gbcs import times
from emulator.gbcs.alertcodes import alert_name
from emulator.gbcs.octets import Reader

Node = dict[str, Any]
"""As in :mod:`emulator.gbcs.dissect`."""

NOW, NEVER = 0, 0xFFFFFFFF
"""Special times of publish commands (gbcs.md 7)."""

_TO_CLIENT = 0x08
_WORD = re.compile(r"(\*?)(\w+)(?:\[(\w+)\])?(?::([uiebx]?\d?[a-z]?)|\(([^)]*)\))")


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """One field of a payload, or a group of fields that repeats."""

    name: str
    type: str = ""
    """See ``data/zcl.toml``; empty for a group."""
    inner: tuple["FieldLayout", ...] = ()
    count: str = ""
    """The field that says how often a group stands; empty: up to the end."""


@dataclass(frozen=True, slots=True)
class CommandLayout:
    """A cluster command."""

    name: str
    fields: tuple[FieldLayout, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    clusters: Mapping[int, str]
    statuses: Mapping[int, str]
    commands: Mapping[tuple[int, bool, int], CommandLayout]


@cache
def _table() -> _Table:
    raw = tomllib.loads(resources.files("emulator.gbcs").joinpath("data/zcl.toml").read_text("utf-8"))
    return _Table(
        {int(number, 16): name for number, name in raw["clusters"].items()},
        {int(number, 16): name for number, name in raw["statuses"].items()},
        {
            (row["cluster"], row["to"] == "client", row["command"]): CommandLayout(row["name"], _layout(row["fields"]))
            for row in raw["commands"]
        },
    )


def _layout(text: str) -> tuple[FieldLayout, ...]:
    return tuple(
        FieldLayout(found[2], found[4] or "", _layout(found[5]) if found[5] else (), found[3] or "")
        for found in _WORD.finditer(text)
    )


def cluster_name(cluster: int) -> str | None:
    """What a cluster is called, or None."""
    return _table().clusters.get(cluster)


def status_name(status: int) -> str | None:
    """What a ZCL status says, or None."""
    return _table().statuses.get(status)


def command_layout(cluster: int, frame_control: int, command: int) -> CommandLayout | None:
    """The layout of a cluster command, by the direction that its frame control says; None for an unknown one."""
    return _table().commands.get((cluster, bool(frame_control & _TO_CLIENT), command))


def payload_nodes(layout: CommandLayout, payload: bytes, offset: int) -> list[Node]:
    """The fields of a payload that begins at ``offset``; :class:`Malformed` where it does not fit the layout."""
    reader = Reader(payload)
    nodes = _nodes(layout.fields, reader, offset)
    reader.finish("the fields of the command")
    return nodes


def _nodes(fields: tuple[FieldLayout, ...], reader: Reader, offset: int) -> list[Node]:
    nodes: list[Node] = []
    for field in fields:
        start = reader.position
        if field.inner:
            times_ = next((int(node["value"]) for node in nodes if node["name"] == field.count), None)
            groups: list[Node] = []
            while reader.left if times_ is None else len(groups) < times_:
                groups.append(_group(field, len(groups), reader, offset))
            nodes.append({"name": field.name, "offset": offset + start, "length": reader.position - start, "fields": groups})
        else:
            nodes.append(_value(field, reader, offset))
    return nodes


def _group(field: FieldLayout, number: int, reader: Reader, offset: int) -> Node:
    start = reader.position
    inner = _nodes(field.inner, reader, offset)
    if len(inner) == 1:
        return inner[0] | {"name": f"{field.name} {number + 1}"}
    return {"name": f"{field.name} {number + 1}", "offset": offset + start, "length": reader.position - start, "fields": inner}


def _value(field: FieldLayout, reader: Reader, offset: int) -> Node:
    start, kind = reader.position, field.type[:1]
    if kind == "s":
        raw = reader.take(reader.octet(f"length of {field.name}"), field.name)
        text = raw.decode("latin-1")
        value: object = text if text.isprintable() else raw.hex()
    elif kind == "d":
        value = zcl_date(reader.take(4, field.name))
    elif kind == "x":
        value = reader.take(reader.left, field.name).hex()
    else:
        size = 4 if kind in "tp" else int(field.type[1:])
        number = int.from_bytes(reader.take(size, field.name), "little", signed=kind == "i")
        value = f"{number:0{2 * size}X}" if kind == "b" else number
    node: Node = {"name": field.name, "offset": offset + start, "length": reader.position - start, "value": value}
    meaning = _meaning(field, value)
    return node if meaning is None else node | {"meaning": meaning}


def _meaning(field: FieldLayout, value: object) -> str | None:
    if not isinstance(value, int):
        return None
    if field.type == "p" and value in (NOW, NEVER):
        return "now" if value == NOW else "never"
    if field.type in ("t", "p"):
        return times.as_text(times.read_utc_time(value))
    return alert_name(value) if field.name == "code" and value >= 0x8000 else None


def zcl_date(octets: bytes) -> str:
    """A ZCL date for people, with ``*`` for what is left open: year, month, day, weekday."""
    if len(octets) != 4:
        raise Malformed("a ZCL date has four octets")
    year, month, day, weekday = octets
    parts = "*" if year == 0xFF else str(1900 + year), _part(month), _part(day)
    return "-".join(parts) + ("" if weekday == 0xFF else f", weekday {weekday}")


def _part(number: int) -> str:
    return f"{number:02}" if 1 <= number <= 31 else "*" if number == 0xFF else f"{number:02X}"
