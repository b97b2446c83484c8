"""The control API under Schemathesis, which makes calls from the served OpenAPI document, as it wants them and as it does not.

Only what the document says is possible may be answered, in the form that it says, and never an error of ours. The world in the
paths is narrowed to the one that is there, and nothing waits, so that the calls come past their first lines.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.client.control import ControlClient
from emulator.testing.harness import RunningEmulator, running_emulator

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "missing_required_header",
)
"""Those that do not suppose that a document can say everything that makes a value right."""
KNOWN = {
    "device": "00-DB-12-34-56-78-90-A0",
    "user": "90-B3-D5-1F-30-01-00-00",
    "name": "campaign-funnel",
    "campaign": "served",
}
"""What there is to name in paths; other values are tried as well."""


@pytest.fixture
def emulator() -> Iterator[RunningEmulator]:
    with running_emulator({"worlds.limit": 8}) as found:
        yield found


def narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the stream that does not end, for the default world, with waits of a few milliseconds."""
    del document["paths"]["/control/v1/worlds/{world}/events"]
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path" and parameter["name"] == "world":
                    parameter["schema"] = {"enum": ["default"]}
                elif parameter["in"] == "path" and parameter["name"] in KNOWN:
                    parameter["schema"] = {"anyOf": [{"enum": [KNOWN[parameter["name"]]]}, parameter["schema"]]}
    for schema in document["components"]["schemas"].values():
        if "timeout_ms" in schema.get("properties", {}):
            schema["properties"]["timeout_ms"] = {"type": "integer", "minimum": 0, "maximum": 20}
            schema["required"] = [*schema.get("required", ()), "timeout_ms"]
    return document


def fuzz(emulator: RunningEmulator, folder: Path, *options: str) -> None:
    """Run Schemathesis; fail with what it says when it finds something."""

    async def document(control: ControlClient) -> bytes:
        return await control.call("GET", "/control/v1/openapi.json")

    file = folder / "openapi.json"
    file.write_text(json.dumps(narrowed(json.loads(emulator.ask(document)))), "utf-8")
    command = [Path(sys.executable).with_name("schemathesis"), "run", file, "--url", emulator.control, "--no-shrink"]
    command += ["--checks", ",".join(CHECKS), "--request-timeout", "60", "--warnings", "off", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert emulator.ask(lambda control: control.ready())


def test_some_calls_get_an_answer_of_the_document(emulator: RunningEmulator, tmp_path: Path) -> None:
    fuzz(emulator, tmp_path, "--phases", "fuzzing", "--max-examples", "3", "--seed", "1")


@pytest.mark.verify
def test_many_calls_get_an_answer_of_the_document(emulator: RunningEmulator, tmp_path: Path) -> None:
    fuzz(emulator, tmp_path, "--phases", "coverage,fuzzing,stateful", "--max-examples", "25", "--seed", "2")
