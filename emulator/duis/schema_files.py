"""The files of a schema folder, read once: where to start, what links to what, which elements hold base64."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from lxml import etree

from emulator.domain.errors import Malformed
from emulator.duis.namespaces import SERVICE_USER_GATEWAY

_XS_NAMESPACE = "http://www.w3.org/2001/XMLSchema"
_XS = f"{{{_XS_NAMESPACE}}}"
_LINKS = (f"{_XS}import", f"{_XS}include", f"{_XS}redefine")


@dataclass(frozen=True, slots=True)
class SchemaFiles:
    """A folder of schema documents for the interface."""

    start: Path
    """The document that declares ``Request`` in the DUIS namespace, whatever the file is called."""
    documents: dict[str, bytes]
    """Every document by the URI of its file, its links made absolute."""
    base64_tags: frozenset[str]
    """Tags of the elements whose text is base64 wherever they are declared."""

    @classmethod
    def read(cls, folder: Path) -> "SchemaFiles":
        """Read every ``.xsd`` file; raise :class:`Malformed` unless exactly one of them declares ``Request``.

        A link to a file that is not there under its name is followed by namespace, so that files may be renamed.
        """
        roots: dict[Path, etree._Element] = {}
        for file in sorted(folder.glob("*.xsd")):
            try:
                roots[file] = etree.parse(str(file), schema_parser()).getroot()
            except (etree.XMLSyntaxError, OSError) as error:
                raise Malformed(f"not readable as XML: {error}", where=file.name) from None
        starts = [file for file, root in roots.items() if _declares_request(root)]
        if len(starts) != 1:
            names = ", ".join(file.name for file in starts) or "none"
            raise Malformed(
                f"{folder} must hold one schema that declares Request, and holds {names}",
                where="schema folder",
                expected=f"an .xsd file for namespace {SERVICE_USER_GATEWAY}",
            )
        for root in roots.values():
            for link in root.iter(*_LINKS):
                target = _linked(link, roots)
                if target is not None:
                    link.set("schemaLocation", target.as_uri())
        # the element, not the tree: a DOCTYPE, as W3C's signature schema has one, stays behind
        documents = {file.as_uri(): etree.tostring(root) for file, root in roots.items()}
        return cls(starts[0], documents, _base64_tags(list(roots.values())))


def schema_parser() -> etree.XMLParser:
    """A parser for schema documents: nothing fetched, nothing expanded."""
    return etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False, remove_comments=True)


def _declares_request(root: etree._Element) -> bool:
    return root.get("targetNamespace") == SERVICE_USER_GATEWAY and root.find(f"{_XS}element[@name='Request']") is not None


def _linked(link: etree._Element, roots: dict[Path, etree._Element]) -> Path | None:
    name = re.split(r"[/\\]", unquote(link.get("schemaLocation", "")))[-1]
    for file in roots:
        if file.name == name:
            return file
    namespace = link.get("namespace")
    if namespace is None:
        return None
    return next((file for file, root in roots.items() if root.get("targetNamespace") == namespace), None)


def _base64_tags(roots: list[etree._Element]) -> frozenset[str]:
    named = {
        f"{{{root.get('targetNamespace')}}}{kind.get('name')}": kind
        for root in roots
        for kind in root.iterchildren(f"{_XS}simpleType", f"{_XS}complexType")
    }

    def is_base64(kind: etree._Element | None, reference: str) -> bool:
        while reference != f"{_XS}base64Binary":
            kind = named.get(reference) if reference else kind
            step = None if kind is None else next(kind.iter(f"{_XS}restriction", f"{_XS}extension"), None)
            if step is None:
                return False
            reference = _resolve(step, step.get("base"))
        return True

    held: dict[str, bool] = {}
    for root in roots:
        for element in root.iter(f"{_XS}element"):
            if element.get("name"):
                tag = f"{{{root.get('targetNamespace')}}}{element.get('name')}"
                held[tag] = held.get(tag, True) and is_base64(element, _resolve(element, element.get("type")))
    return frozenset(tag for tag, base64 in held.items() if base64)


def _resolve(element: etree._Element, name: str | None) -> str:
    """A prefixed name in an attribute of a schema document, as ``{namespace}local``; empty for none."""
    if not name:
        return ""
    prefix, _, local = name.rpartition(":")
    return f"{{{element.nsmap.get(prefix or None)}}}{local}"
