"""``dcc-emulator call``: any operation of the control API by its name, as the server's own document has it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from emulator.cli.output import console, print_json, print_rows
from emulator.cli.remote import Call, remote
from emulator.client.control import ControlClient
from emulator.client.control_calls import segment
from emulator.domain.errors import Malformed
from emulator.scenarios.names import suggest

DOCUMENT = "/control/v1/openapi.json"
Operations = dict[str, tuple[str, str, dict[str, Any]]]
"""Method, path and description of each operation by its name."""


@remote
def call(
    call: Call,
    operation: Annotated[str, typer.Argument(help="Name of the operation, such as put_devices_by_device_power.")] = "",
    values: Annotated[
        list[str] | None, typer.Argument(help="What it takes, as NAME=VALUE: parameters, or fields of its body (JSON or text).")
    ] = None,
    body: Annotated[str, typer.Option("--body", help="The whole body in JSON, or @FILE.", show_default=False)] = "",
) -> None:
    """Call any operation of the control API and print its answer; without a name list them all."""

    async def question(control: ControlClient) -> bytes | Operations:
        known = _operations(json.loads(await control.call("GET", DOCUMENT)))
        if not operation:
            return known
        if operation not in known:
            raise Malformed(f"there is no operation {operation!r}", expected=suggest(operation, known))
        method, path, described = known[operation]
        place, query, fields = _sorted(path, described, dict(map(_pair, values or [])), call.world)
        content = _body(body, fields, "requestBody" in described)
        waits_ms = content.get("timeout_ms", 600_000) if isinstance(content, dict) else 0
        return await control.call(method, place, query=query, body=content, waits_ms=waits_ms)

    found = call.ask(question)
    if isinstance(found, bytes):
        _print(found)
    elif call.as_json:
        print_json([{"operation": name, "method": each[0], "path": each[1]} for name, each in found.items()])
    else:
        rows = [(name, method, described["summary"]) for name, (method, _, described) in found.items()]
        print_rows(("Operation", "Method", "What"), rows)


def _operations(document: dict[str, Any]) -> Operations:
    return {
        described["operationId"]: (method.upper(), path, described)
        for path, operations in document["paths"].items()
        for method, described in operations.items()
        if not path.endswith("/events")  # a stream; `journal --follow` shows it
    }


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Malformed(f"{text!r} is no value", expected="NAME=VALUE, such as on=false")
    return name, value


def _sorted(
    path: str, described: dict[str, Any], values: dict[str, str], world: str
) -> tuple[str, dict[str, str], dict[str, Any]]:
    """The path with its names, the query, and what is left for the body."""
    query: dict[str, str] = {}
    for parameter in described["parameters"]:
        name, given = parameter["name"], values.pop(parameter["name"], None)
        if parameter["in"] == "path":
            given = world if name == "world" and given is None else given
            if not given:
                raise Malformed(f"{name!r} is missing", expected=f"{name}=… ({parameter['schema'].get('description', 'a name')})")
            path = path.replace(f"{{{name}}}", segment(given))
        elif given is not None:
            query[name] = given
    if values and "requestBody" not in described:
        known = [each["name"] for each in described["parameters"]]
        raise Malformed(f"it takes no {next(iter(values))!r}", expected=", ".join(known) or "nothing")
    return path, query, {name: _value(value) for name, value in values.items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _body(given: str, fields: dict[str, Any], wanted: bool) -> Any:
    if not given:
        return fields if wanted else None
    text = Path(given[1:]).read_text("utf-8") if given.startswith("@") else given
    try:
        content = json.loads(text)
    except ValueError as error:
        raise Malformed(f"not JSON: {error}", where="--body") from None
    return {**content, **fields} if isinstance(content, dict) else content


def _print(content: bytes) -> None:
    try:
        print_json(json.loads(content or b"null"))
    except ValueError:
        console().print(content.decode("utf-8", "replace"), end="", markup=False)
