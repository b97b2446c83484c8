"""The control API under calls made from its own OpenAPI document, some as it wants them, most not.

Whatever is sent, the answer is one that the document has, an error of ours is never among them, and a refusal
names the place.
"""

import json
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from emulator.service.server import Server
from tests.service.conftest import ESME, SUPPLIER, ServerFactory

JSON = {"Content-Type": "application/json"}
NOT_CALLED = {("get", "/control/v1/worlds/{world}/events"), ("delete", "/control/v1/worlds/{world}")}
"""A stream that does not end, and what would take the world away from the calls after it."""
EUIS = ["-".join(f"{eui:016X}"[at : at + 2] for at in range(0, 16, 2)) for eui in (SUPPLIER, ESME, 0)]
WORDS = ["", "x", "0", "-1", "default", "nothing", "1 h", "é\u0000", "a" * 300, "*", "../..", "%00", *EUIS]
JUNK = [None, True, 0, -1, 2**70, 1.5, "", "x" * 5000, [], {}, [None], {"a": {"b": []}}]


class Caller:
    """Makes calls from a document, by a seed."""

    def __init__(self, document: Mapping[str, Any], seed: int) -> None:
        self.document = document
        self.chance = random.Random(seed)
        self.operations = [
            (method, path, operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if (method, path) not in NOT_CALLED
        ]

    def value(self, schema: Mapping[str, Any], depth: int = 0) -> Any:
        """A value that a schema could mean; now and then one that it does not."""
        chance = self.chance
        if chance.random() < 0.08 or depth > 6:
            return chance.choice(JUNK)
        if "$ref" in schema:
            return self.value(self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], depth + 1)
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self.value(chance.choice(schema[several]), depth + 1)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return chance.choice(schema["enum"])
        if schema.get("examples") and chance.random() < 0.7:
            return chance.choice(schema["examples"])
        kind = schema.get("type")
        if kind == "object":
            return self.object(schema, depth)
        if kind == "array":
            return [self.value(schema.get("items", {}), depth + 1) for _ in range(chance.randrange(3))]
        if kind in ("integer", "number"):
            least = schema.get("minimum", schema.get("exclusiveMinimum", -2))
            return chance.choice([least, least + 1, schema.get("maximum", 7), least - 1, chance.randrange(10**6)])
        return {"boolean": chance.random() < 0.5, "null": None}.get(str(kind), chance.choice(WORDS))

    def object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """Most of what is wanted, some of what may be, seldom what must not."""
        known, needed = schema.get("properties", {}), schema.get("required", ())
        found = {
            name: self.value(each, depth + 1)
            for name, each in known.items()
            if self.chance.random() < (0.95 if name in needed else 0.4)
        }
        if self.chance.random() < 0.05:
            found["unknown"] = 1
        if "timeout_ms" in known:  # nothing is waited for here
            found["timeout_ms"] = self.chance.choice([0, 5, -1])
        return found

    def call(self) -> tuple[str, dict[str, Any], str, dict[str, str], bytes | None]:
        """Method, operation of the document, path, query and body of one call."""
        method, path, operation = self.chance.choice(self.operations)
        parameters = operation["parameters"]
        place = path.replace("{world}", "default" if self.chance.random() < 0.97 else "nowhere")
        for each in parameters:
            if each["in"] == "path":
                place = place.replace(f"{{{each['name']}}}", quote(self.chance.choice([*WORDS[1:], "1", "2"]), safe=""))
        query = {
            each["name"]: str(self.value(each["schema"]))[:2000]
            for each in parameters
            if each["in"] == "query" and (each["required"] or self.chance.random() < 0.4)
        }
        body = None
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            body = json.dumps(self.value(schema)).encode()
            if self.chance.random() < 0.03:
                body = body[:-1]
        return method, operation, place, query, body


async def fuzz(server: Server, http: aiohttp.ClientSession, seed: int, calls: int) -> set[int]:
    """Make calls and hold each answer to the document; the statuses that came."""
    async with http.get(f"{server.url()}/control/v1/openapi.json") as answer:
        caller = Caller(await answer.json(), seed)
    came: set[int] = set()
    for number in range(calls):
        method, operation, place, query, body = caller.call()
        said = f"call {number} of seed {seed}: {method.upper()} {place} {query} {body!r:.600}"
        url = f"{server.url()}{place}"
        async with http.request(method, url, params=query, data=body, headers=JSON if body is not None else {}) as answer:
            text = await answer.read()
        came.add(answer.status)
        assert answer.status < 500 or answer.status == 503, f"{said}: {answer.status} {text!r:.400}"
        if place.startswith("/control/v1/worlds/nowhere") or answer.status not in (404, 405):
            assert str(answer.status) in operation["responses"], f"{said}: {answer.status} is not in the document"
        if answer.status >= 400:
            problem = json.loads(text)
            assert set(problem) == {"error", "where", "expected"}, said
            assert problem["error"], said
            assert answer.status != 400 or problem["where"], f"{said}: the refusal names no place: {problem}"
        else:
            media_types = list(operation["responses"][str(answer.status)].get("content", {"": {}}))
            assert answer.status == 204 or answer.content_type in media_types, f"{said}: {answer.content_type}"
    world = server.worlds["default"]
    assert world.unavailable() is None
    return came


async def test_calls_of_any_kind_get_an_answer_of_the_document(server: Server, http: aiohttp.ClientSession) -> None:
    assert await fuzz(server, http, 1, 400) >= {200, 400, 404}


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(2, 8))
async def test_many_calls_of_any_kind_get_an_answer_of_the_document(
    servers: ServerFactory, http: aiohttp.ClientSession, seed: int
) -> None:
    await fuzz(await servers(), http, seed, 2_500)
