"""The OpenAPI document as one page for people: nothing in it is loaded from elsewhere, and it needs no script."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "code,pre{font-family:monospace;background:#eee;padding:0 .2em}pre{padding:.6em;overflow:auto}"
    "summary{cursor:pointer;padding:.2em 0}details details{margin-left:1em}td,th{text-align:left;padding:.1em 1em .1em 0}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}code,pre{background:#222}a{color:#8bf}}"
)


def api_page(document: Mapping[str, Any]) -> str:
    """The page, in HTML."""
    title, tags = escape(document["info"]["title"]), [tag["name"] for tag in document["tags"]]
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>',
        f"<h1>{title}</h1><p>{escape(document['info']['description'])} Version {escape(document['info']['version'])}; ",
        'the document itself is <a href="openapi.json">openapi.json</a>.</p>',
        "<p>" + " ".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in tags) + "</p>",
    ]
    for tag in tags:
        parts.append(f'<h2 id="{escape(tag)}">{escape(tag)}</h2>')
        for path, operations in document["paths"].items():
            parts += [_operation(method, path, each) for method, each in operations.items() if tag in each["tags"]]
    parts.append("<h2>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        text = escape(json.dumps(schema, indent=1, ensure_ascii=False))
        parts.append(
            f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary><pre>{text}</pre></details>'
        )
    return "".join(parts) + "</body></html>\n"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    summary = f"<b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation['summary'])}"
    rows = [
        (each["name"], each["in"], "required" if each["required"] else "", json.dumps(each["schema"], ensure_ascii=False))
        for each in operation["parameters"]
    ]
    rows += [(status, "answer", "", each["description"]) for status, each in operation["responses"].items()]
    table = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    body = ""
    if "requestBody" in operation:
        name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        body = f'<p>Body: <a href="#schema-{escape(name)}">{escape(name)}</a></p>'
    return f'<details id="{escape(operation["operationId"])}"><summary>{summary}</summary>{body}<table>{table}</table></details>'
