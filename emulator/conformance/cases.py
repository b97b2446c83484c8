"""Which cases a set of test messages holds, with the facts that a request cannot carry.

A fact is what the DCC or the home knows: who is asked and what kind of device it is, its GBCS version, the counters of the DCC's
parties, the time, for a join the other device, and for a log to be restored what was in it. Nothing else of an expected message
is noted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import product, takewhile
from pathlib import Path

from lxml import etree

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, TRANSITIONAL_COS, Eui64, format_eui
from emulator.domain.vocabulary import DeviceType
from emulator.dsp.commands import body_parameters
from emulator.duis.decode import decode_request
from emulator.duis.messages import Request
from emulator.gbcs import times
from emulator.gbcs.dlms import Attribute, decode_access_request
from emulator.gbcs.gbz import PROFILE, decode_components
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.shapes import decode_shape
from emulator.gbcs.usecases import Asn1Item, DlmsItem, Originator, rows_of, use_case_for
from emulator.gbcs.zcl_fields import command_layout, payload_nodes

CLUSTER_COMMAND = 0x03
"""Bits of the frame control of a command that is the cluster's own (gbcs.md 7)."""

RESTORE_PAN = Attribute.parse("104 0-0:30.3.0.255 5")
"""The method by which a hub takes over the log of the one that it replaces (usecase_spec.json CCS03)."""

KINDS = ("PRECOMMAND", "COMMAND", "RESPONSE", "ALERT")
SET_TIME = "2015-01-01T00:00:00Z"
"""When the published messages were made (gbcs.md 7), where no Response of the set says a time."""

_NAME = re.compile(r"(?P<case>.+?)_(?P<kind>PRECOMMAND|COMMAND|RESPONSE|ALERT)(?P<rest>.*?)(?:_GBCS)?", re.ASCII)
_ALERT = re.compile(r"(?P<begin>[^_]+_[^_]+)_(?:8[0-9A-F]{3}|NA)(?P<end>(?:_.+)?)", re.ASCII)
"""What the case of an alert has in its name beside that of the Command from which it follows: the alert code, or NA."""

DEVICE_DIGITS: Mapping[int, DeviceType] = {
    0xA0: DeviceType.ESME, 0xA1: DeviceType.GSME, 0xA2: DeviceType.CHF, 0xA3: DeviceType.GPF, 0xA4: DeviceType.PPMID,
    0xA5: DeviceType.HCALCS, 0xA6: DeviceType.ESME,
}  # fmt: skip
"""Last octet of the test devices (gbcs.md 11); others by the use case."""


@dataclass(slots=True)
class Case:
    """One case: names are EUIs in DUIS form, counters decimal."""

    case: str
    request: str
    originator: str
    device: str
    device_type: str
    gbcs_version: str
    esme_variant: str
    user: str
    user_counter: int
    acb_counter: int
    device_counter: int
    """Counter of the device's own for the first alert, or for data encrypted for someone unknown to it; 0 where neither is."""
    current_utc: str
    home: dict[str, object] = field(default_factory=dict)
    """What else the home knows, as :func:`emulator.gbcs.commands.command_content` has it, octets in hexadecimal: of a join
    ``other_device_type`` and ``other_device_certificate``; of a log to be restored ``devices``, for a hub with ``han_id``."""

    @property
    def fails(self) -> bool:
        """Whether its name says that the device cannot do what is asked."""
        return "ERROR" in self.case

    @property
    def finds_nothing(self) -> bool:
        """Whether its name says that the device has nothing of what is asked for."""
        return "NOT_FOUND" in self.case

    @property
    def clock_unreliable(self) -> bool:
        """Whether its name says that the device's clock is not to be relied on."""
        return "UNRELIABLE" in self.case


def command_case(case: str) -> str:
    """The case of the Command from which the alert of a case follows; any other case itself."""
    found = _ALERT.fullmatch(case)
    return case if found is None else found["begin"] + found["end"]


def messages_in(folder: Path) -> dict[str, dict[str, Path]]:
    """Case → kind → file, of the messages at any depth; further Alerts of a case have their number in the kind."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.rglob("*")):
        matched = _NAME.fullmatch(path.stem) if path.suffix.upper() == ".HEX" else None
        if matched is not None:
            kinds = found.setdefault(matched["case"], {})
            kinds[matched["kind"] + matched["rest"]] = path
    return found


def octets_in(path: Path) -> bytes:
    """The octets of a file of hexadecimal text; :class:`Malformed` when it is none."""
    try:
        return bytes.fromhex("".join(path.read_text("ascii").split()).removeprefix("0x"))
    except ValueError:
        raise Malformed("the file does not hold hexadecimal text", where=str(path)) from None


def read_request(path: Path) -> Request:
    """The request in a file."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        return decode_request(etree.fromstring(path.read_bytes(), parser))
    except etree.XMLSyntaxError as error:
        raise Malformed(f"the request is not XML: {error}", where=str(path)) from None


