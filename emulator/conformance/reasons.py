"""Why a message is not as the published one, where that follows from the test set itself.

A Command differs rightly where its request asks for something else, as the requests of failing cases do that have none of their
own. That is proved, not assumed: values of the request are exchanged for those that the published message carries until ours
equals it, and the reason names them. What cannot be proved so stays unexplained.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from emulator.conformance.cases import Case, octets_in, read_request
from emulator.conformance.compare import DIFFERENT, SAME_SHAPE, Verdict
from emulator.conformance.keys import FolderKeys
from emulator.conformance.produce import ANY, unsigned
from emulator.domain.datetimes import format_datetime, parse_datetime_ms
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.dsp.commands import body_parameters
from emulator.gbcs import times
from emulator.gbcs.commands import CommandView, read_command
from emulator.gbcs.dlms import Data, Tag, decode_access_response
from emulator.gbcs.gbz import DEFAULT_RESPONSE, READ_ATTRIBUTES_RESPONSE, SUCCESS, Component, decode_components, decode_records
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.messagecodes import MESSAGE_NAMES
from emulator.gbcs.usecases import Format, by_code, rows_of
from emulator.gbcs.zcl_fields import command_layout, payload_nodes

MOST_TRIES = 6_000
"""Requests that are tried for one message; ours."""

MOST_PLACES, MOST_SAMPLES, DAY_MS = 5, 20_000, 86_400_000

CERTIFICATE_CHARACTERS = 200
"""A base64 text from this length on is a certificate; ours."""

WORDS = ("true", "false", "Enable", "Disable")
"""What a word of a request may be exchanged for."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT.*", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(\\.\d+)?", re.ASCII)
_HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)

Place = tuple[str | int, ...]
"""Names of elements and places in lists, down to a value of the body."""

Change = tuple[Place, str | None]
"""What a value is exchanged for; None: it is left out."""


def with_reasons(
    verdicts: Sequence[Verdict], cases: Sequence[Case], keys: FolderKeys, published: Mapping[str, Mapping[str, Path]]
) -> list[Verdict]:
    """The verdicts, with a reason where a difference follows from the test set, or from what a case is."""
    by_name = {case.case: case for case in cases}
    found: dict[tuple[str, bytes], str] = {}
    told = []
    for each in verdicts:
        reason = ""
        case, path = by_name.get(each.case), published.get(each.case, {}).get(each.kind)
        if case is not None and path is not None and each.verdict in (SAME_SHAPE, DIFFERENT):
            if each.kind in ("PRECOMMAND", "COMMAND"):
                wanted = replace(decode_message(octets_in(path)), signature=None, mac=None)
                key = case.case, wanted.encode()
                found[key] = reason = found[key] if key in found else _of_command(case, wanted, keys)
            elif each.verdict == DIFFERENT and case.fails:
                reason = _of_failure(each, path)
        told.append(replace(each, reason=reason) if reason else each)
    return told


def why_no_request(case: str, path: Path) -> str:
    """Why no Service Request asks for a case, by one of its messages."""
    try:
        message = decode_message(octets_in(path))
    except Malformed as error:
        return str(error)
    name = MESSAGE_NAMES.get(message.message_code, f"{message.message_code:04X}")
    if message.cra is Cra.ALERT:
        return f"{name} is an alert that a device sends of itself"
    rows = rows_of(message.message_code)
    return (
        f"no Service Request asks for {name} of {format_eui(message.originator)}" if rows else f"{name} has no row in the table"
    )


def _of_command(case: Case, wanted: GbcsMessage, keys: FolderKeys) -> str:
    request = read_request(Path(case.request))
    whose = Path(case.request).stem.upper().removesuffix("_REQUEST_DUIS")
    told = "" if whose == case.case.upper() else f"the request is that of {whose}"
    role = keys.role(parse_eui(case.user))
    ours = unsigned(case, request.service_reference_variant, body_parameters(request.body), role)[1]
    if ours.message_code != wanted.message_code:
        other = MESSAGE_NAMES.get(wanted.message_code, f"{wanted.message_code:04X}")
        return f"the message is one of {other}, which {request.service_reference_variant} does not ask of this device"
    changes = _Search(case, request.service_reference_variant, role, wanted).find(body_parameters(request.body))
    if changes:
        listed = "; ".join(_worded(path, text) for path, text in changes[:4])
        more = f" and {len(changes) - 4} more" if len(changes) > 4 else ""
        told = f"{told}: " if told else "the request asks for something else: "
        return f"{told}ours is identical with {listed}{more}"
    return told


