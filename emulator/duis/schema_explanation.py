"""Why a document is not valid, in words a tester understands: which element, which value, what would have been right.

libxml2 says where the first fault is and of what kind; the declarations say what was expected there. Where they are not at hand
(still being read) libxml2's own words stand in.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lxml import etree

from emulator.duis.namespaces import SERVICE_USER_GATEWAY
from emulator.duis.schema_values import first_bad_entry, quote

if TYPE_CHECKING:
    from emulator.duis.schema_declarations import Declarations

_PATH_SHOWN = 300
_NAMES_LISTED = 12

_NAMED_ATTRIBUTE = re.compile(r"[Aa]ttribute '(?:\{[^}]*\})?([^']+)'")
_MESSAGE_START = re.compile(r"^Element '[^']*'(?:, attribute '[^']*')?: (?:\[facet '[^']*'\] )?")
_NAMESPACE = re.compile(r"\{[^}' ]*\}")
_OFFERED = re.compile(r"Expected is (?:one of )?\( (.*?),? ?(\.\.\. )?\)\.")


class Explanation(NamedTuple):
    """One fault: what is wrong, where, and what would have been right (empty where that says nothing more)."""

    detail: str
    where: str
    expected: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What libxml2 reports, with the element it is about."""

    kind: str
    """Name of the violated rule of XML Schema without libxml2's prefix, e.g. ``CVC_PATTERN_VALID``."""
    element: etree._Element
    message: str

    @classmethod
    def read(cls, root: etree._Element, entry: Any) -> "Fault":
        """Take over an entry of lxml's error log for a document."""
        return cls(str(entry.type_name).removeprefix("SCHEMAV_"), _locate(root, str(entry.path or "")), str(entry.message))


def explain_fault(fault: Fault, declarations: "Declarations | None") -> Explanation:
    """Put one fault into words."""
    if fault.kind == "CVC_ELT_1":
        return _wrong_document(fault)
    if fault.kind == "ELEMENT_CONTENT":
        if "Missing child" in fault.message:
            return _missing_child(fault, declarations)
        return _unexpected_child(fault, declarations)
    if fault.kind.startswith("CVC_DATATYPE_VALID") or fault.kind.endswith("_VALID"):
        return _wrong_value(fault, declarations)
    where = element_path(fault.element)
    name = _local(fault.element.tag)
    if fault.kind == "CVC_COMPLEX_TYPE_4":
        attribute = _attribute(fault)
        expected = declarations.value(fault.element, attribute) if declarations and attribute else ""
        return Explanation(f"attribute {attribute} of {name} is missing", where, expected)
    if fault.kind == "CVC_COMPLEX_TYPE_2_1":
        return Explanation(f"{name} is not empty", where, f"<{name}/> with nothing inside, not even white space")
    if fault.kind == "CVC_COMPLEX_TYPE_2_3":
        return Explanation(f"text stands between the elements of {name}: {_stray_text(fault.element)}", where, "elements only")
    if fault.kind in ("CVC_TYPE_3_1_2", "CVC_COMPLEX_TYPE_2_2"):
        expected = declarations.value(fault.element, None) if declarations else ""
        return Explanation(f"{name} contains elements instead of a value", where, expected)
    if fault.kind.startswith(("CVC_COMPLEX_TYPE_3", "CVC_TYPE_3_1_1")):
        return Explanation(f"{name} has an attribute {_attribute(fault)}, which it may not have", where, "")
    return Explanation(_plain(fault.message), where, "")


def _wrong_document(fault: Fault) -> Explanation:
    tag = etree.QName(fault.element.tag)
    expected = f"Request or Response in namespace {SERVICE_USER_GATEWAY}"
    if tag.localname in ("Request", "Response"):
        found = f"namespace {tag.namespace}" if tag.namespace else "no namespace"
        return Explanation(f"the document element {tag.localname} is in {found}", element_path(fault.element), expected)
    return Explanation(
        f"the document element {tag.localname} is not one of this interface", element_path(fault.element), expected
    )


def _missing_child(fault: Fault, declarations: "Declarations | None") -> Explanation:
    present = _children(fault.element)
    possible = _possible(fault, fault.element, present, declarations)
    name = _local(fault.element.tag)
    if len(possible) == 1:
        return Explanation(f"{_local(possible[0])} is missing from {name}", element_path(fault.element), "")
    detail = f"{name} ends too early" if present else f"{name} is empty"
    return Explanation(detail, element_path(fault.element), _one_of(possible))