def request_for(case: str, templates: Mapping[str, Path]) -> Path | None:
    """The request of a case: of its own name, else of its successful sibling.

    A name is made of words. Where several successful cases of the variant could be meant, it is the one that begins with the most
    words of this case, and of these the plainest: the one with the shortest name.
    """
    if case in templates:
        return templates[case]
    sibling = re.sub(r"(ERROR|NOT_FOUND).*$", "SUCCESS", case)
    if sibling == case or sibling in templates:
        return templates.get(sibling)
    words = case.split("_")

    def likeness(name: str) -> tuple[int, int, str]:
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(words, name.split("_"), strict=False)))
        return -shared, len(name), name

    likely = [name for name in templates if name.split("_")[:2] == words[:2] and "SUCCESS" in name]
    return templates[min(likely, key=likeness)] if likely else None


@dataclass(slots=True)
class Listing:
    """What a set of test messages comes to."""

    cases: list[Case] = field(default_factory=list)
    no_request: list[str] = field(default_factory=list)
    """Cases that no request asks for."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Case → why its files say nothing."""


def list_cases(messages: Path, requests: Path) -> Listing:
    """The cases that have a request, and the names of those that have none.

    Alerts belong to the case of the Command from which they follow, also where that Command is not published.
    """
    templates = {
        re.sub(r"_REQUEST(_DUIS)?$", "", path.stem): path for path in sorted(requests.rglob("*")) if path.suffix.upper() == ".XML"
    }
    published = messages_in(messages)
    found, by_case = Listing(), _by_command(published, templates)
    types = _types_of(by_case.values())
    now = _time_of(published) or SET_TIME
    for name, kinds in by_case.items():
        request = request_for(name, templates)
        if request is None:
            found.no_request.append(name)
            continue
        try:
            found.cases.append(_case(name, request, kinds, types, now))
        except Malformed as error:
            found.unreadable[name] = str(error)
    return found


