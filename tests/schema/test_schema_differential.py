"""The same verdict as the published schema, document by document.

Three sources of documents: the declarations of both schemas walked through (:mod:`tests.schema.documents`), the published request
templates with our own samples of answers, and mutants of all of them. Nothing published is kept here: the files are read where
``DCC_REFERENCE`` says, and the tests are skipped where they are not.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from emulator.duis.namespaces import DUIS, SERVICE_USER_GATEWAY
from emulator.duis.schema import SchemaSet
from tests.schema.documents import DS, Walk
from tests.schema.mutants import XSI, mutants
from tests.schema.published import DIFFERENCES, LEFT_OUT, Comparison, parse, schema_folder
from tests.schema.sample_requests import REQUESTS
from tests.schema.samples import request, samples

pytestmark = pytest.mark.reference

TEMPLATES = 297
"""Number of published request templates (source: reference duis/duis.md section 0.2)."""

BODIES = 130
"""Number of request bodies: one for each Service Reference Variant, and the Signed Pre-Command (source: section 0.3 there)."""


@pytest.fixture(scope="module")
def ours() -> SchemaSet:
    schema = SchemaSet()
    schema.warm()
    return schema


@pytest.fixture(scope="module")
def published(reference: Path) -> SchemaSet:
    schema = SchemaSet(schema_folder(reference))
    schema.warm()
    return schema


@pytest.fixture
def comparison(ours: SchemaSet, published: SchemaSet) -> Comparison:
    return Comparison(ours, published)


def _bodies(schema: SchemaSet) -> set[str]:
    """Names of the request bodies that a schema declares."""
    assert schema.declarations is not None
    document = etree.Element(f"{{{SERVICE_USER_GATEWAY}}}Request")
    body = etree.SubElement(document, f"{{{SERVICE_USER_GATEWAY}}}Body")
    return {tag.rpartition("}")[2] for tag in schema.declarations.possible(body, []) or ()}


def _templates(reference: Path) -> list[tuple[str, etree._Element]]:
    return [(path.name, parse(path.read_bytes())) for path in sorted((reference / "duis" / "templates").iterdir())]


def _body(document: etree._Element) -> str:
    (body,) = document.iterfind("{*}Body/*")
    return etree.QName(body.tag).localname


def _seeds(reference: Path) -> Iterator[etree._Element]:
    """The templates, then our own samples, a template's signature on some of them."""
    signature = b""
    for _, document in _templates(reference):
        signature = signature or etree.tostring(document.find(f"{{{DS}}}Signature"))
        yield document
    for number, (_, document) in enumerate(samples()):
        if number % 8 == 0:
            document.append(parse(signature))
        yield document


def test_own_samples_are_valid_by_the_published_schema(published: SchemaSet) -> None:
    refused = [f"{name}: {refusal}" for name, document in samples() if (refusal := published.validate(document)) is not None]
    assert refused == []


def test_same_bodies(ours: SchemaSet, published: SchemaSet) -> None:
    assert _bodies(ours) == _bodies(published)
    assert len(_bodies(ours)) == BODIES


def test_templates_are_taken(reference: Path, ours: SchemaSet, published: SchemaSet) -> None:
    templates = _templates(reference)
    assert len(templates) == TEMPLATES
    for schema in (ours, published):
        assert [name for name, document in templates if schema.validate(document, explain=False) is not None] == []
    assert {_body(document) for _, document in templates} | {"SignedPreCommand"} == _bodies(ours)


def test_samples_and_captures_are_taken(reference: Path, ours: SchemaSet) -> None:
    folders = (reference / "duis" / "samples", reference / "duis" / "captures")
    files = [path for folder in folders for path in sorted(folder.glob("*.xml"))]
    refused = [f"{path.name}: {refusal}" for path in files if (refusal := ours.validate(parse(path.read_bytes()))) is not None]
    assert len(files) == 18
    assert refused == []


