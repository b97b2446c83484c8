"""The OpenAPI 3.1 document of the control API, made from the route table and the models it names."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from emulator import __version__
from emulator.service.routes import Route, needs_body

_REF = "#/components/schemas/{model}"
_PROBLEM = {
    "type": "object",
    "required": ["error", "where", "expected"],
    "properties": {
        "error": {"type": "string", "description": "what is wrong"},
        "where": {"type": "string", "description": "the parameter or place; empty when there is none"},
        "expected": {"type": "string", "description": "what would have been right; empty when that cannot be said"},
    },
}
_PLACES: dict[str, dict[str, Any]] = {
    "world": {"description": "name of a world", "examples": ["default"]},
    "device": {"description": "EUI-64 of a device", "examples": ["00-DB-12-34-56-78-90-A0"]},
    "user": {"description": "EUI-64 of a user", "examples": ["90-B3-D5-1F-30-01-00-00"]},
    "fault": {"description": "number of a fault"},
    "grant": {"description": "number of a grant"},
    "reference": {"description": "number of a request in quarantine"},
    "number": {"description": "number of a message"},
    "digest": {"description": "SHA-256 over a list, in hexadecimal"},
    "name": {"description": "name of a report", "examples": ["campaign-funnel"]},
    "campaign": {"description": "name of a campaign", "examples": ["served"]},
    "unit": {"description": "a unit of stock"},
}
"""What stands in paths."""
_STATUSES = {
    200: "done",
    201: "made",
    204: "done",
    400: "a parameter is wrong",
    401: "the token is missing or wrong",
    403: "asked by a page of another origin",
    404: "there is no such thing",
    409: "not possible as things stand",
    413: "the body is too large",
    415: "the body is not JSON",
    503: "the world cannot take this now",
}


def openapi_document(routes: Sequence[Route], *, with_token: bool) -> dict[str, Any]:
    """The document; ``with_token`` says whether calls need one."""
    models = sorted({model for route in routes for model in (route.body,) if model is not None}, key=lambda m: m.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    schemas: dict[str, Any] = {**definitions.get("$defs", {}), "Problem": _PROBLEM}
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "DCC/CSP emulator: control API",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Worlds, their clock, devices, users, faults, journal and outbox.",
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if with_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.query)],
        "responses": _responses(route),
    }
    if route.body is not None:
        content = {"application/json": {"schema": {"$ref": _REF.format(model=route.body.__name__)}}}
        operation["requestBody"] = {"required": needs_body(route.body), "content": content}
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)", path)
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", **_PLACES.get(name, {})}} for name in names
    ]


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = query.model_json_schema(ref_template=_REF)
    definitions = schema.get("$defs", {})
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": _inline(found, definitions)}
        for name, found in schema["properties"].items()
    ]


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """Query parameters are few and small: they stand where they are used."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return _inline(definitions[reference.rsplit("/", 1)[1]], definitions)
        return {key: _inline(value, definitions) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inline(each, definitions) for each in schema]
    return schema


def _responses(route: Route) -> dict[str, Any]:
    statuses = {400, 401, 403, 503, *route.problems}
    if "{" in route.path:
        statuses.add(404)
    if route.body is not None:
        statuses |= {413, 415}
    problems = {
        str(status): {
            "description": _STATUSES[status],
            "content": {"application/json": {"schema": {"$ref": _REF.format(model="Problem")}}},
        }
        for status in sorted(statuses)
    }
    done: dict[str, Any] = {"description": _STATUSES[route.status]}
    if route.status != 204:
        schema = {} if route.media_type == "application/json" else {"type": "string"}
        done["content"] = {route.media_type: {"schema": schema}}
    return {str(route.status): done, **problems}