def _unexpected_child(fault: Fault, declarations: "Declarations | None") -> Explanation:
    child = fault.element
    parent = child.getparent()
    assert parent is not None  # the document element is judged by CVC_ELT_1
    elder = [*child.itersiblings(etree.Element, preceding=True)][::-1]
    possible = _possible(fault, parent, elder, declarations)
    name, holder = _local(child.tag), _local(parent.tag)
    namesake = next((tag for tag in possible if _local(tag) == name), None)
    if namesake is not None:
        found = etree.QName(child.tag).namespace
        detail = f"{name} is in {f'namespace {found}' if found else 'no namespace'}"
        return Explanation(detail, element_path(child), f"namespace {etree.QName(namesake).namespace}")
    if any(sibling.tag == child.tag for sibling in elder):
        detail = f"{name} stands in {holder} more often than it may"
    elif declarations is not None and declarations.knows_child(parent, str(child.tag)):
        detail = f"{name} is not in its place in {holder}, or excluded by what precedes it"
    else:
        detail = f"{name} is not allowed in {holder}"
    return Explanation(detail, element_path(child), _one_of(possible, like=name) if possible else f"the end of {holder}")


def _wrong_value(fault: Fault, declarations: "Declarations | None") -> Explanation:
    where = element_path(fault.element)
    attribute = _attribute(fault) if ", attribute '" in fault.message[:300] else None
    text = (fault.element.get(attribute) if attribute else fault.element.text) or ""
    name = f"attribute {attribute} of {_local(fault.element.tag)}" if attribute else _local(fault.element.tag)
    if declarations is None:
        return Explanation(f"{name}: {_plain(fault.message)}", where, "")
    if fault.kind in ("CVC_MAXLENGTH_VALID", "CVC_MINLENGTH_VALID", "CVC_LENGTH_VALID"):
        length = re.search(r"length of '(\d+)'", fault.message)
        detail = f"{name} has a length of {int(length.group(1)):,}" if length else _plain(fault.message)
        detail += f": {quote(text)}" if len(text) <= 60 else ""
    else:
        detail = f"{name} has the value {quote(text)}" if text else f"{name} has no value"
        if text != text.strip() and fault.kind == "CVC_ENUMERATION_VALID":
            detail += ", in which white space counts"
    if fault.kind == "CVC_PATTERN_VALID" and "," in text:
        detail += first_bad_entry(text)
    return Explanation(detail, where, declarations.value(fault.element, attribute))


def _possible(
    fault: Fault, parent: etree._Element, elder: Sequence[etree._Element], declarations: "Declarations | None"
) -> list[str]:
    """Tags that may come next: all of them from the declarations, else the up to ten that libxml2 names."""
    told = declarations.possible(parent, elder) if declarations else None
    if told is not None:
        return told
    offered = _OFFERED.search(fault.message)
    return offered.group(1).split(", ") if offered else []


def _one_of(tags: Sequence[str], like: str = "") -> str:
    names = [_local(tag) for tag in tags]
    close = difflib.get_close_matches(like, names, n=3, cutoff=0.75) if like else []
    names = close + [name for name in names if name not in close]
    if len(names) <= 1:
        return "".join(names)
    text = "one of " + ", ".join(names[:_NAMES_LISTED])
    return text + (f" … ({len(names)} in all)" if len(names) > _NAMES_LISTED else "")


def _children(element: etree._Element) -> list[etree._Element]:
    return list(element.iterchildren(etree.Element))


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _attribute(fault: Fault) -> str | None:
    found = _NAMED_ATTRIBUTE.search(fault.message)
    return found.group(1) if found else None


def _stray_text(element: etree._Element) -> str:
    texts = [element.text, *(child.tail for child in element)]
    return next((quote(text.strip()) for text in texts if text and text.strip()), "")


def _plain(message: str) -> str:
    text = _NAMESPACE.sub("", _MESSAGE_START.sub("", message)).rstrip(".")
    return text if len(text) <= 300 else text[:300] + "…"


def element_path(element: etree._Element) -> str:
    """Names from the document element down; a position where a parent has several of one name."""
    steps = []
    for here in (element, *element.iterancestors()):
        before = sum(1 for _ in here.itersiblings(here.tag, preceding=True))
        alone = before == 0 and next(here.itersiblings(here.tag), None) is None
        steps.append(_local(here.tag) + ("" if alone else f"[{before + 1}]"))
    path = "/".join(reversed(steps))
    return path if len(path) <= _PATH_SHOWN else f"{path[: _PATH_SHOWN // 2]}…{path[-_PATH_SHOWN // 2 :]}"


def _locate(root: etree._Element, path: str) -> etree._Element:
    """The element at a path as libxml2 writes it: ``/*/*[2]/ds:Signature``, where ``*`` stands for any unprefixed element in a
    namespace. The nearest element above, should a step not be found."""
    here = root
    for step in path.split("/")[2:]:
        written = re.fullmatch(r"(\*|[^\[\]]+)(?:\[(\d+)\])?", step)
        if written is None:
            break
        name, position = written.group(1), int(written.group(2) or 1)
        same = [child for child in _children(here) if name in ("*", _prefixed(child))]
        if len(same) < position:
            break
        here = same[position - 1]
    return here


def _prefixed(element: etree._Element) -> str:
    return f"{element.prefix}:{_local(element.tag)}" if element.prefix else _local(element.tag)
