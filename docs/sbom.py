"""The software bill of materials: what the lock file installs, as CycloneDX 1.6 in JSON on standard output (``make sbom``).

Everything comes from ``requirements.lock`` and from the metadata of what is installed, so the same lock file gives the same
octets; there is no time in it and its serial number follows from its content.
"""

import json
import re
import sys
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
NAMESPACE = uuid.UUID("6b0f3c62-6a6c-5d0b-9d9a-0f5f6f1f8c11")
"""Of the serial numbers; a number of our own."""

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\\n]*?))?\s*(?:\\|$)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(lock: str, project: metadata.PackageMetadata) -> dict[str, Any]:
    """The document for the text of a lock file."""
    components = [_component(found) for found in _pins(lock)]
    own = f"pkg:pypi/{project['Name']}@{project['Version']}"
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["Name"],
                "version": project["Version"],
                "purl": own,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": own, "dependsOn": [each["bom-ref"] for each in components]}],
    }
    serial = uuid.uuid5(NAMESPACE, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": f"urn:uuid:{serial}"}


def _pins(lock: str) -> list[dict[str, Any]]:
    starts = list(_PIN.finditer(lock))
    ends = [each.start() for each in starts[1:]] + [len(lock)]
    return [
        {**each.groupdict(), "hashes": _HASH.findall(lock, each.start(), end)} for each, end in zip(starts, ends, strict=True)
    ]


def _component(pin: dict[str, Any]) -> dict[str, Any]:
    """One package. Its hashes are those of all files that may be installed, of which a machine takes one."""
    purl = f"pkg:pypi/{pin['name'].lower().replace('_', '-')}@{pin['version']}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": pin["name"],
        "version": pin["version"],
        "purl": purl,
        "scope": "required",
    }
    if licence := _licence(pin["name"]):
        component["licenses"] = [{"license": {"name": licence}}]
    properties = [{"name": "lock:sha256", "value": each} for each in sorted(pin["hashes"])]
    if pin["marker"]:
        properties.append({"name": "lock:marker", "value": pin["marker"].strip()})
    return {**component, "properties": properties}


def _licence(name: str) -> str:
    """What the installed package says of itself; nothing where it is not installed or says nothing short."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    classified = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if each.startswith("License ::")]
    said = about.get("License-Expression") or ", ".join(classified) or about.get("License") or ""
    return said.splitlines()[0][:100] if said else ""


def main() -> None:
    """Write the document."""
    json.dump(bill(LOCK.read_text("utf-8"), metadata.metadata("dcc-csp-emulator")), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
