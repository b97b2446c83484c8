"""Names of COSEM attributes, of what is inside their values, and of the fields of ASN.1 payloads, for people.

A name comes from the use-case table where a row reads or sets the attribute, else from its class (``data/cosem.toml``). Nothing
here decodes: nodes of :mod:`emulator.gbcs.dissect` get other names.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from cryptography import x509

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.gbcs import asn1, times
from emulator.gbcs.dlms import Attribute, Operation
from emulator.gbcs.templates import Template
from emulator.gbcs.usecases import GbzItem, all_use_cases

Node = dict[str, Any]
"""As in :mod:`emulator.gbcs.dissect`."""

_PARAMETER = re.compile(r"(?<![\w.'])([A-Z][A-Za-z0-9]*(?:\.[A-Z][A-Za-z0-9]*)*)\??(?![\w.(])|'([A-Z]\w*(?:\.[A-Z]\w*)+)'")
"""A parameter of an expression: a path of DUIS element names, also as the text that ``member`` takes."""

_DATED = "ExecutionDateTime"


@dataclass(frozen=True, slots=True)
class CosemClass:
    """What a class is called, with its attributes and methods by number."""

    name: str
    attributes: Mapping[int, str]
    methods: Mapping[int, str]
    templates: Mapping[int, Template]
    """Of values, by attribute."""
    parameters: Mapping[int, Template]
    """Of what methods take."""
    answers: Mapping[int, Template]
    """Of what methods answer."""


@cache
def _classes() -> Mapping[int, CosemClass]:
    raw = tomllib.loads(resources.files("emulator.gbcs").joinpath("data/cosem.toml").read_text("utf-8"))
    return {int(number): _read_class(row) for number, row in raw["classes"].items()}


@cache
def _objects() -> Mapping[str, Template]:
    """Names inside single objects, by attribute."""
    raw = tomllib.loads(resources.files("emulator.gbcs").joinpath("data/cosem.toml").read_text("utf-8"))
    return {attribute: _template(source) for attribute, source in raw["objects"].items()}


def _read_class(row: Mapping[str, Any]) -> CosemClass:
    names = ({int(index): name for index, name in row.get(kind, {}).items()} for kind in ("attributes", "methods"))
    templates = (
        {int(index): _template(part) for index, part in row.get(kind, {}).items()}
        for kind in ("templates", "parameters", "answers")
    )
    return CosemClass(row["name"], *names, *templates)


def _template(source: object) -> Template:
    """As :func:`emulator.gbcs.templates.make_template`, with the further forms of :func:`_said` and ``=name`` for a structure."""
    return tuple(_template(part) for part in source) if isinstance(source, list) else str(source)


@dataclass(frozen=True, slots=True)
class _Known:
    name: str = ""
    template: Template = ()


@cache
def _from_rows() -> Mapping[tuple[bool, str], _Known]:
    """What the rows of the use-case table call attributes, reads before sets, by whether it is a method."""
    found: dict[tuple[bool, str], _Known] = {}
    for item in _items():
        result = item.get("result")
        for operation in ("get", "get_selective", "set", "action"):
            if operation not in item:
                continue
            name, key = "", (operation == "action", item[operation])
            if operation in ("get", "get_selective") and result is not None:
                name, template = _named(result)
                if key not in found or not found[key].template:
                    found[key] = _Known(name or found.get(key, _Known()).name, template)
            else:
                name = _parameter(str(item.get("value", "")))
            if key not in found and name:
                found[key] = _Known(name)
        for attribute, template in zip(item.get("protected", ()), item.get("result", ()), strict=False):
            name, made = _named(template)
            found.setdefault((False, attribute), _Known(name, made))
    return found


def _items() -> Iterator[Mapping[str, Any]]:
    folder = resources.files("emulator.gbcs").joinpath("data/usecases")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            for row in tomllib.loads(file.read_text("utf-8")).get("use_case", ()):
                yield from (item for item in row.get("request", ()) if row["format"] == "dlms")


def _named(result: object) -> tuple[str, Template]:
    template = _template(result)
    if isinstance(template, str):
        return template.partition(":")[0].strip("-"), template
    first = template[0] if template and isinstance(template[0], str) else ""
    return (first[1:] if first.startswith("*") else ""), template


def _parameter(text: str) -> str:
    paths = [first or second for first, second in _PARAMETER.findall(text)]
    paths = [path for path in paths if path != _DATED and not path.isupper()]
    return paths[0].rpartition(".")[2] if len(paths) == 1 else ""


def attribute_name(attribute: Attribute, operation: Operation) -> str:
    """What an access is about: the name that a row gives, and class and attribute or method in words."""
    method = operation is Operation.ACTION
    known = _from_rows().get((method, str(attribute)))
    kind = _classes().get(attribute.class_id)
    inner = "" if kind is None else (kind.methods if method else kind.attributes).get(attribute.index, "")
    told = "" if kind is None else f"{kind.name}, {inner}" if inner else kind.name
    return " – ".join(part for part in (known.name if known else "", told) if part)


@cache
def zcl_attributes() -> Mapping[tuple[int, int], str]:
    """What the rows of the use-case table call ZCL attributes, by cluster and attribute."""
    return {
        (item.cluster, attribute): name
        for row in all_use_cases()
        for item in row.request
        if isinstance(item, GbzItem)
        for attribute, template in zip(item.attributes, item.result, strict=True)
        if (name := template.partition(":")[0].strip("-"))
    }


SELECTION: Template = _template(
    [["=column", "class", "object:obis", "attribute", "data_index"], "from:time", "to:time", ["*columns", "column"]]
)
"""The names inside the selection of entries of a log (gbcs.md 6)."""


def value_template(attribute: Attribute, operation: Operation, *, answer: bool) -> Template:
    """The names inside the data of an access or of its answer; empty where nothing is known."""
    kind = _classes().get(attribute.class_id)
    if operation is Operation.ACTION:
        return () if kind is None else (kind.answers if answer else kind.parameters).get(attribute.index, ())
    known = _from_rows().get((False, str(attribute)), _Known())
    own = _objects().get(str(attribute), ())
    if own and isinstance(known.template, tuple):
        return own
    inner = own or (() if kind is None else kind.templates.get(attribute.index, ()))
    if not known.template or (isinstance(known.template, tuple) and known.template):
        return known.template or inner
    name = str(known.template).partition(":")[0]
    return (f"={name}", *inner) if isinstance(inner, tuple) and inner and name.strip("-") else known.template


def name_nodes(node: Node, template: Template) -> Node:
    """The node with the names of a template on it and on what is inside."""
    if isinstance(template, str):
        name, _, form = template.partition(":")
        if name.strip("-"):
            node["name"] = name
        meaning = _said(node.get("value"), form)
        if meaning is not None:
            node["meaning"] = meaning
        return node
    fields = node.get("fields", [])
    if template and isinstance(template[0], str) and template[0].startswith("="):
        return name_nodes(node, template[1:]) | {"name": template[0][1:]}
    if template and isinstance(template[0], str) and template[0].startswith("*"):
        inner, name = template[1:], template[0][1:]
        node["name"] = name
        for number, field in enumerate(fields, start=1):
            field |= name_nodes(field, inner[0] if len(inner) == 1 and not field.get("fields") else inner)
            field["name"] = f"{name} {number}"
        return node
    if template and template[0] == "|":
        template = next((part for part in template[1:] if isinstance(part, tuple) and len(part) == len(fields)), ())
    for field, part in zip(fields, template, strict=False):
        field |= name_nodes(field, part)
    return node


def _said(value: object, form: str) -> str | None:
    """What a value means, by the form that its name has."""
    if form == "time" and isinstance(value, int):
        return times.as_text(times.read_utc_time(value))
    if not isinstance(value, str):
        return None
    try:
        raw = bytes.fromhex(value)
    except ValueError:
        return None
    if form == "eui" and len(raw) == 8:
        return format_eui(int.from_bytes(raw, "big"))
    if form == "obis" and len(raw) == 6:
        return f"{raw[0]}-{raw[1]}:{raw[2]}.{raw[3]}.{raw[4]}.{raw[5]}"
    if form == "date" and len(raw) == 5:
        year = int.from_bytes(raw[:2], "big")
        return "-".join(("*" if year == 0xFFFF else str(year), *("*" if part >= 0xFD else f"{part:02}" for part in raw[2:4])))
    if form == "clock" and len(raw) == 4:
        return ":".join("*" if part == 0xFF else f"{part:02}" for part in raw[:3])
    if form == "time" and len(raw) == 12:
        return times.as_text(times.read_cosem(raw))
    if form == "text" and raw.isascii() and raw.decode("ascii").isprintable():
        return raw.decode("ascii")
    return None


def protection() -> Template:
    """The names inside what comes before encrypted data: with whom and how a key was agreed."""
    answer = _classes()[30].answers[1]
    return answer[0] if isinstance(answer, tuple) else ()


def name_element(node: Node, element: asn1.Element, shape: asn1.Shape) -> Node:
    """The node of a DER element with the names of its shape; what does not fit the shape keeps its names."""
    match shape:
        case asn1.Named(name=name, shape=inner):
            return name_element(node, element, inner) | {"name": name}
        case asn1.Choice(options=options):
            option = next((each for each in options if element.tag in each.tags), None)
            return node if option is None else name_element(node, element, option)
        case asn1.OrNull(shape=inner):
            return node if inner is None or element.tag not in inner.tags else name_element(node, element, inner)
        case asn1.Tagged(shape=inner):
            return name_element(node, element, inner)
        case asn1.SequenceOf(item=item):
            for number, (field, child) in enumerate(zip(node.get("fields", []), element.children, strict=False), start=1):
                field |= name_element(field, child, item) | {"name": f"item {number}"}
        case asn1.Certificate():
            _show_certificate(node, element.raw)
        case asn1.Sequence(fields=fields):
            pairs = list(zip(node.get("fields", []), element.children, strict=False))
            for member in fields:
                if pairs and pairs[0][1].tag in member.shape.tags:
                    inner_node, child = pairs.pop(0)
                    inner_node |= name_element(inner_node, child, member.shape) | {"name": member.name}
        case asn1.Time():
            _say_time(node, element)
        case _:
            pass
    return node


def _show_certificate(node: Node, der: bytes) -> None:
    """A certificate or a request for one by what it says, in place of its DER elements; one that cannot be read keeps them."""
    for read in (_certificate_says, _request_says):
        try:
            node["fields"] = [{"name": name, "value": value} for name, value in read(der).items()]
        except (ValueError, TypeError, x509.InvalidVersion):  # names are read late, and wrong ones raise any of these
            continue
        return


def _certificate_says(der: bytes) -> dict[str, str]:
    certificate = x509.load_der_x509_certificate(der)
    return {
        "serial": f"{certificate.serial_number:X}",
        "issuer": certificate.issuer.rfc4514_string(),
        "subject": certificate.subject.rfc4514_string(),
        "valid_from": certificate.not_valid_before_utc.isoformat(),
        "valid_to": certificate.not_valid_after_utc.isoformat(),
    }


def _request_says(der: bytes) -> dict[str, str]:
    return {"subject": x509.load_der_x509_csr(der).subject.rfc4514_string()}


def _say_time(node: Node, element: asn1.Element) -> None:
    try:
        node["meaning"] = times.as_text(asn1.Time().decode(element))
    except Malformed:
        return


def condensed(node: Node) -> object:
    """What a node says, without offsets: a mapping of names, a list of like things, or a value with its meaning."""
    if "plaintext" in node:
        plain = node["plaintext"]
        return condensed(plain) if isinstance(plain, dict) else plain
    fields = node.get("fields")
    if fields is None:
        value, meaning = node.get("value"), node.get("meaning")
        return value if meaning is None or meaning == value else f"{value} ({meaning})"
    numbered = re.compile(re.escape(node["name"]) + r" \d+|item \d+")
    if fields and all(numbered.fullmatch(field["name"]) for field in fields):
        return [condensed(field) for field in fields]
    return {field["name"]: condensed(field) for field in fields}
