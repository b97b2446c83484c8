"""Recordings of what users and a DCC said to each other, read and held against each other.

A recording is a transcript (JSON lines of ``dcc-emulator journal --output``) or an HTTP Archive of any origin. Two of them are
aligned by what was asked, of whom and in which order. What differs between any two runs is left aside: counters, instants,
signatures; of GBCS messages the readable values count.
"""

import base64
import binascii
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from lxml import etree

from emulator.domain.errors import Malformed
from emulator.duis.parse import parse_document
from emulator.gbcs.explain import explain

FORM = "JSON lines of `dcc-emulator journal --output FILE`, or an HTTP Archive (.har)"
COUNTER, INSTANT, EMPTY = "(counter)", "(instant)", "(empty)"
_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_IDENTITY = re.compile(r"((?:[0-9A-Fa-f]{2}-){7}[0-9A-Fa-f]{2}:(?:[0-9A-Fa-f]{2}-){7}[0-9A-Fa-f]{2}):\d+")
_SERVICE = re.compile(r"(?:/service|//duis\.invalid/)([A-Z])$")
"""Where an HTTP Archive has requests go: to the services, or to the host that stands for them in archives of our journal."""
_LEFT_ASIDE = re.compile(r"counter|time|date|instant", re.IGNORECASE)
_LEAST_PAYLOAD_CHARACTERS = 40

