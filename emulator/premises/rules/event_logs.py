"""Rules of logs of what happened, as electricity meters and hubs keep them (ECS35a to ECS35e), and of behaviours on events."""

from collections.abc import Mapping

from emulator.gbcs import dlms
from emulator.gbcs.dlms import Data, Tag, TypeDescription
from emulator.premises import behaviours, event_logs
from emulator.premises.readings import Reading, Rule
from emulator.premises.rules.logs import entries, period_of, timestamp

_TIME, _CODE = TypeDescription(Tag.UINT32), TypeDescription(Tag.UINT16)


def _found(reading: Reading, log: str) -> list[event_logs.Entry]:
    start_ms, end_ms = period_of(reading)
    return event_logs.entries(reading.device, log, start_ms, end_ms)


def _columns(at_ms: int, code: int) -> tuple[Data, Data]:
    return timestamp(at_ms), dlms.number(Tag.UINT16, code)


def _events(reading: Reading) -> Data:
    """Time, event, other information (test messages ECS35a, ECS35c)."""
    rows = ((*_columns(at_ms, code), dlms.octets(more)) for at_ms, code, more in _found(reading, event_logs.EVENT))
    return entries((_TIME, _CODE, TypeDescription(Tag.OCTET_STRING)), rows)


def _security(reading: Reading) -> Data:
    """Time and event (test messages ECS35b, ECS35d)."""
    rows = (_columns(at_ms, code) for at_ms, code, _ in _found(reading, event_logs.SECURITY))
    return entries((_TIME, _CODE), rows)


def _power(reading: Reading) -> Data:
    """Time, event, and a number: for the end of an outage its seconds (test messages ECS35e; its meaning inferred)."""
    rows = (
        (*_columns(at_ms, code), dlms.number(Tag.UINT32, int.from_bytes(more, "big")))
        for at_ms, code, more in _found(reading, event_logs.POWER)
    )
    return entries((_TIME, _CODE, TypeDescription(Tag.UINT32)), rows)


def _behaviour(reading: Reading) -> Data:
    """What the meter does on events, a bit for each (ECS25r1, ECS25r2)."""
    of_party, group = reading.attribute.removesuffix(".255 2").rsplit(".", 1)
    party = next(name for name, start in behaviours.PARTIES.items() if start == of_party)
    kind = behaviours.KINDS[int(group) - behaviours.READ_OFFSET]
    return Data(Tag.BIT_STRING, behaviours.bits_of(reading.device, party, kind))


RULES: Mapping[str, Rule] = {
    "event_log": _events,
    "security_log": _security,
    "power_log": _power,
    "behaviour": _behaviour,
}