def _worded(path: Place, text: str | None) -> str:
    name = ".".join(str(part) for part in path)
    if text is None:
        return f"no {name}"
    return f"another certificate in {name}" if len(text) >= CERTIFICATE_CHARACTERS else f"{name} = {text}"


class _Search:
    """Exchanges values of a request until its Command is the wanted one."""

    def __init__(self, case: Case, variant: str, role: RemotePartyRole | None, wanted: GbcsMessage) -> None:
        self._case, self._variant, self._role = case, variant, role
        self._octets = wanted.encode()
        said = set(_values(wanted))
        self._offered = said | set(_ends(said))
        self._tries = MOST_TRIES

    def find(self, body: Mapping[str, object]) -> list[Change]:
        """The exchanges, in the order of their finding; none where they do not lead there."""
        return self._walk(body, thorough=True) or self._walk(body, thorough=False)

    def _walk(self, body: Mapping[str, object], *, thorough: bool) -> list[Change]:
        """Step by step nearer: ``thorough`` takes the best of all steps, else the first that helps."""
        changes: dict[Place, str | None] = {}
        self._tries = MOST_TRIES
        left = self._distance(body)
        while left:
            step = self._step(body, left, thorough)
            if step is None:
                return []
            change, body, left = step
            changes[change[0]] = change[1]
        return list(changes.items())

    def _step(self, body: Mapping[str, object], left: int, thorough: bool) -> tuple[Change, Mapping[str, object], int] | None:
        """An exchange that brings ours nearer, if any does."""
        best: tuple[Change, Mapping[str, object], int] | None = None
        for path, text in _leaves(body):
            for offered in (*self._fitting(text), None):
                if self._tries <= 0:
                    return best
                other = _exchanged(body, path, offered)
                distance = self._distance(other)
                if distance < (left if best is None else best[2]):
                    best = (path, offered), other, distance
                    if not thorough:
                        return best
        return best

    def _fitting(self, text: str) -> Iterator[str]:
        """What stands in the published message and may stand in place of this text."""
        kind = _kind(text)
        for other in sorted(self._offered):
            if other != text and _kind(other) == kind:
                yield other
                if "." in text and other.isdecimal():
                    yield from (str(Decimal(other).scaleb(-places)) for places in range(1, MOST_PLACES + 1))
        if text in WORDS:
            yield from (word for word in WORDS if word != text)

    def _distance(self, body: Mapping[str, object]) -> int:
        """How far the Command of a body is from the wanted one; the farthest where there is none."""
        self._tries -= 1
        try:
            made = unsigned(self._case, self._variant, body, self._role)[1]
        except ANY:
            return 8 * len(self._octets) + 1
        return _apart(replace(made, signature=None).encode(), self._octets)


def _apart(mine: bytes, theirs: bytes) -> int:
    """Bits from the first difference to the last; 0 for equal octets."""
    if len(mine) == len(theirs):
        unlike = int.from_bytes(mine, "big") ^ int.from_bytes(theirs, "big")
        return unlike.bit_length() - (unlike & -unlike).bit_length() + 1 if unlike else 0
    most = min(len(mine), len(theirs))
    begin = next((n for n in range(most) if mine[n] != theirs[n]), most)
    end = next((n for n in range(most - begin) if mine[-1 - n] != theirs[-1 - n]), most - begin)
    return 8 * (max(len(mine), len(theirs)) - begin - end)


def _kind(text: str) -> str:
    if _TIME.fullmatch(text):
        return "time"
    if _NUMBER.fullmatch(text):
        return "number"
    if len(text) >= CERTIFICATE_CHARACTERS:
        return "certificate"
    if re.fullmatch(r"(?:[0-9A-F]{2}-){7}[0-9A-F]{2}", text):
        return "device"
    return "octets" if _HEXADECIMAL.fullmatch(text) else "text"