Values = Mapping[str, str]
"""Paths of elements and what stands there."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange: a request with its answer, or a push."""

    number: int
    """Its place in the recording, from 1."""
    request: bytes
    """XML of the request; empty for a push."""
    answer: bytes
    """XML of the answer or of the message that was pushed; empty when none is known."""
    service: str = ""
    """Web service of a request, such as S."""

    @property
    def is_push(self) -> bool:
        """Whether it is a message to a user."""
        return not self.request

    @property
    def subject(self) -> str:
        """What it is about, without counter: by this two recordings are aligned."""
        values = element_values(self.answer if self.is_push else self.request)
        names = ("RequestID", "ServiceReferenceVariant") if not self.is_push else ("RequestID", "ResponseID", "AlertCode")
        said = [value for path, value in values.items() if path.rpartition("/")[2] in names]
        return f"{'push' if self.is_push else 'request'} {' '.join(said[:2]).replace(':' + COUNTER, '')}"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not the same in two recordings."""

    exchange: str
    where: str
    """Path of an element, or empty where a whole exchange is in one recording only."""
    first: str
    second: str

    def __str__(self) -> str:
        place = f"{self.exchange}, {self.where}" if self.where else self.exchange
        return f"{place}: {self.first or 'nothing'} / {self.second or 'nothing'}"


def read_recording(data: bytes, source: str) -> list[Recorded]:
    """The exchanges of a recording; raise :class:`Malformed` for what is none."""
    try:
        whole: Any = json.loads(data)
    except ValueError:
        whole = None
    try:
        if isinstance(whole, dict) and "log" in whole:
            return _numbered(_of_archive(whole["log"]["entries"]))
        return _numbered(_of_lines([json.loads(line) for line in data.splitlines() if line.strip()]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"no recording: {str(error)[:200]}", where=source, expected=FORM) from None


def _numbered(found: Iterable[tuple[str, str, str]]) -> list[Recorded]:
    return [
        Recorded(number, request.encode(), answer.encode(), service) for number, (request, answer, service) in enumerate(found, 1)
    ]


def _of_lines(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for entry in entries:
        if "request_xml" in entry:
            yield str(entry["request_xml"]), str(entry.get("answer_xml") or ""), str(entry["data"].get("service", ""))
        elif entry["kind"] in ("push.delivered", "push.dead") and entry.get("push_xml"):
            yield "", str(entry["push_xml"]), ""


def _of_archive(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for entry in entries:
        sent = str(entry["request"].get("postData", {}).get("text", ""))
        if entry.get("_kind") == "push.retry" or not sent:
            continue
        service = _SERVICE.search(str(entry["request"]["url"]))
        if service is None:
            yield "", sent, ""
        else:
            yield sent, str(entry["response"].get("content", {}).get("text", "")), service[1]


def element_values(document: bytes) -> Values:
    """What the elements and attributes of a message say, by path, without what differs from run to run."""
    if not document:
        return {}
    try:
        root = parse_document(document)
    except Malformed:
        return {"": document.decode("utf-8", "replace")}
    found: dict[str, str] = {}
    _walk(root, etree.QName(root).localname, found)
    return found


def _walk(node: etree._Element, path: str, found: dict[str, str]) -> None:
    for name, value in node.attrib.items():
        found[f"{path}/@{etree.QName(name).localname}"] = str(value)
    children = [child for child in node.iterchildren("*") if child.tag != _SIGNATURE]
    names = [etree.QName(child).localname for child in children]
    seen: dict[str, int] = defaultdict(int)
    for child, name in zip(children, names, strict=True):
        seen[name] += 1
        _walk(child, f"{path}/{name}[{seen[name]}]" if names.count(name) > 1 else f"{path}/{name}", found)
    if not children:
        _put(path, (node.text or "").strip() or EMPTY, found)


def _put(path: str, text: str, found: dict[str, str]) -> None:
    """A value without counter and instant; a GBCS message as what it says."""
    message = _explained(text) if len(text) >= _LEAST_PAYLOAD_CHARACTERS else None
    if message is None:
        found[path] = _IDENTITY.sub(rf"\1:{COUNTER}", _INSTANT.sub(INSTANT, text))
        return
    found[f"{path}/message code"] = message["message_code"]
    for name, value in _leaves(message["result"], f"{path}/says"):
        found[name] = value


def _explained(text: str) -> dict[str, Any] | None:
    for octets in (_base64, bytes.fromhex):
        try:
            return explain(octets(text))
        except (Malformed, ValueError):
            continue
    return None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if not _LEFT_ASIDE.search(str(name)):
                yield from _leaves(each, f"{path}/{name}")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value, 1):
            yield from _leaves(each, f"{path}[{number}]")
    else:
        yield path, _INSTANT.sub(INSTANT, str(value))


def differences(first: Sequence[Recorded], second: Sequence[Recorded]) -> Iterator[Difference]:
    """What is not the same: requests and answers in their order, then pushes, those about one thing in their order."""
    pairs = (
        (_in_order, [each for each in first if not each.is_push], [each for each in second if not each.is_push]),
        (_by_subject, [each for each in first if each.is_push], [each for each in second if each.is_push]),
    )
    for align, before, after in pairs:
        for one, other in align(before, after):
            yield from _between(one, other)


def _in_order(first: list[Recorded], second: list[Recorded]) -> Iterator[tuple[Recorded | None, Recorded | None]]:
    matcher = SequenceMatcher(None, [each.subject for each in first], [each.subject for each in second], autojunk=False)
    for what, begin, end, other_begin, other_end in matcher.get_opcodes():
        if what == "equal":
            yield from zip(first[begin:end], second[other_begin:other_end], strict=True)
        else:
            yield from ((each, None) for each in first[begin:end])
            yield from ((None, each) for each in second[other_begin:other_end])


def _by_subject(first: list[Recorded], second: list[Recorded]) -> Iterator[tuple[Recorded | None, Recorded | None]]:
    others: dict[str, list[Recorded]] = defaultdict(list)
    for each in second:
        others[each.subject].append(each)
    for each in first:
        same = others[each.subject]
        yield each, same.pop(0) if same else None
    for left in others.values():
        yield from ((None, each) for each in left)


def _between(one: Recorded | None, other: Recorded | None) -> Iterator[Difference]:
    if one is None or other is None:
        there = one or other
        assert there is not None
        said = f"exchange {there.number}"
        yield Difference(there.subject, "", said if one else "", said if other else "")
        return
    for before, after in ((one.request, other.request), (one.answer, other.answer)):
        was, became = element_values(before), element_values(after)
        for path in dict.fromkeys((*was, *became)):
            if was.get(path) != became.get(path):
                yield Difference(f"exchange {one.number}, {one.subject}", path, was.get(path, ""), became.get(path, ""))
