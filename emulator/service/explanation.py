"""Why a request was answered as it was, and what it waits for: everything that is known about one RequestID, put together."""

from typing import Any

from emulator.domain.identifiers import parse_eui
from emulator.dsp.audit import Query
from emulator.service.control_records import described
from emulator.service.hosted import HostedWorld
from emulator.service.persistence.contract import AuditQuery, JournalQuery, OutboxQuery

MAX_ENTRIES = 1_000
"""Most entries of each kind in one explanation."""
MAX_DEVICES = 50
"""Devices of one request whose faults are looked for."""
_TOLD_APART = ("duis.request", "gate", "refusal", "push", "fault")
"""Beginnings of the kinds of journal entries that are told in a part of their own."""


async def explain(world: HostedWorld, request_id: str) -> dict[str, Any] | None:
    """What became of a request and why, as JSON values, or None when nothing of it is known.

    ``gates`` are its passages of the gate, each with every verdict, the check that decided and the data which that looked at;
    ``state`` is what the engine has of it now; ``faults`` hit it on its way, or its devices or their hubs since;
    ``happened`` is the rest of its journal.
    """
    entries = await world.log.journal(JournalQuery(request_id=request_id, limit=MAX_ENTRIES))
    messages = await world.log.outbox(OutboxQuery(request_id=request_id, limit=MAX_ENTRIES))
    records = await world.log.trail.records(AuditQuery(Query(request_id=request_id), limit=MAX_ENTRIES))
    state = world.world.views.explain(request_id)
    if not (entries or messages or records or state):
        return None
    return {
        "request_id": request_id,
        "requests": [_request(entry) for entry in entries if entry["kind"] == "duis.request"],
        "gates": [_gate(entry) for entry in entries if entry["kind"] == "gate"],
        "refusals": [{"at_ms": entry["at_ms"], "text": entry["summary"]} for entry in entries if entry["kind"] == "refusal"],
        "state": state,
        "faults": [*(_line(entry) for entry in entries if entry["kind"] == "fault"), *await _faults(world, state, entries)],
        "messages": [described(world, message) for message in messages],
        "happened": [_line(entry) for entry in entries if not entry["kind"].startswith(_TOLD_APART)],
        "audit": [record.as_json() for record in records],
        "complete": len(entries) < MAX_ENTRIES,
    }


async def _faults(world: HostedWorld, state: dict[str, Any] | None, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Faults that hit the devices of a request, or their hubs, since it came."""
    if not entries:
        return []
    named = [entry["device"] for entry in entries]
    for part in ("transactions", "jobs"):
        named += [each["device"] for each in (state or {}).get(part, [])]
    euis: dict[int, None] = {}
    for text in list(dict.fromkeys(filter(None, named)))[:MAX_DEVICES]:
        described_device = world.world.views.device(parse_eui(text))
        inventory = (described_device or {}).get("inventory") or {}
        euis |= dict.fromkeys(parse_eui(each) for each in (text, inventory.get("hub")) if each)
    since_ms = min(entry["at_ms"] for entry in entries)
    found: dict[int, dict[str, Any]] = {}
    for eui in euis:
        hits = await world.log.journal(JournalQuery(device=eui, kind="fault", since_ms=since_ms, limit=MAX_ENTRIES))
        found |= {entry["number"]: _line(entry) for entry in hits}
    return [found[number] for number in sorted(found)][:MAX_ENTRIES]


def _request(entry: dict[str, Any]) -> dict[str, Any]:
    names = ("service", "service_reference_variant", "command_variant", "body", "code", "operator")
    return {"at_ms": entry["at_ms"], **{name: entry["data"].get(name) for name in names}}


def _gate(entry: dict[str, Any]) -> dict[str, Any]:
    verdicts = entry["data"]["verdicts"]
    against = next((verdict for verdict in verdicts if not verdict["passed"]), None)
    return {
        "at_ms": entry["at_ms"],
        "granted": against is None,
        "summary": entry["summary"],
        "role": entry["data"]["role"],
        "decided_by": None if against is None else against["check"],
        "detail": "" if against is None else against["detail"],
        "looked_at": entry["data"].get("looked_at") or ({} if against is None else against.get("looked_at", {})),
        "verdicts": verdicts,
    }


def _line(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("number", "at_ms", "kind", "device", "summary")}
