"""Octets of a peer to an XML tree, and nothing a hostile document could do on the way.

DUIS is UTF-8 XML without document type, entities of its own or processing instructions. What those could do (expansion,
files, attribute defaults that change the document after it was signed) is refused before the parser sees it; the parser is
hardened all the same. Comments are dropped while parsing: one inside a text would otherwise split it, and the half that a
program reads would not be the whole that was signed (source: reference perf.md section 1, security traps, tested).
"""

import re
from itertools import chain
from typing import Final

from lxml import etree

from emulator.domain.errors import Malformed
from emulator.domain.limits import (
    HUGE_BODY_BYTES,
    MAX_ATTRIBUTES,
    MAX_BODY_BYTES,
    MAX_ELEMENT_DEPTH,
    MAX_ELEMENTS,
    MAX_NAMESPACE_PREFIXES,
)

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_OTHER_BYTE_ORDER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_DECLARATION: Final = re.compile(
    rb"""<\?xml\s+version\s*=\s*(["'])1\.0\1"""
    rb"""(?:\s+encoding\s*=\s*(["'])(?P<encoding>[A-Za-z][\w.\-]{0,39})\2)?"""
    rb"""(?:\s+standalone\s*=\s*(["'])(?:yes|no)\4)?\s*\?>""",
    re.ASCII,
)
_PREFIX: Final = re.compile(rb"xmlns:([^\s=]+)")
_TOO_DEEP: Final = etree.XPath("/*" * (MAX_ELEMENT_DEPTH + 1))


def _parser(*, huge: bool) -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        remove_comments=True,
        collect_ids=False,
        huge_tree=huge,
    )


_PARSER: Final = _parser(huge=False)
_HUGE_PARSER: Final = _parser(huge=True)


def parse_document(data: bytes) -> etree._Element:
    """The root element of one XML document; comments are gone, everything else is as it was sent.

    Raise :class:`Malformed`, with line and column where there is one, for what is not well-formed UTF-8 XML or exceeds a bound
    of :mod:`emulator.domain.limits`.
    """
    huge = len(data) > HUGE_BODY_BYTES
    _check_size(data)
    declared = _check_encoding(data)
    _check_markup(data)
    try:
        root = etree.fromstring(data, _HUGE_PARSER if huge else _PARSER)
    except etree.XMLSyntaxError as error:
        raise _not_well_formed(error, data) from None
    if _TOO_DEEP(root):
        raise Malformed("elements are nested too deeply", expected=f"at most {MAX_ELEMENT_DEPTH} levels")
    if data.count(b"<?") > declared:
        _refuse_processing_instructions(root)
    return root


def _check_size(data: bytes) -> None:
    if not data or data.isspace():
        raise Malformed("the body is empty", expected="an XML document")
    if len(data) > MAX_BODY_BYTES:
        raise Malformed(f"the body has {len(data):,} octets", expected=f"at most {MAX_BODY_BYTES:,}")


def _check_encoding(data: bytes) -> bool:
    """Refuse what is not UTF-8 by its own words; octets that are not UTF-8 are found by the parser.

    True when the document begins with an XML declaration.
    """
    if data.startswith(_OTHER_BYTE_ORDER_MARKS) or b"\x00" in data[:2]:
        raise Malformed("the document is not encoded in UTF-8", where="line 1, column 1", expected="UTF-8")
    start = len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0
    if not data.startswith(b"<?xml", start) or data[start + 5 : start + 6] not in b" \t\r\n":
        return False
    declaration = _DECLARATION.match(data, start)
    if declaration is None:
        raise Malformed(
            "the XML declaration cannot be read",
            where="line 1, column 1",
            expected='<?xml version="1.0" encoding="UTF-8"?>',
        )
    encoding = declaration["encoding"]
    if encoding is not None and encoding.upper() != b"UTF-8":
        raise Malformed(f"the document is encoded in {encoding.decode()}", where="line 1, column 1", expected="UTF-8")
    return True


def _check_markup(data: bytes) -> None:
    """Refuse by counting what would cost the parser or the canonicaliser too much, and document types wherever they stand."""
    if b"<!DOCTYPE" in data:
        before = data[: data.index(b"<!DOCTYPE")]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise Malformed(
            "the document has a document type declaration",
            where=f"line {line}, column {column}",
            expected="XML without DOCTYPE",
        )
    if len(data) > 4 * MAX_ELEMENTS and data.count(b"<") - data.count(b"</") > MAX_ELEMENTS:  # <a/> is the shortest
        raise Malformed("the document has too many elements", expected=f"at most {MAX_ELEMENTS:,}")
    if len(data) > 5 * MAX_ATTRIBUTES and data.count(b"=") > MAX_ATTRIBUTES:  # a="" and a space
        raise Malformed("the document has too many attributes", expected=f"at most {MAX_ATTRIBUTES:,}")
    if data.count(b"xmlns:") > MAX_NAMESPACE_PREFIXES and len(set(_PREFIX.findall(data))) > MAX_NAMESPACE_PREFIXES:
        raise Malformed("the document has too many namespace prefixes", expected=f"at most {MAX_NAMESPACE_PREFIXES}")


def _refuse_processing_instructions(root: etree._Element) -> None:
    """The octets ``<?`` stand in the document, perhaps only in a comment: look at the tree."""
    nodes = chain(root.itersiblings(preceding=True), root.iter(etree.PI), root.itersiblings())
    found = next((node for node in nodes if isinstance(node, etree._ProcessingInstruction)), None)
    if found is not None:
        raise Malformed(
            "the document has a processing instruction",
            where=f"line {found.sourceline}",
            expected="XML without processing instructions",
        )


def _not_well_formed(error: etree.XMLSyntaxError, data: bytes) -> Malformed:
    message = str(error.msg).partition("\n")[0]
    line, column = error.position
    where = f"line {line}, column {column}"
    reason = message.removesuffix(f", {where}")
    if reason.startswith(("Start tag expected", "Document is empty")):
        return Malformed("the body is not XML", where=where, expected="an XML document")
    if reason.startswith("Excessive depth"):
        return Malformed("elements are nested too deeply", where=where, expected=f"at most {MAX_ELEMENT_DEPTH} levels")
    open_end = not data.rstrip().endswith(b">") and not reason.startswith("Extra content")
    if open_end or reason.startswith("Premature end of data"):
        return Malformed(f"the document is cut off: {reason}", where=where, expected="a whole XML document")
    return Malformed(f"not well-formed: {reason}", where=where, expected="a well-formed XML document")
