"""The JSON Schema of scenario files (draft 2020-12), made from the classes that read them. Editors complete and check with it."""

from typing import Any

from emulator.scenarios.model import Document
from emulator.scenarios.steps import STEPS
from emulator.scenarios.steps.step import Step

ID = "urn:dcc-csp-emulator:scenario"


def scenario_schema() -> dict[str, Any]:
    """The whole schema: what a file may hold, and for every kind of step what it takes."""
    schema = Document.model_json_schema(ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    for kind, step in STEPS.items():
        definitions[f"step {kind}"] = _step(kind, step, definitions)
    schema["properties"]["steps"]["items"] = {
        "type": "object",
        "required": ["do"],
        "properties": {"do": {"enum": sorted(STEPS)}},
        "allOf": [
            {"if": {"properties": {"do": {"const": kind}}}, "then": {"$ref": f"#/$defs/step {kind}".replace(" ", "%20")}}
            for kind in STEPS
        ],
    }
    fault = dict(definitions["step fault.add"])
    fault["properties"] = {name: value for name, value in fault["properties"].items() if name != "do"}
    fault["required"] = [name for name in fault.get("required", []) if name != "do"]
    schema["properties"]["faults"]["items"] = fault
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ID, **schema}


def _step(kind: str, step: type[Step], definitions: dict[str, Any]) -> dict[str, Any]:
    found = step.model_json_schema(ref_template=f"#/$defs/{kind}.{{model}}")  # two kinds may have tables of the same name
    definitions.update({f"{kind}.{name}": table for name, table in found.pop("$defs", {}).items()})
    found["properties"]["do"] = {"const": kind}
    found["title"] = kind
    return found
