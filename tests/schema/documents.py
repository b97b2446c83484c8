"""Documents made from a schema's own declarations: one default document, and every document one step away from it.

A step is another branch of a choice, an absent or repeated element, or a value at, over or beside a facet. Walking two schemas
for the same interface shows what either takes and the other does not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from lxml import etree
from xmlschema.validators import XsdAnyElement, XsdElement, XsdGroup

from emulator.duis.namespaces import SERVICE_USER_GATEWAY

XS = "{http://www.w3.org/2001/XMLSchema}"
DS = "http://www.w3.org/2000/09/xmldsig#"

EUI = "00-DB-12-34-56-78-90-A0"
MESSAGE_ID = f"90-B3-D5-1F-30-01-00-00:{EUI}:1"
EXAMPLES = (EUI, MESSAGE_ID, f"{EUI},{EUI}", "01234567890123456789", "0123", "Abc")

WHOLE_NUMBERS = {
    "integer", "nonNegativeInteger", "positiveInteger", "nonPositiveInteger",
    "int", "short", "byte", "unsignedLong", "unsignedInt", "unsignedShort",
}  # fmt: skip

VALUES = {
    "boolean": ("true", "false", "1", "0", "TRUE", " true ", "2"),
    "dateTime": (
        "2026-01-31T09:30:00Z", "2024-02-29T12:00:00.123+01:00", "2023-02-29T12:00:00Z", "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z", "2024-01-01T00:00:00", "2024-01-01", "2024-01-01T00:00Z", "2024-13-01T00:00:00Z",
        "3000-12-31T00:00:00Z", "2024-01-01T00:00:00+14:00", "2024-01-01T00:00:00+14:01", " 2024-01-01T00:00:00Z\n",
    ),
    "date": ("2026-01-31", "2026-01-31Z", "2026-02-30", "2026-1-31", "2026-01-31T00:00:00Z", " 2026-01-31 "),
    "time": ("09:30:00Z", "09:30:00", "24:00:00", "24:00:01", "9:30:00", "09:30", "09:30:00.5+01:00"),
    "base64Binary": ("AAEC", "AA==", "AA", "A===", "AAE C", "*AAA", "AAECAA=="),
    "hexBinary": ("8F66", "8f67", "8F6", "8G66", "8F 66", "8F68"),
    "decimal": ("5.4", "5", "+5.40", ".5", "5.", "-1", "5,4", "1e3", "five", " 5.4 "),
    "anyURI": ("", "http://www.w3.org/2001/10/xml-exc-c14n#", "a b"),
    "ID": ("a", "1"),
    "string": ("A", "A B", " A", "A\tB"),
    "token": ("A", "A B", " A"),
}  # fmt: skip

COMMON = ("", " ", "x", "0", "-1", "1", "00", "1.0", "é")


@dataclass(frozen=True, slots=True)
class Node:
    """An element that is not yet one."""

    tag: str
    text: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple["Node", ...] = ()

    def element(self, parent: etree._Element | None = None) -> etree._Element:
        nsmap = {"sr": SERVICE_USER_GATEWAY}
        made = etree.Element(self.tag, nsmap=nsmap) if parent is None else etree.SubElement(parent, self.tag)
        for name, value in self.attributes:
            made.set(name, value)
        if self.text:
            made.text = self.text
        for child in self.children:
            child.element(made)
        return made


Nodes = tuple[Node, ...]


def _gather(simple: Any) -> tuple[dict[str, Any], str]:
    facets: dict[str, Any] = {}
    while not str(simple.name).startswith(XS):
        for name, facet in simple.facets.items():
            facets.setdefault(name.removeprefix(XS), facet)
        simple = simple.base_type
    return facets, simple.local_name


def values(simple: Any) -> list[str]:
    """Values to try for a simple type: the first is valid, the others at, over or beside its limits."""
    facets, builtin = _gather(simple)
    found: list[str] = []
    if "enumeration" in facets:
        listed = [str(value) for value in facets["enumeration"].enumeration]
        first = listed[0]
        found = [*listed, first.lower(), first.upper(), f" {first}", f"{first} ", f"{first}\n", first * 2, first[:-1]]
    elif "pattern" in facets:
        found = _beside_pattern(simple, facets)
    elif builtin in WHOLE_NUMBERS or (builtin == "decimal" and facets):
        found = _beside_number(simple, facets)
    elif {"length", "minLength", "maxLength"} & facets.keys():
        found = _beside_length(builtin, facets)
    found = list(dict.fromkeys((*found, *VALUES.get(builtin, ()), *COMMON)))
    assert simple.is_valid(found[0]), (simple, found[0])
    return found


def _beside_pattern(simple: Any, facets: dict[str, Any]) -> list[str]:
    default = next(example for example in EXAMPLES if simple.is_valid(example))
    found = [
        default, default.lower(), default[:-1], default + default[-1], default + " ", " " + default, default + "\n", default * 2,
        default.replace("-", ""), default.replace("-", ":"), default.replace("A", "G"), default[::-1], default + ",",
        f"{default},{default}", f"{default}, {default}", f"{default},,{default}", f",{default}", "٠١٢٣",
    ]  # fmt: skip
    if ":" in default:
        eui = f"{EUI}:{EUI}"
        counters = (0, 9, 10, 2**63, 18446744073709551609, 2**64 - 1, 2**64, 10**20, 19446744073709551615)
        found += [f"{eui}:{counter}" for counter in counters]
        found += [f"{eui}:01", f"{eui}:", f"{eui}:-1", f"{eui}:+1", f"{EUI}:1", f"{eui}:{EUI}:1"]
        text = str(2**64 - 1)
        found += [f"{eui}:{text[:at]}{int(text[at]) + 1}{text[at + 1 :]}" for at in range(20) if text[at] != "9"]
    if "maxLength" in facets:
        longest = facets["maxLength"].value
        if longest > 1_000_000:
            found += [",".join([EUI] * 50_000), ",".join([EUI] * 50_001)]
        else:
            found += [unit * (longest + step) for unit in "A0" for step in (-1, 0, 1)]
    return found


def _beside_number(simple: Any, facets: dict[str, Any]) -> list[str]:
    bounds = [simple.min_value, simple.max_value] + [facets[name].value for name in facets if name.endswith(("clusive",))]
    bounds = [bound for bound in bounds if bound is not None]
    if "totalDigits" in facets:
        bounds.append(10 ** facets["totalDigits"].value - 1)
    found = [f"{bound + step}" for bound in bounds for step in (0, -1, 1)]
    if "fractionDigits" in facets:
        digits = facets["fractionDigits"].value
        found += [f"{bound}.{'0' * digits}" for bound in bounds if "." not in str(bound)]
        found += [f"2.{'0' * (digits - 1)}1", f"2.{'0' * digits}1", f"2.{'1' * (digits + 1)}", "1.6", "1.9", "2", "0.6"]
    good = next(value for value in (*found, "1", "2", "100") if simple.is_valid(value))
    return [good, *found, f"+{good}", f" {good} ", f"{good}.0", f"0{good}", "", "1 1", str(2**64), str(-(2**63)), "12x"]


def _beside_length(builtin: str, facets: dict[str, Any]) -> list[str]:
    lengths = {facets[name].value for name in ("length", "minLength", "maxLength") if name in facets}
    unit = {"hexBinary": "0a", "base64Binary": ""}.get(builtin, "A")
    if builtin == "base64Binary":
        return ["AAEC"]
    low = facets["length" if "length" in facets else "minLength"].value if {"length", "minLength"} & facets.keys() else 1
    found = [unit * low] + [unit * (length + step) for length in sorted(lengths) for step in (0, -1, 1)]
    return [*found, " " * max(lengths), "é" * max(lengths), unit * low + " "]


class Walk:
    """Visits the declarations of one schema, leaving out elements that the other does not cover."""

    def __init__(self, without: Iterable[str] = ()) -> None:
        self._without = frozenset(without)

    def documents(self, declared: XsdElement, *, every: int = 1) -> Iterator[etree._Element]:
        """The default document of a global element, then those a step away from it. ``every`` thins them out."""
        for (node,) in islice(self._elements(declared), 0, None, every):
            yield node.element()

    def _default(self, declared: XsdElement) -> Node:
        kind = declared.type
        attributes = tuple(
            (name, values(attribute.type)[0]) for name, attribute in declared.attributes.items() if attribute.use == "required"
        )
        if kind.simple_type is not None:
            return Node(declared.name, values(kind.simple_type)[0], attributes)
        return Node(declared.name, "", attributes, self._default_content(kind.content))

    def _default_content(self, particle: Any) -> Nodes:
        if isinstance(particle, XsdAnyElement):
            return ()
        if isinstance(particle, XsdElement):
            return (self._default(particle),) * max(1, particle.min_occurs)
        items = self._items(particle)
        if not items:
            return ()
        chosen = items[:1] if particle.model == "choice" else items
        return tuple(node for item in chosen for node in self._default_content(item))

    def _elements(self, declared: XsdElement) -> Iterator[tuple[Node]]:
        """One element: default first, then with one deviation inside."""
        default = self._default(declared)
        yield (default,)
        yield (replace(default, attributes=()),)
        yield (replace(default, attributes=(*default.attributes, ("unknown", "1"))),)
        for name, attribute in declared.attributes.items():
            others = tuple(pair for pair in default.attributes if pair[0] != name)
            for value in values(attribute.type):
                yield (replace(default, attributes=(*others, (name, value))),)
        kind = declared.type
        if kind.simple_type is not None:
            for value in values(kind.simple_type)[1:]:
                yield (replace(default, text=value),)
            yield (replace(default, children=(Node(f"{{{SERVICE_USER_GATEWAY}}}Unknown"),)),)
            return
        for text in (" ", "x"):
            yield (replace(default, text=text),)
        for children in self._content(kind.content):
            yield (replace(default, children=children),)

    def _content(self, particle: Any) -> Iterator[Nodes]:
        """What may stand for a particle, each one step from its default."""
        if isinstance(particle, XsdAnyElement):
            yield (Node("{urn:other}Other"),)
            yield (Node(f"{{{DS}}}KeyName", "x"),)
            yield (Node(f"{{{SERVICE_USER_GATEWAY}}}RequestID", "x"),)
            return
        if isinstance(particle, XsdElement):
            default = self._default(particle)
            counts = {0, 1, 2, particle.min_occurs, particle.max_occurs or 3, (particle.max_occurs or 3) + 1}
            yield from ((default,) * count for count in sorted(counts))
            yield from self._elements(particle)
            return
        items = self._items(particle)
        if particle.model == "choice":
            yield ()
            for item in items:
                yield from self._content(item)
            for item in items[1:3]:
                yield (*self._default_content(items[0]), *self._default_content(item))
            return
        defaults = [self._default_content(item) for item in items]
        if particle.min_occurs != 1:
            yield ()
        for at, item in enumerate(items):
            before = tuple(node for nodes in defaults[:at] for node in nodes)
            after = tuple(node for nodes in defaults[at + 1 :] for node in nodes)
            for middle in self._content(item):
                yield (*before, *middle, *after)

    def _items(self, group: XsdGroup) -> list[Any]:
        return [item for item in group if not (isinstance(item, XsdElement) and item.local_name in self._without)]
