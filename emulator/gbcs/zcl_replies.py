"""Readable values of the cluster commands with which gas meters answer: snapshots, samples, entries of logs.

Layouts: gbcs.md 7 and usecase_spec.json GCS15b to GCS18 and GCS61; what the fields of snapshots mean is proven by their signs and
places in decrypted.json only. Fields are little-endian; names are ours.
"""

from collections.abc import Callable, Mapping

from emulator.domain.errors import Malformed
from emulator.gbcs import times
from emulator.gbcs.gbz import OCTET_STRING, Component, read_zcl
from emulator.gbcs.octets import Reader

CLUSTER_COMMAND, SERVER_TO_CLIENT = 0x01, 0x08
_UINT8, _UINT16, _UINT24, _UINT32, _UINT48, _INT32 = 0x20, 0x21, 0x22, 0x23, 0x25, 0x2B

Entry = dict[str, object]


def _number(reader: Reader, type_: int) -> int:
    value = read_zcl(reader, type_)
    if not isinstance(value, int):
        raise reader.malformed("a number is missing", "a ZCL number")
    return value


def _time(reader: Reader) -> int | None:
    return times.read_utc_time(_number(reader, _UINT32))


def _snapshot_head(reader: Reader) -> Entry:
    """Identifier, time, how many there are, index and count of commands, cause, type of what follows."""
    entry: Entry = {"snapshot_id": _number(reader, _UINT32), "time": _time(reader), "found": _number(reader, _UINT8)}
    reader.take(2, "index and count of commands")
    entry["cause"] = _number(reader, _UINT32)
    reader.octet("type of the payload")
    return entry


def _snapshot(reader: Reader) -> list[Entry]:
    entry = _snapshot_head(reader)
    entry["consumption"] = _number(reader, _UINT48)
    entry["tiers"] = [_number(reader, _UINT48) for _ in range(reader.octet("number of tiers"))]
    entry["blocks"] = [_number(reader, _UINT48) for _ in range(reader.octet("number of blocks") & 0x0F)]
    return [entry]


def _prepay_snapshot(reader: Reader) -> list[Entry]:
    entry = _snapshot_head(reader)
    entry["accumulated_debt"] = _number(reader, _INT32)
    for name in ("time_debt_1", "time_debt_2", "payment_debt"):
        entry[name] = _number(reader, _UINT32)
    entry["emergency_credit_balance"], entry["meter_balance"] = _number(reader, _INT32), _number(reader, _INT32)
    return [entry]


def _samples(reader: Reader) -> list[Entry]:
    entry: Entry = {"sample_id": _number(reader, _UINT16), "time": _time(reader), "type": _number(reader, _UINT8)}
    entry["interval_s"] = _number(reader, _UINT16)
    entry["samples"] = [_number(reader, _UINT24) for _ in range(_number(reader, _UINT16))]
    return [entry]


def _sampling_started(reader: Reader) -> list[Entry]:
    return [{"sample_id": _number(reader, _UINT16)}]


def _top_ups(reader: Reader) -> list[Entry]:
    reader.take(2, "index and count of commands")
    entries: list[Entry] = []
    while reader.left:
        code = read_zcl(reader, OCTET_STRING)
        text = code.decode("latin-1") if isinstance(code, bytes) else ""
        entries.append({"code": text, "amount": _number(reader, _INT32), "time": _time(reader)})
    return entries


def _debt_payments(reader: Reader) -> list[Entry]:
    reader.take(2, "index and count of commands")
    entries: list[Entry] = []
    while reader.left:
        entry: Entry = {"time": _time(reader), "amount": _number(reader, _UINT32), "debt": _number(reader, _UINT8)}
        entries.append(entry | {"left": _number(reader, _UINT32)})
    return entries


REPLIES: Mapping[tuple[int, int], tuple[str, Callable[[Reader], list[Entry]]]] = {
    (0x0702, 0x06): ("snapshots", _snapshot),
    (0x0702, 0x07): ("sampled_data", _samples),
    (0x0702, 0x0D): ("sampling", _sampling_started),
    (0x0705, 0x01): ("prepay_snapshots", _prepay_snapshot),
    (0x0705, 0x05): ("credits", _top_ups),
    (0x0705, 0x06): ("debt_payments", _debt_payments),
}
"""By cluster and command: the name under which entries are listed, and what reads them."""


def read_reply(component: Component, payload: bytes, values: dict[str, object]) -> None:
    """Add what a cluster command says, of its clear payload; nothing where its layout is not known.

    :class:`Malformed` when the payload is cut short.
    """
    known = REPLIES.get((component.cluster, component.command))
    if known is None or not component.frame_control & SERVER_TO_CLIENT:
        return
    name, read = known
    reader = Reader(payload)
    found = read(reader)
    reader.finish("the payload of the command")
    listed = values.setdefault(name, [])
    if not isinstance(listed, list):
        raise Malformed(f"{name} is named twice", where=f"cluster {component.cluster:04X}")
    listed += found
