"""What a schema declares for the elements of a document, as xmlschema reads it.

Importing this module imports xmlschema, which takes longer than validating a thousand requests; it is imported when the first
fault is to be explained, or when the schemas are warmed.
"""

from collections.abc import Iterable, Sequence
from copy import copy

import xmlschema
from lxml import etree
from xmlschema.validators import ModelVisitor, XsdAnyElement, XsdElement, XsdGroup

from emulator.duis.schema_files import SchemaFiles
from emulator.duis.schema_values import describe_type

_SIBLINGS_READ = 1000
"""Beyond so many elder siblings the possible ones come from libxml2 rather than from a walk over the content model."""


class Declarations:
    """What the schema declares for the elements of a document."""

    def __init__(self, files: SchemaFiles) -> None:
        text = files.documents[files.start.as_uri()].decode()
        self._schema = xmlschema.XMLSchema(text, base_url=files.start.parent.as_uri() + "/", allow="local")

    def documents(self) -> list[XsdElement]:
        """Declarations of the elements that may be a document of their own."""
        return list(self._schema.maps.elements.values())

    def of(self, element: etree._Element) -> XsdElement | None:
        """The declaration that governs an element in its place; None where there is none."""
        chain = [element, *element.iterancestors()]
        declared = self._schema.maps.elements.get(str(chain.pop().tag))
        while chain and declared is not None:
            declared = self._child(declared, str(chain.pop().tag))
        return declared

    def _child(self, parent: XsdElement, tag: str) -> XsdElement | None:
        for particle in _particles(parent):
            if isinstance(particle, XsdElement) and particle.name == tag:
                return particle
            if isinstance(particle, XsdAnyElement) and particle.is_matching(tag):
                return self._schema.maps.elements.get(tag)
        return None

    def knows_child(self, parent: etree._Element, tag: str) -> bool:
        """Whether ``tag`` may stand in ``parent`` at all."""
        above = self.of(parent)
        return above is not None and any(particle.name == tag for particle in _particles(above))

    def possible(self, parent: etree._Element, elder: Sequence[etree._Element]) -> list[str] | None:
        """Tags of the elements that may follow the ``elder`` children of ``parent``; None where that cannot be told."""
        above = self.of(parent)
        content = None if above is None else _content_model(above)
        if above is None or content is None or len(elder) > _SIBLINGS_READ:
            return None
        model = ModelVisitor(content)
        if not all(_step(model, str(child.tag)) for child in elder):
            return None
        tags = dict.fromkeys(particle.name for particle in _particles(above) if isinstance(particle, XsdElement))
        return [tag for tag in tags if _step(copy(model), tag)]

    def value(self, element: etree._Element, attribute: str | None) -> str:
        """What the text of an element, or one of its attributes, must be; empty where it is not declared."""
        declared = self.of(element)
        if declared is None:
            return ""
        if attribute is None:
            simple = declared.type.simple_type
            return "" if simple is None else describe_type(simple)
        found = declared.attributes.get(attribute)
        simple = None if found is None else found.type
        return "" if simple is None else describe_type(simple)


def _content_model(declared: XsdElement) -> XsdGroup | None:
    content = getattr(declared.type, "content", None)
    return content if isinstance(content, XsdGroup) else None


def _particles(declared: XsdElement) -> Iterable[XsdElement | XsdAnyElement]:
    content = _content_model(declared)
    return () if content is None else content.iter_elements()


def _step(model: ModelVisitor, tag: str) -> bool:
    """Move a visit of a content model over one child; false where the model does not allow it."""
    while model.element is not None:
        matched = model.match_element(tag) is not None
        violations = list(model.advance(matched))
        if matched or violations:
            return not violations
    return False
