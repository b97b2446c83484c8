"""Which folder the schemas come from."""

import shutil
from pathlib import Path

import pytest

from emulator.domain.errors import Malformed
from emulator.duis import schema as schema_module
from emulator.duis.schema import SchemaSet, default_folder
from tests.schema.published import parse, schema_folder
from tests.schema.sample_requests import REQUESTS
from tests.schema.samples import request, samples

XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'


def test_default_is_the_checkout() -> None:
    assert default_folder() == Path(__file__).resolve().parents[2] / "xsd"


def test_default_is_the_package_where_it_was_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(default_folder(), tmp_path / "emulator" / "_xsd")
    monkeypatch.setattr(schema_module, "__file__", str(tmp_path / "emulator" / "duis" / "schema.py"))
    schema = SchemaSet()
    assert schema.folder == tmp_path / "emulator" / "_xsd"
    assert schema.validate(request(*REQUESTS[0])) is None


def test_own_schemas_under_another_path_and_name(tmp_path: Path) -> None:
    folder = tmp_path / "with a space & ü"
    shutil.copytree(default_folder(), folder)
    (folder / "duis.xsd").rename(folder / "the interface.xsd")
    schema = SchemaSet(folder)
    schema.warm()
    assert all(schema.validate(document) is None for _, document in samples())


@pytest.mark.reference
def test_published_files_as_they_are(reference: Path) -> None:
    """Their names contain spaces, which libxml2 cannot follow."""
    schema = SchemaSet(schema_folder(reference))
    assert any(" " in path.name for path in schema.folder.glob("*.xsd"))
    _assert_works(schema, reference)


@pytest.mark.reference
def test_published_files_renamed(reference: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(schema_folder(reference).glob("*.xsd"))):
        shutil.copyfile(path, tmp_path / f"schema{9 - number}.xsd")
    _assert_works(SchemaSet(tmp_path), reference)


def _assert_works(schema: SchemaSet, reference: Path) -> None:
    templates = sorted((reference / "duis" / "templates").iterdir())
    refused = [path.name for path in templates if schema.validate(parse(path.read_bytes())) is not None]
    assert refused == []
    document = request(*REQUESTS[0])
    document.set("schemaVersion", "new")
    refusal = schema.validate(document)
    assert refusal is not None
    assert (refusal.where, refusal.expected) == ("Request", "a decimal number")


def test_no_schema(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="must hold one schema that declares Request, and holds none"):
        SchemaSet(tmp_path)
    with pytest.raises(Malformed, match="holds none"):
        SchemaSet(tmp_path / "missing")


def test_schema_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "other.xsd").write_text(f'<xs:schema {XS} targetNamespace="urn:other"><xs:element name="Request"/></xs:schema>')
    with pytest.raises(Malformed, match="holds none"):
        SchemaSet(tmp_path)


def test_two_versions_in_one_folder(tmp_path: Path) -> None:
    shutil.copytree(default_folder(), tmp_path, dirs_exist_ok=True)
    shutil.copyfile(tmp_path / "duis.xsd", tmp_path / "duis-5.3.xsd")
    with pytest.raises(Malformed, match=r"holds duis-5\.3\.xsd, duis\.xsd"):
        SchemaSet(tmp_path)


def test_file_that_is_not_xml(tmp_path: Path) -> None:
    shutil.copytree(default_folder(), tmp_path, dirs_exist_ok=True)
    (tmp_path / "notes.xsd").write_text("<xs:schema")
    with pytest.raises(Malformed, match="not readable as XML") as caught:
        SchemaSet(tmp_path)
    assert caught.value.where == "notes.xsd"


def test_schema_that_does_not_compile(tmp_path: Path) -> None:
    shutil.copytree(default_folder(), tmp_path, dirs_exist_ok=True)
    (tmp_path / "types.xsd").unlink()
    with pytest.raises(Malformed, match="does not compile"):
        SchemaSet(tmp_path).warm()