def _leaves(value: object, path: Place = ()) -> Iterator[tuple[Place, str]]:
    """Every value of a body with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(part, (*path, name))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _leaves(part, (*path, place))


def _exchanged(body: Mapping[str, object], path: Place, text: str | None) -> dict[str, object]:
    """A body in which one value is another, or is left out."""

    def changed(value: object, rest: Place) -> object:
        if not rest:
            return text
        if isinstance(value, list):
            parts = [changed(part, rest[1:]) if place == rest[0] else part for place, part in enumerate(value)]
            return [part for part in parts if part is not None]
        assert isinstance(value, Mapping)
        found = {name: changed(part, rest[1:]) if name == rest[0] else part for name, part in value.items()}
        return {name: part for name, part in found.items() if part is not None}

    made = changed(body, path)
    assert isinstance(made, dict)
    return made


def _ends(said: set[str]) -> Iterator[str]:
    """Ends of periods whose start is said, with how many days or half hours they have."""
    starts = [parse_datetime_ms(text) for text in said if _kind(text) == "time"]
    counts = [int(text) for text in said if text.isdecimal() and 0 < int(text) <= MOST_SAMPLES]
    for start in starts:
        for step in (DAY_MS, DAY_MS // 48):
            yield from (format_datetime(start + (count - 1) * step) for count in counts)


def _values(message: GbcsMessage) -> Iterator[str]:
    """What a Command carries, in the forms in which a request says it."""
    behind = message.supplementary
    if behind is not None and behind.certificate is not None:
        yield base64.b64encode(behind.certificate).decode()
    try:
        view = read_command(message)
    except Malformed:
        return
    if view is not None:
        for value in _carried(view):
            yield from _said(value)


def _carried(view: CommandView) -> Iterator[object]:
    for access in view.accesses:
        yield from _within(access.data)
        yield from _within(access.selection)
    for component in view.components:
        yield component.from_time
        layout = command_layout(component.cluster, component.frame_control, component.command)
        if layout is not None and component.frame_control & 0x03:
            yield from _nodes(payload_nodes(layout, component.payload, 0))
    yield from _plain(view.values)


def _within(data: Data) -> Iterator[object]:
    if data.tag in (Tag.STRUCTURE, Tag.ARRAY):
        for item in data.items:
            yield from _within(item)
    else:
        yield data.value


def _nodes(nodes: object) -> Iterator[object]:
    for node in nodes if isinstance(nodes, list) else []:
        yield node.get("value")
        yield from _nodes(node.get("fields"))


def _plain(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _plain(part)
    elif isinstance(value, list):
        for part in value:
            yield from _plain(part)
    else:
        yield value


def _said(value: object) -> Iterator[str]:
    if isinstance(value, bytes):
        yield value.hex()
        yield base64.b64encode(value).decode()
        if value.isascii() and value.decode("ascii").isprintable():
            yield value.decode("ascii")
        if len(value) == 8:
            yield format_eui(Eui64(int.from_bytes(value, "big")))
        if len(value) == 12:
            yield from _moment(value)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int):
        yield str(value)
        if 0 < value < 1 << 64:
            yield format_eui(Eui64(value))
        if times.ZCL_CANCEL_PUBLISH <= value <= times.ZCL_CANCEL:
            yield format_datetime(times.DUIS_CANCEL)
        elif 0 < value < 1 << 32:
            yield format_datetime(times.ZCL_EPOCH_MS + value * 1000)
        elif times.ZCL_EPOCH_MS < value < times.CANCEL:
            yield format_datetime(value)
        elif value == times.CANCEL:
            yield format_datetime(times.DUIS_CANCEL)


def _moment(octets: bytes) -> Iterator[str]:
    try:
        at_ms = times.read_cosem(octets)
    except Malformed:
        return
    if at_ms is not None:
        yield format_datetime(times.DUIS_CANCEL if at_ms == times.CANCEL else at_ms)


def _of_failure(verdict: Verdict, path: Path) -> str:
    """A failing device may fail at any part of a Command: both answers say that a part was not done."""
    message = decode_message(octets_in(path))
    if verdict.where and _fails(message):
        return f"which part fails, and how, is the device's: {verdict.where}"
    return ""


def _fails(message: GbcsMessage) -> bool:
    use_case = by_code(message.message_code)
    if use_case is None or message.cra is not Cra.RESPONSE:
        return False
    if use_case.format is Format.DLMS:
        return any(item.code for item in decode_access_response(message.content).items)
    if use_case.format is Format.GBZ:
        return any(_part_fails(part) for part in decode_components(message.content))
    return True


def _part_fails(part: Component) -> bool:
    if part.encrypted:
        return True  # what it says cannot be seen here
    if part.frame_control & 0x03:
        return False
    if part.command == DEFAULT_RESPONSE:
        return part.payload[1:] != bytes((SUCCESS,))
    return part.command == READ_ATTRIBUTES_RESPONSE and any(record.status for record in decode_records(part.payload))
