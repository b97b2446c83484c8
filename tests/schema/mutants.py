"""Documents one blow away from a given one: an element dropped, doubled, moved, renamed or misplaced, or its content changed."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import islice

from lxml import etree

from emulator.duis.namespaces import SERVICE_USER_GATEWAY

XSI = "http://www.w3.org/2001/XMLSchema-instance"

ATTRIBUTES = (
    ("unknown", "1"),
    (f"{{{XSI}}}nil", "true"),
    (f"{{{XSI}}}type", "xs:string"),
    (f"{{{XSI}}}schemaLocation", f"{SERVICE_USER_GATEWAY} elsewhere.xsd"),
    ("{http://www.w3.org/XML/1998/namespace}lang", "en"),
    ("{urn:other}a", "b"),
    ("Id", "a"),
    ("schemaVersion", "5.4"),
)
"""Set on every element in turn; ``schemaVersion`` is allowed on the document element only."""

TEXTS: tuple[Callable[[str], str], ...] = (
    lambda text: "",
    lambda text: " ",
    lambda text: f" {text} ",
    lambda text: f"{text}\n",
    lambda text: text * 2,
    lambda text: text[:-1],
    lambda text: text[1:],
    lambda text: f"{text}0",
    lambda text: f"0{text}",
    lambda text: f"-{text}",
    lambda text: text.upper(),
    lambda text: text.lower(),
    lambda text: text[::-1],
    lambda text: text.replace("-", ""),
    lambda text: text.replace("0", "G"),
    lambda text: text.replace(":", "::"),
    lambda text: f"{text},{text}",
    lambda text: f"{text}é",
    lambda text: "0",
    lambda text: "true",
    lambda text: "99999999999999999999999999",
    lambda text: "A" * 251,
    lambda text: "2026-01-31T09:30:00Z",
    lambda text: "I0",
)


def mutants(document: etree._Element, *, first: int = 0, every: int = 1) -> Iterator[etree._Element]:
    """Each blow on each element, in document order: the same documents in the same order every time. ``every`` thins them out."""
    numbered = enumerate((at, blow) for at, element in enumerate(document.iter(etree.Element)) for blow in _blows(element))
    for number, (at, blow) in numbered:
        if number % every == first % every:
            changed = deepcopy(document)
            blow(next(islice(changed.iter(etree.Element), at, None)))
            yield changed


def _blows(element: etree._Element) -> Iterator[Callable[[etree._Element], None]]:
    if element.getparent() is not None:
        yield _drop
        yield _double
        yield _insert_before
        if element.getprevious() is not None:
            yield _move_up
            yield _move_first
    yield lambda here: setattr(here, "tag", f"{here.tag}X")
    yield lambda here: setattr(here, "tag", etree.QName(here.tag).localname)
    yield lambda here: setattr(here, "tag", f"{{urn:other}}{etree.QName(here.tag).localname}")
    yield lambda here: here.append(etree.Element(f"{{{SERVICE_USER_GATEWAY}}}Unknown"))
    yield lambda here: here.append(deepcopy(here))
    yield lambda here: here.append(etree.Comment("comment"))
    for name, value in ATTRIBUTES:
        yield lambda here, name=name, value=value: here.set(name, value)
    for name in element.attrib:
        yield lambda here, name=name: here.attrib.pop(name)
        for value in ("", "x", "-1", "5.4 ", "٥"):
            yield lambda here, name=name, value=value: here.set(name, value)
    if len(element) == 0:
        for change in TEXTS:
            if (changed := change(element.text or "")) != (element.text or ""):
                yield lambda here, changed=changed: setattr(here, "text", changed)
    else:
        yield lambda here: setattr(here, "text", "x")
        yield lambda here: setattr(here, "text", "\n ")
        yield lambda here: setattr(here[-1], "tail", "x")
        yield _empty


def _parent(element: etree._Element) -> etree._Element:
    parent = element.getparent()
    assert parent is not None
    return parent


def _drop(element: etree._Element) -> None:
    _parent(element).remove(element)


def _double(element: etree._Element) -> None:
    element.addnext(deepcopy(element))


def _insert_before(element: etree._Element) -> None:
    element.addprevious(etree.Element(f"{{{SERVICE_USER_GATEWAY}}}Unknown"))


def _move_up(element: etree._Element) -> None:
    previous = element.getprevious()
    assert previous is not None
    previous.addprevious(element)


def _move_first(element: etree._Element) -> None:
    _parent(element).insert(0, element)


def _empty(element: etree._Element) -> None:
    for child in list(element):
        element.remove(child)