def _walked(ours: SchemaSet, published: SchemaSet, *, every: int = 1) -> Iterator[etree._Element]:
    walk = Walk(without=LEFT_OUT)
    for schema in (ours, published):
        assert schema.declarations is not None
        for declared in schema.declarations.documents():
            namespace, _, name = str(declared.name)[1:].partition("}")
            if namespace in (SERVICE_USER_GATEWAY, DS) and name not in LEFT_OUT:
                yield from walk.documents(declared, every=every)


def test_walk_through_both_schemas(comparison: Comparison) -> None:
    """Every fifteenth document; all of them in :func:`test_whole_walk_through_both_schemas`."""
    for document in _walked(comparison.ours, comparison.published, every=15):
        comparison.judge(document)
    assert comparison.unexplained == []
    assert comparison.judged > 6_000
    assert comparison.valid > 2_000


@pytest.mark.verify
def test_whole_walk_through_both_schemas(comparison: Comparison) -> None:
    seen: dict[bool, set[tuple[str, str]]] = {False: set(), True: set()}
    for document in _walked(comparison.ours, comparison.published):
        before = comparison.valid
        comparison.judge(document)
        seen[comparison.valid > before] |= {
            (str(parent.tag), str(element.tag)) for parent in document.iter(f"{DUIS}*") for element in parent
        }
    only_refused = {pair for pair in seen[False] - seen[True] if not pair[1].endswith("}Unknown")}
    assert only_refused == set(), "these stand in no valid document, so their own faults are hidden"
    assert comparison.unexplained == []
    assert comparison.judged > 100_000
    assert comparison.valid > 30_000


def test_mutants(reference: Path, comparison: Comparison) -> None:
    """Every 97th mutant; a third of them in :func:`test_many_mutants`."""
    for seed in _seeds(reference):
        for mutant in mutants(seed, every=97):
            comparison.judge(mutant)
    assert comparison.unexplained == []
    assert comparison.judged > 5_000


@pytest.mark.verify
def test_many_mutants(reference: Path, comparison: Comparison) -> None:
    """Every third: what documents have in common is hit in each of them, elsewhere in one than in the next."""
    for number, seed in enumerate(_seeds(reference)):
        for mutant in mutants(seed, first=number, every=3):
            comparison.judge(mutant)
    assert comparison.unexplained == []
    assert comparison.judged > 150_000
    assert set(comparison.known) == set(DIFFERENCES), "a known difference is no longer one"


@pytest.mark.verify
def test_mutants_of_mutants(reference: Path, comparison: Comparison) -> None:
    """Two blows at once, on a spread of documents."""
    for number, seed in enumerate(_seeds(reference)):
        for mutant in mutants(seed, first=number, every=61):
            for twice in mutants(mutant, first=number, every=83):
                comparison.judge(twice)
    assert comparison.unexplained == []
    assert comparison.judged > 20_000


def test_type_names_are_our_own(ours: SchemaSet, published: SchemaSet) -> None:
    """``xsi:type`` may name a declared type, and ours have other names: the one difference that is meant."""
    document = request(*REQUESTS[0])
    identifier = document.find("{*}Header/{*}RequestID")
    assert identifier is not None
    identifier.set(f"{{{XSI}}}type", "sr:RequestIDType")
    assert published.validate(document) is None
    refusal = ours.validate(document)
    assert refusal is not None
    assert refusal.where == "Request/Header/RequestID"


def test_known_differences_are_misreadings_of_libxml2(published: SchemaSet) -> None:
    """xmlschema, reading the same published files, agrees with us."""
    assert published.declarations is not None
    for difference in DIFFERENCES:
        assert difference.text.fullmatch(difference.example)
        for document in (document for _, document in samples()):
            for element in document.iter(*(f"{{*}}{name}" for name in difference.elements)):
                declared = published.declarations.of(element)
                assert declared is not None
                assert declared.type.simple_type is not None
                assert declared.type.simple_type.is_valid(difference.example) is difference.ours
