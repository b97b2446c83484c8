"""The bill of materials names what the lock file installs, with its hashes, and is the same each time."""

import importlib.util
import re
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "docs" / "sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_package_of_the_lock_file_is_in_it(sbom: ModuleType) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    found = sbom.bill(lock, metadata.metadata("dcc-csp-emulator"))
    assert found == sbom.bill(lock, metadata.metadata("dcc-csp-emulator"))
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", found["serialNumber"])
    components = {each["name"]: each for each in found["components"]}
    assert sorted(each["name"] for each in found["components"]) == sorted(re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE))
    assert sum(len(each["properties"]) for each in found["components"]) >= len(re.findall("--hash=", lock))
    references = [each["bom-ref"] for each in found["components"]]
    assert len(set(references)) == len(references)
    for each in components.values():
        assert each["purl"] == f"pkg:pypi/{each['name'].lower()}@{each['version']}"
        assert any(part["name"] == "lock:sha256" for part in each["properties"])
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[<>=\[ ]", each)[0] for each in declared} <= components.keys()
    licensed = [each for each in components.values() if each.get("licenses")]
    assert len(licensed) > len(components) / 2


@pytest.mark.parametrize("name", sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("**/requirements*.lock")
                                        if ".venv" not in path.parts))  # fmt: skip
def test_every_pin_has_hashes(sbom: ModuleType, name: str) -> None:
    """So that pip takes nothing that is not one of these files (``--require-hashes``)."""
    pins = sbom._pins((ROOT / name).read_text())
    assert pins
    assert not [each["name"] for each in pins if not each["hashes"]]
