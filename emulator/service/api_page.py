"""The OpenAPI document as one page for people, on which operations can be found and tried.

Nothing in it is loaded from elsewhere, and without a script it can still be read.
"""

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib import resources
from typing import Any

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; form-action 'none'"
)
"""Content-Security-Policy of the page: it has its own style and script in it, and talks to this service alone."""


@cache
def _piece(name: str) -> str:
    return resources.files("emulator.service").joinpath("pages", name).read_text("utf-8")


def api_page(document: Mapping[str, Any]) -> str:
    """The page, in HTML."""
    title, tags = escape(document["info"]["title"]), [tag["name"] for tag in document["tags"]]
    entry = '<input id="token" class="secret" placeholder="token" aria-label="Token" autocomplete="off">'
    embedded = json.dumps(document, ensure_ascii=False).replace("<", "\\u003c")
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>{title}</title><link rel="icon" href="data:,"><style>{_piece("api.css")}</style></head><body>',
        f"<header><h1>{title}</h1> <small>version {escape(document['info']['version'])}, "
        'from <a href="openapi.json">openapi.json</a></small>',
        '<div class="bar" hidden><input id="find" type="search" placeholder="Find an operation" aria-label="Find an operation">'
        '<span id="count" class="mute"></span><input id="world" value="default" aria-label="World" title="World" size="12">',
        entry if "security" in document else "",
        "</div><nav>" + "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in tags) + '<a href="#schemas">schemas</a>',
        f"</nav></header><p>{escape(document['info']['description'])}</p>",
    ]
    for tag in tags:
        parts.append(f'<section><h2 id="{escape(tag)}">{escape(tag)}</h2>')
        for path, operations in document["paths"].items():
            parts += [_operation(method, path, each, document) for method, each in operations.items() if tag in each["tags"]]
        parts.append("</section>")
    parts.append('<h2 id="schemas">Schemas</h2>')
    for name, schema in document["components"]["schemas"].items():
        about = f'<span class="what">{escape(schema.get("description", ""))}</span>'
        inside = _fields(schema) if "properties" in schema else f"<p>{_kind(schema)}</p>"
        parts.append(
            f'<details class="op" data-text="" id="schema-{escape(name)}"><summary><code>{escape(name)}</code>{about}</summary>'
            f"<div>{inside}</div></details>"
        )
    script = f'<script type="application/json" id="document">{embedded}</script><script>{_piece("api.js")}</script>'
    return "".join(parts) + script + "</body></html>\n"


def _operation(method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    text = escape(f"{method} {path} {operation['summary']} {' '.join(operation['tags'])}".lower())
    summary = (
        f'<span class="m {method}">{method.upper()}</span><code>{escape(path)}</code>'
        f'<span class="what">{escape(operation["summary"])}</span>'
    )
    parts = []
    if operation["parameters"]:
        rows = (
            (each["name"], each["in"], "required" if each["required"] else "", _kind(each["schema"]), _about(each["schema"]))
            for each in operation["parameters"]
        )
        parts.append("<h3>Parameters</h3>" + _table(("Name", "In", "", "Value", "Meaning"), rows))
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        name = schema["$ref"].rsplit("/", 1)[1]
        parts.append(f'<h3>Body: <a href="#schema-{escape(name)}">{escape(name)}</a></h3>')
        parts.append(_fields(document["components"]["schemas"][name]))
    answers = "; ".join(f"<b>{status}</b> {escape(each['description'])}" for status, each in operation["responses"].items())
    parts.append(f"<h3>Answers</h3><p>{answers}</p>")
    return (
        f'<details class="op" id="{escape(operation["operationId"])}" data-method="{method}" data-path="{escape(path)}" '
        f'data-text="{text}"><summary>{summary}</summary><div>{"".join(parts)}</div></details>'
    )


def _fields(schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = (
        (name, "required" if name in needed else "", _kind(each), _about(each))
        for name, each in schema.get("properties", {}).items()
    )
    return _table(("Field", "", "Value", "Meaning"), rows)


def _table(head: tuple[str, ...], rows: Any) -> str:
    """A table; the first cell of a row is text, the others are HTML."""
    top = "".join(f"<th>{each}</th>" for each in head)
    body = "".join(
        f"<tr><td><code>{escape(first)}</code></td>" + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>"
        for first, *others in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _about(schema: Mapping[str, Any]) -> str:
    inner = (each["description"] for each in schema.get("anyOf", ()) if "description" in each)
    found = escape(schema.get("description", "") or next(inner, ""))
    default = schema.get("default")
    if default not in (None, ""):
        found += f"{'; ' if found else ''}default <code>{escape(json.dumps(default, ensure_ascii=False))}</code>"
    return found


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#schema-{name}">{name}</a>'
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_kind(each) for each in schema[several] if each.get("type") != "null")
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"<code>{escape(str(value))}</code>" for value in values)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    least, most = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    limits = f" {'' if least is None else least} … {'' if most is None else most}" if (least, most) != (None, None) else ""
    example = f", such as <code>{escape(str(schema['examples'][0]))}</code>" if schema.get("examples") else ""
    return escape(str(schema.get("type", "anything"))) + limits + example
