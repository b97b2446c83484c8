"""``dcc-emulator explain``: why a request was decided so, and what it waits for."""

from typing import Annotated, Any

import typer
from rich.text import Text

from emulator.cli.output import console, print_fields, print_json, print_rows
from emulator.cli.remote import Call, remote
from emulator.duis.datetimes import format_datetime


@remote
def explain(call: Call, request_id: Annotated[str, typer.Argument(help="The RequestID, in any case.")]) -> None:
    """Say which rule decided a request, on what data, what became of it, and what it waits for."""
    found = call.ask(lambda client: client.explain(request_id))
    if call.as_json:
        print_json(found)
        return
    console().print(Text(found["request_id"], style="bold"))
    for request in found["requests"]:
        _print_request(request)
    for gate in found["gates"]:
        _print_gate(gate)
    for refusal in found["refusals"]:
        console().print(Text.assemble("refused at ", format_datetime(refusal["at_ms"]), ": ", (refusal["text"], "red")))
    if found["state"]:
        print_fields("now", found["state"])
    if found["faults"]:
        print_rows(
            ("Simulated", "Faults since it came"), [(format_datetime(hit["at_ms"]), hit["summary"]) for hit in found["faults"]]
        )
    if found["messages"]:
        rows = [_message_row(message) for message in found["messages"]]
        print_rows(("Message", "Simulated", "Recipient", "Kind", "Code", "State", "Waits for, or last outcome"), rows)
    if found["happened"]:
        lines = [(format_datetime(line["at_ms"]), line["kind"], line["device"], line["summary"]) for line in found["happened"]]
        print_rows(("Simulated", "Kind", "Device", "What"), lines)
    if not found["complete"]:
        console().print("there is more; `dcc-emulator journal --request-id` shows all of it")


def _print_request(request: dict[str, Any]) -> None:
    variant, service = request["service_reference_variant"], request["service"]
    named = f" by {request['operator']}" if request["operator"] else ""
    console().print(
        f"{variant} as Command Variant {request['command_variant']} came to service{service}{named} "
        f"at {format_datetime(request['at_ms'])}: {request['code']}",
        markup=False,
    )


def _print_gate(gate: dict[str, Any]) -> None:
    role = f" in role {gate['role']}" if gate["role"] else ""
    decided = ("granted" + role, "green") if gate["granted"] else (f"refused by {gate['decided_by']}", "red")
    console().print(Text.assemble("gate at ", format_datetime(gate["at_ms"]), ": ", decided))
    for verdict in gate["verdicts"]:
        mark = ("✓ ", "green") if verdict["passed"] else ("✗ ", "red")
        detail = f": {verdict['detail']}" if verdict["detail"] else ""
        console().print(Text.assemble("  ", mark, verdict["check"], detail))
    if gate["looked_at"]:
        console().print("  looked at")
    for name, value in gate["looked_at"].items():
        _print_value(name, value)


def _print_value(name: str, value: Any) -> None:
    """One value on one line; the members of a list of mappings on one line each."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        for each in value:
            said = ", ".join(f"{key} {_said(key, inner)}" for key, inner in each.items() if inner is not None)
            console().print(Text.assemble("    ", (name, "cyan"), ": ", said))
    else:
        console().print(Text.assemble("    ", (name, "cyan"), ": ", _said(name, value)))


def _said(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_ms") and isinstance(value, int):
        return format_datetime(value)
    return "–" if value is None else str(value)


def _message_row(message: dict[str, Any]) -> tuple[object, ...]:
    names = ("recipient", "kind", "code", "state")
    waits_for = (message["waits_for"] or {}).get("for") or message["detail"] or None
    return message["number"], format_datetime(message["at_ms"]), *(message[name] for name in names), waits_for
