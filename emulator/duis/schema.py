"""Whether a document is valid against the DUIS schema, and if not, why.

lxml (libxml2) decides: it is thirty times faster than xmlschema and takes a firmware image of 10 MB and 50,000 devices in a
fraction of a second. When it says no, :mod:`emulator.duis.schema_explanation` says why, with the declarations that xmlschema
reads from the same files.
"""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxml import etree

from emulator.domain.errors import Malformed, Refusal
from emulator.duis.schema_explanation import Explanation, Fault, element_path, explain_fault
from emulator.duis.schema_files import SchemaFiles, schema_parser

if TYPE_CHECKING:
    from emulator.duis.schema_declarations import Declarations

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n"

_NOT_CHECKABLE = "the document cannot be checked against the schema: it contains an entity reference"


def default_folder() -> Path:
    """Where the project's own schemas lie: beside the package in a checkout, inside it when installed from a wheel."""
    packaged = Path(__file__).resolve().parent.parent / "_xsd"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "xsd"


class SchemaSet:
    """The schemas of one folder: the project's own, or any other set for the same interface, such as the published files.

    Safe to use from several threads. Raises :class:`Malformed` where the folder holds no schema for the interface, and on
    first use where what it holds does not compile.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or default_folder()).resolve()
        self._files = SchemaFiles.read(self.folder)
        self._compiling = threading.Lock()
        self._diagnosing = threading.Lock()
        self._reading = threading.Lock()
        self._verdict: etree.XMLSchema | None = None
        self._diagnosis: etree.XMLSchema | None = None
        self.declarations: Declarations | None = None
        """What the schema declares, once :meth:`warm` or a first fault has had it read."""

    def validate(self, root: etree._Element, *, explain: bool = True) -> Refusal | None:
        """None for a valid document, else the refusal ``http.400``. The document is one that ``parse_document`` has bounded.

        With ``explain=False`` the refusal says no more than that, at the cost of the verdict alone.
        """
        try:
            valid = self._decide()(root)
        except etree.XMLSchemaValidateError:
            # libxml2 gives up on an entity reference that the parser left in the tree
            return Refusal("http.400", _NOT_CHECKABLE)
        if valid:
            return self._stray_in_base64(root)
        if not explain:
            return Refusal("http.400", "the document is not valid against the DUIS schema")
        explanation = self.explain(root)
        return Refusal("http.400", explanation.detail, where=explanation.where, expected=explanation.expected)

    def explain(self, root: etree._Element) -> Explanation:
        """The first fault of an invalid document in words.

        Reads the declarations first if nobody has (0.3 s for the project's own schemas, twice to five times that for the
        published ones). While another thread is reading them, libxml2's own words are used instead of waiting.
        """
        if self._reading.acquire(blocking=False):
            try:
                self._read_declarations()
            finally:
                self._reading.release()
        with self._diagnosing:
            if self._diagnosis is None:
                self._diagnosis = self._compile()
            try:
                self._diagnosis(root)
            except etree.XMLSchemaValidateError:
                return Explanation(_NOT_CHECKABLE, "", "")
            log: Any = self._diagnosis.error_log
            entry = next(iter(log), None)
        if entry is None:
            return Explanation("the document is valid", "", "")
        return explain_fault(Fault.read(root, entry), self.declarations)

    def warm(self) -> None:
        """Compile and read everything now, so that no later call has to."""
        self._decide()
        with self._reading:
            self._read_declarations()

    def _decide(self) -> etree.XMLSchema:
        if self._verdict is None:
            with self._compiling:
                if self._verdict is None:
                    self._verdict = self._compile()
        return self._verdict

    def _compile(self) -> etree.XMLSchema:
        """A compiled schema. The one that diagnoses is not the one that decides: lxml keeps one error log for each."""
        parser = schema_parser()
        parser.resolvers.add(_InMemory(self._files.documents))
        start = self._files.start.as_uri()
        try:
            return etree.XMLSchema(etree.fromstring(self._files.documents[start], parser, base_url=start))
        except etree.XMLSchemaParseError as error:
            raise Malformed(f"the schema does not compile: {error}", where=self._files.start.name) from None

    def _read_declarations(self) -> None:
        if self.declarations is None:
            from emulator.duis.schema_declarations import Declarations

            self.declarations = Declarations(self._files)

    def _stray_in_base64(self, root: etree._Element) -> Refusal | None:
        """libxml2 passes over foreign characters in base64; the type does not allow them, and no decoder should have to guess."""
        tags = self._files.base64_tags
        for element in root.iter():  # to name all of them to lxml takes longer than to ask each element of the usual document
            if element.tag not in tags:
                continue
            for text in (element.text, *(child.tail for child in element)):
                if text and (stray := text.encode().translate(None, _BASE64)):
                    return Refusal(
                        "http.400",
                        f"{etree.QName(element).localname} contains {stray.decode()[0]!r}",
                        where=element_path(element),
                        expected="base64: letters, digits, +, / and = at the end",
                    )
        return None


class _InMemory(etree.Resolver):
    """Hands libxml2 the linked documents: it cannot itself follow a location with spaces, as the published files have."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        super().__init__()
        self._documents = documents

    def resolve(self, system_url: str, public_id: str, context: object) -> object:  # type: ignore[override] # the stubs forget context
        found = self._documents.get(system_url)
        return None if found is None else self.resolve_string(found, context, base_url=system_url)