def _by_command(published: Mapping[str, Mapping[str, Path]], templates: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """The messages by the case of their Command: alerts beside those of the Command, where there is one or a request for one."""
    found: dict[str, dict[str, Path]] = {}
    for name, kinds in published.items():
        behind = command_case(name)
        alerts_only = all(kind.startswith("ALERT") for kind in kinds)
        known = "COMMAND" in published.get(behind, {}) or behind in templates
        own = found.setdefault(behind if alerts_only and known else name, {})
        for kind, path in kinds.items():
            own[kind if kind not in own else f"{kind} of {name}"] = path
    return found


def as_document(listing: Listing) -> dict[str, object]:
    """What ``cases.json`` holds."""
    return {
        "cases": [asdict(case) for case in listing.cases], "no_request": listing.no_request, "unreadable": listing.unreadable,
    }  # fmt: skip


def from_document(document: Mapping[str, object]) -> list[Case]:
    """The cases of a ``cases.json``; :class:`Malformed` when it is none."""
    try:
        listed = document["cases"]
        assert isinstance(listed, list)
        return [Case(**entry) for entry in listed]
    except (KeyError, TypeError, AssertionError):
        raise Malformed("the file is no list of conformance cases", expected="what `conformance cases` writes") from None


def _time_of(published: Mapping[str, Mapping[str, Path]]) -> str:
    said: Counter[str] = Counter()
    for kinds in published.values():
        if "RESPONSE" in kinds:
            try:
                message = decode_message(octets_in(kinds["RESPONSE"]))
            except Malformed:
                continue  # it is named where its case is made
            if message.date_time:
                said[times.as_text(times.read_cosem(message.date_time))] += 1
    return said.most_common(1)[0][0] if said else ""


def _time_in(command: GbcsMessage) -> str:
    """The time at which a GBZ Command was made, where it says so: events and messages are numbered by it (gbcs.md 7)."""
    if command.content[:2] != PROFILE:
        return ""
    try:
        for component in decode_components(command.content):
            layout = command_layout(component.cluster, component.frame_control, component.command)
            own = component.frame_control & CLUSTER_COMMAND
            nodes = payload_nodes(layout, component.payload, 0) if layout is not None and own else []
            said = next((node["value"] for node in nodes if node["name"] in ("event", "message")), 0)
            if said:
                return times.as_text(times.read_utc_time(said))
    except Malformed:
        return ""  # the content is looked at where it is compared
    return ""


def _case(name: str, path: Path, kinds: Mapping[str, Path], types: Mapping[int, list[DeviceType]], now: str) -> Case:
    request = read_request(path)
    command = _command_of(kinds, request)
    by_dcc = command.originator in (ACCESS_CONTROL_BROKER, TRANSITIONAL_COS)
    behind = command.supplementary
    home = dict(_home(command)) if "COMMAND" in kinds else {}
    device_type, version, variant = _device(command, request, name, home, types.get(command.recipient, []))
    return Case(
        case=name, request=str(path), originator=format_eui(command.originator), device=format_eui(command.recipient),
        device_type=device_type, gbcs_version=version, esme_variant=variant,
        user=format_eui(behind.party if behind else request.request_id.originator if by_dcc else command.originator),
        user_counter=(behind.counter or 0) if behind else request.request_id.counter if by_dcc else command.counter,
        acb_counter=command.counter if by_dcc else 0, device_counter=_device_counter(kinds),
        current_utc=_time_in(command) or _time_of({name: kinds}) or now, home=home,
    )  # fmt: skip


def _command_of(kinds: Mapping[str, Path], request: Request) -> GbcsMessage:
    """The Command, or as much of it as other messages of the case say: parties and counter."""
    for kind in ("COMMAND", "PRECOMMAND"):
        if kind in kinds:
            return decode_message(octets_in(kinds[kind]))
    answer = decode_message(octets_in(kinds.get("RESPONSE") or next(iter(kinds.values()))))
    counter = answer.counter if answer.cra is Cra.RESPONSE else request.request_id.counter
    return replace(
        answer, cra=Cra.COMMAND, originator=answer.recipient, recipient=answer.originator, counter=counter, content=b"",
        message_code=answer.message_code if answer.cra is Cra.RESPONSE else 0,
        supplementary=answer.supplementary if answer.cra is Cra.RESPONSE else None,
    )  # fmt: skip


def _device_counter(kinds: Mapping[str, Path]) -> int:
    counters = [decode_message(octets_in(path)).counter for kind, path in kinds.items() if kind.startswith("ALERT")]
    if "RESPONSE" in kinds:
        behind = decode_message(octets_in(kinds["RESPONSE"])).supplementary
        if behind is not None and behind.originator_counter is not None:
            counters.append(behind.originator_counter)
    return min(counters, default=0)


def _home(command: GbcsMessage) -> Iterator[tuple[str, object]]:
    row = next(iter(rows_of(command.message_code)), None)
    item = row.request[0] if row is not None and row.request else None
    if isinstance(item, DlmsItem) and item.attribute == RESTORE_PAN:
        (access,) = decode_access_request(command.content).items
        han_id, devices = access.data.items
        yield "han_id", han_id.octets.hex()
        yield (
            "devices",
            [
                {"device": format_eui(Eui64(int.from_bytes(device.octets))), "link_key_hash": link_key_hash.octets.hex()}
                for device, link_key_hash in (each.items for each in devices.items)
            ],
        )
    if not isinstance(item, Asn1Item) or item.shape not in ("join", "restore_log"):
        return
    said = decode_shape(item.shape, command.content)
    if item.shape == "restore_log":
        logged = said["devices"]
        assert isinstance(logged, list)
        yield "devices", [{**entry, "device": format_eui(entry["device"])} for entry in logged]
        return
    kinds = {0: "GSME", 1: "ESME", 2: "CHF", 3: "GPF", 4: "HCALCS", 5: "PPMID"}
    yield "other_device_type", kinds.get(int(str(said["other_device_type"])), "IHD")
    certificate = said["certificate"]
    if isinstance(certificate, bytes):
        yield "other_device_certificate", certificate.hex()


def _types_of(cases: Iterable[Mapping[str, Path]]) -> dict[int, list[DeviceType]]:
    """EUI of each device → the types that take all Commands that it is sent, the likeliest first."""
    found: dict[int, set[DeviceType]] = {}
    for kinds in cases:
        try:
            command = decode_message(octets_in(kinds["COMMAND"])) if "COMMAND" in kinds else None
        except Malformed:
            continue  # it is named where its case is made
        takers = {kind for row in rows_of(command.message_code) for kind in row.device_types} if command else set()
        if command is not None and takers:
            found[command.recipient] = found.get(command.recipient, takers) & takers or takers
    digits = {eui: DEVICE_DIGITS.get(eui & 0xFF) for eui in found}
    order = list(DeviceType)
    return {eui: sorted(types, key=lambda kind: (kind is not digits[eui], order.index(kind))) for eui, types in found.items()}


def _device(
    command: GbcsMessage, request: Request, name: str, home: Mapping[str, object], types: list[DeviceType]
) -> tuple[str, str, str]:
    """Type, GBCS version and variant: the first for which the table has a message of this code by such an originator."""
    digit = DEVICE_DIGITS.get(command.recipient & 0xFF)
    types = types or ([digit] if digit else [DeviceType.ESME])
    body = body_parameters(request.body)
    variants = ("B",) if "TWIN" in name else ("C",) if any(part.startswith("PolyPhase") for part in body) else ("A", "C")
    by_dcc = command.originator in (ACCESS_CONTROL_BROKER, TRANSITIONAL_COS)
    fitting = []
    for device_type, version, variant in product(types, ("4.2", "3.2"), variants):
        facts = {**body, **home, "esme_variant": variant}
        row = use_case_for(request.service_reference_variant, device_type, facts, gbcs_version=version)
        if row is not None and command.message_code in (row.code, 0):
            fitting.append(((row.originator is Originator.USER) == by_dcc, device_type, version, variant))
    if not fitting:
        return types[0].value, "4.2", variants[0]
    _, device_type, version, variant = min(fitting, key=lambda each: each[0])
    return device_type.value, version, variant
