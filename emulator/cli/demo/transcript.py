"""The transcript: every message of a run as a file, and one line of JSON for each in order."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.client.decode import payload_of
from emulator.client.receiver import Received
from emulator.client.session import Exchange
from emulator.domain.identifiers import Eui64, format_eui
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import DccAlert, DeviceAlert
from emulator.gbcs.explain import explain


@dataclass(slots=True)
class Transcript:
    """A folder with ``transcript.jsonl`` and one file for each XML document and GBCS message."""

    folder: Path
    count: int = field(default=0, init=False)

    def exchange(self, user: Eui64, exchange: Exchange) -> None:
        """A request and its answer."""
        request_id = str(exchange.request_id)
        name = f"request-service{exchange.service}"
        at = {"at": format_datetime(exchange.at_ms), "user": format_eui(user), "request_id": request_id}
        self._write(name, exchange.request, {**at, "direction": "to the DCC", "web_service": f"service{exchange.service}"})
        self._write("answer", exchange.answer, {**at, "direction": "from the DCC", "http_status": exchange.status})

    def push(self, user: Eui64, push: Received) -> None:
        """A message that came by itself."""
        message = push.message
        if isinstance(message, DeviceAlert):
            kind: dict[str, Any] = {"kind": "device alert", "code": f"{message.alert_code:04X}"}
        elif isinstance(message, DccAlert):
            kind = {"kind": "DCC alert", "code": message.alert_code, "body": message.body.name}
        else:
            kind = {"kind": "response", "code": message.code, "service_reference_variant": message.service_reference_variant}
        about = {
            "at": format_datetime(push.at_ms),
            "simulated": format_datetime(message.at_ms),
            "user": format_eui(user),
            "request_id": None if push.request_id is None else str(push.request_id),
            "direction": "push",
            "order": push.order,
            **kind,
        }
        payload = payload_of(message)
        if payload is not None:
            about["gbcs"] = explain(payload)["summary"]
        self._write(f"push-{kind['kind'].replace(' ', '-')}-{kind['code']}", push.document, about, payload)

    def close(self, journal: list[dict[str, Any]], summary: dict[str, Any]) -> None:
        """Add the emulator's own journal and the outcome."""
        with (self.folder / "journal.jsonl").open("w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(entry) + "\n" for entry in journal)
        (self.folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")

    def _write(self, name: str, document: bytes, about: dict[str, Any], payload: bytes | None = None) -> None:
        (self.folder / "messages").mkdir(parents=True, exist_ok=True)
        self.count += 1
        path = self.folder / "messages" / f"{self.count:04}-{name}.xml"
        path.write_bytes(document)
        files = {"file": f"messages/{path.name}"}
        if payload is not None:
            octets = path.with_suffix(".gbcs.hex")
            octets.write_text(payload.hex() + "\n", encoding="ascii")
            files["gbcs_file"] = f"messages/{octets.name}"
        with (self.folder / "transcript.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"number": self.count, **about, **files}) + "\n")
