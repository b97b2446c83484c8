"""The one shape of signature that DUIS has, as a table.

The table makes the pattern that a signature must match in canonical form, octet by octet, and explains one that does not.
What the table does not name does not exist: no Id, no Object, no second Reference, no other algorithm (source: reference
duis/duis.md section 2.1, clients/wire_contract.md section 3.1, measured on the DCC's own tool).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from lxml import etree

from emulator.domain.limits import MAX_ISSUER_CHARACTERS, MAX_SERIAL_DIGITS
from emulator.duis.namespaces import DS, XMLDSIG

EXCLUSIVE_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
ENVELOPED_SIGNATURE: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"

SIGNATURE: Final = f"{DS}Signature"
"""The tag of the signature element."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One element of the signature: its attributes, and either its children or what its text may be."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple["Shape", ...] = ()
    text: str = ""
    """Pattern of the text in canonical form; empty where there is none."""
    expected: str = ""
    """The text in words."""


_BLANK: Final = r"(?:[ \t\n]|&#xD;)*+"
_BASE64: Final = r"(?:[A-Za-z0-9+/= \t\n]|&#xD;){1,400}+"

_REFERENCE: Final = Shape(
    "Reference",
    (("URI", ""),),
    (
        Shape("Transforms", children=(Shape("Transform", (("Algorithm", ENVELOPED_SIGNATURE),)),)),
        Shape("DigestMethod", (("Algorithm", SHA256),)),
        Shape("DigestValue", text=_BASE64, expected="base64 of 32 octets"),
    ),
)
PROFILE: Final = Shape(
    "Signature",
    children=(
        Shape(
            "SignedInfo",
            children=(
                Shape("CanonicalizationMethod", (("Algorithm", EXCLUSIVE_C14N),)),
                Shape("SignatureMethod", (("Algorithm", ECDSA_SHA256),)),
                _REFERENCE,
            ),
        ),
        Shape("SignatureValue", text=_BASE64, expected="base64 of r and s, 64 octets"),
        Shape(
            "KeyInfo",
            children=(
                Shape(
                    "X509Data",
                    children=(
                        Shape(
                            "X509IssuerSerial",
                            children=(
                                Shape(
                                    "X509IssuerName",
                                    text=rf"[^<]{{1,{MAX_ISSUER_CHARACTERS}}}+",
                                    expected="a distinguished name such as CN=Z1,OU=07",
                                ),
                                Shape(
                                    "X509SerialNumber",
                                    text=rf"{_BLANK}[0-9]{{1,{MAX_SERIAL_DIGITS}}}+{_BLANK}",
                                    expected="a decimal number",
                                ),
                            ),
                        ),
                    ),
                ),
            ),
        ),
    ),
)
"""Signature and everything in it."""


class Match(NamedTuple):
    """The parts of a signature that has the shape, as octets of the canonical document."""

    start: int
    """Offset of the signature in the canonical document."""
    end: int
    signed_info: bytes
    """SignedInfo in exclusive canonical form: what was signed."""
    digest: bytes
    value: bytes
    issuer: bytes
    serial: bytes


class Finding(NamedTuple):
    """Where a signature leaves the shape."""

    detail: str
    where: str
    expected: str


def _pattern(shape: Shape) -> str:
    attributes = "".join(f' {name}="{re.escape(value)}"' for name, value in shape.attributes)
    if shape.text:
        content = f"(?P<{shape.name}>{shape.text})"
    else:
        content = _BLANK + "".join(_pattern(child) + _BLANK for child in shape.children)
    element = f"<(?P=prefix){shape.name}{attributes}>{content}</(?P=prefix){shape.name}>"
    return f"(?P<SignedInfo>{element})" if shape.name == "SignedInfo" else element


_DECLARATIONS: Final = r'(?: xmlns(?::[^\s<>="]++)?+="[^"<]*+")*+'
_SIGNATURE: Final = re.compile(
    _pattern(PROFILE)
    .replace("<(?P=prefix)Signature>", rf"<(?P<prefix>(?:[^\s<>/:=\"]++:)?+)Signature{_DECLARATIONS}>", 1)
    .encode()
)
_END: Final = re.compile(rf"{_BLANK}</[^<>]++>".encode())


def match_signature(document: bytes, signature: etree._Element) -> Match | None:
    """Find ``signature``, the last child of its root, at the end of the inclusive canonical form of the whole document.

    None where it has not the shape. One pass over the canonical octets replaces a second canonicalisation: the shape admits
    namespace declarations on Signature only, so SignedInfo in exclusive form is its octets here with the declaration of its
    prefix added.
    """
    prefix = f"{signature.prefix}:".encode() if signature.prefix else b""
    opening = b"<" + prefix + b"SignedInfo>"
    start = document.rfind(b"<", 0, max(document.rfind(opening), 0))
    found = _SIGNATURE.match(document, start) if start >= 0 else None
    if found is None or found["prefix"] != prefix or not _END.fullmatch(document, found.end()):
        return None
    declaration = f' xmlns{":" + signature.prefix if signature.prefix else ""}="{XMLDSIG}">'.encode()
    signed_info = opening[:-1] + declaration + found["SignedInfo"][len(opening) :]
    return Match(
        start, found.end(), signed_info, *found.group("DigestValue", "SignatureValue", "X509IssuerName", "X509SerialNumber")
    )


def explain_shape(signature: etree._Element, where: str) -> Finding:
    """Where ``signature`` first leaves the shape, in document order."""
    found = next(_differences(signature, PROFILE, where), None)
    return found or Finding(
        "the signature mixes prefixes or declares namespaces inside",
        f"{where}/Signature",
        "one prefix, declared on ds:Signature or above it",
    )


def _differences(node: etree._Element, shape: Shape, where: str) -> Iterator[Finding]:
    where = f"{where}/{shape.name}"
    attributes = dict(shape.attributes)
    for name, value in node.items():
        if str(name) not in attributes:
            yield Finding(f"attribute {name!s} is not allowed", where, f"{' and '.join(attributes) or 'no attribute'}")
        elif value != attributes[str(name)]:
            yield Finding(f"{name!s} is {str(value)[:120]!r}", where, repr(attributes[str(name)]))
    for name in attributes:
        if node.get(name) is None:
            yield Finding(f"attribute {name} is missing", where, f'{name}="{attributes[name]}"')
    if shape.text:
        yield from _text_differences(node, shape, where)
        return
    strays = "".join([node.text or "", *((child.tail or "") for child in node)]).strip()
    if strays:
        yield Finding(f"text {strays[:60]!r} between elements", where, "no text")
    wanted = [DS + child.name for child in shape.children]
    for position, child in enumerate(node):
        if position >= len(wanted) or child.tag != wanted[position]:
            expected = shape.children[position].name if position < len(wanted) else "nothing more"
            yield Finding(f"element {str(child.tag)[:120]} is not allowed here", where, expected)
            return
        yield from _differences(child, shape.children[position], where)
    if len(node) < len(wanted):
        yield Finding(f"element {shape.children[len(node)].name} is missing", where, shape.children[len(node)].name)


def _text_differences(node: etree._Element, shape: Shape, where: str) -> Iterator[Finding]:
    if len(node):
        yield Finding(f"element {str(node[0].tag)[:120]} is not allowed here", where, shape.expected)
    text = (node.text or "").replace("\r", "&#xD;")
    if not re.fullmatch(shape.text, text):
        yield Finding(f"{(node.text or '').strip()[:60]!r} cannot be read", where, shape.expected)
