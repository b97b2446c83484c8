"""The control API refuses in one form: ``error``, ``where`` and ``expected``; and says in OpenAPI what it takes."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from emulator.client.control import ControlClient
from emulator.client.errors import Rejected
from tests.http.conftest import MakeSide
from tests.http.running import Emulator
from tests.http.side import ESME, NOBODY, SUPPLIER, Answer, Side, problem, take

API = "/control/v1"
WORLD = f"{API}/worlds/default"


async def call(side: Side, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """One call; ``body`` is octets, or is written as JSON."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with side.http.request(method, side.emulator.url("control") + path, data=data, headers=sent) as answer:
        return await take(answer)


async def refusal(side: Side, status: int, method: str, path: str, body: Any = None, **headers: str) -> dict[str, str]:
    async with side.unchanged():
        answer = await call(side, method, path, body, **headers)
    found = problem(answer)
    assert answer.status == status, found
    assert found["error"]
    for leak in ("Traceback", "pydantic", "emulator/"):
        assert leak not in answer.text
    return found


BODIES: dict[str, tuple[str, str, Any, str, str]] = {
    "not JSON": ("POST", f"{WORLD}/clock/rate", b"hello", "Invalid JSON", "body"),
    "empty": ("POST", f"{WORLD}/clock/rate", b"", "Invalid JSON", "body"),
    "cut off": ("POST", f"{WORLD}/clock/rate", b'{"rate": ', "Invalid JSON", "body"),
    "not UTF-8": ("POST", f"{WORLD}/clock/rate", b'{"rate": "\xff"}', "Invalid JSON", "body"),
    "a list": ("POST", f"{WORLD}/clock/rate", [1], "object", "body"),
    "misspelt key": ("POST", f"{WORLD}/clock/advance", {"by": 1}, "there is no 'by'; expected one of by_ms", "by"),
    "misspelt key within": (
        *("POST", f"{WORLD}/faults", {"kind": "device.alert_lost", "who": {"modle": "00020101"}}),
        *("there is no 'modle'; expected perhaps 'model'", "who.modle"),
    ),
    "misspelt condition": (
        *("POST", f"{WORLD}/wait", {"condition": {"kind": "jobb"}}),
        *("there is no 'jobb'; expected perhaps 'job' or 'jobs'", "condition"),
    ),
    "misspelt key of a condition": (
        *("POST", f"{WORLD}/wait", {"condition": {"kind": "job", "device": "00-DB-12-34-56-78-90-A0", "state": []}}),
        *("there is no 'state'; expected perhaps 'states'", "condition.job.state"),
    ),
    "condition of no kind": ("POST", f"{WORLD}/wait", {"condition": {}}, "'kind' is missing; expected one of", "condition"),
    "unknown key": ("POST", f"{WORLD}/clock/rate", {"rate": 1, "speed": 2}, "there is no 'speed'; expected one of rate", "speed"),
    "missing key": ("POST", f"{WORLD}/clock/rate", {}, "'rate' is missing; expected ", "rate"),
    "wrong type": ("POST", f"{WORLD}/clock/advance", {"by_ms": "much"}, "valid integer", "by_ms"),
    "both of two": ("POST", f"{WORLD}/clock/advance", {"by_ms": 1, "to_ms": 1}, "exactly one of by_ms and to_ms", "body"),
    "negative": ("POST", f"{WORLD}/clock/advance", {"by_ms": -1}, "greater than or equal to 0", "by_ms"),
    "past": ("POST", f"{WORLD}/clock/advance", {"to_ms": 0}, "", ""),
    "after the end of time": ("POST", f"{WORLD}/clock/advance", {"to_ms": 10**18}, "less than or equal", "to_ms"),
    "no rate": ("POST", f"{WORLD}/clock/rate", {"rate": "fast"}, "fast", "rate"),
    "rate 0": ("POST", f"{WORLD}/clock/rate", {"rate": 0}, "", "rate"),
    "no condition": ("POST", f"{WORLD}/wait", {"condition": {"kind": "miracle"}}, "miracle", "condition"),
    "no power": ("PUT", f"{WORLD}/devices/00-DB-12-34-56-78-90-A0/power", {"on": "perhaps"}, "valid boolean", "on"),
    "no EUI": ("POST", f"{WORLD}/devices/00-DB-12-34-56-78-90-A0/fit", {"hub": "x"}, "is not an EUI-64", "hub"),
    "no estate": ("POST", f"{WORLD}/reset", {"estate": "name = "}, "", "estate"),
    "half an estate": ("POST", f"{WORLD}/reset", {"estate": 'name = "x"'}, "start is missing", "estate"),
    "world of another name": ("POST", f"{API}/worlds", {"name": "../etc"}, "cannot name a world", "world"),
    "world of a long name": ("POST", f"{API}/worlds", {"name": "x" * 64}, "cannot name a world", "world"),
    "negative seed": ("POST", f"{API}/worlds", {"name": "x", "seed": -1}, "greater than or equal to 0", "seed"),
}


@pytest.mark.parametrize(("method", "path", "body", "says", "where"), BODIES.values(), ids=BODIES.keys())
async def test_bad_bodies(default: Side, method: str, path: str, body: Any, says: str, where: str) -> None:
    found = await refusal(default, 400, method, path, body)
    assert says in f"{found['error']}; expected {found['expected']}"
    assert where in found["where"]


COMMANDS: dict[str, tuple[str, str, Any, str]] = {
    "no hub": ("POST", f"{WORLD}/devices/00-DB-12-34-56-78-90-A0/fit", {"hub": "00-DB-12-34-56-78-90-A0"}, "is not a hub"),
    "no product": (
        "PUT",
        f"{WORLD}/firmware-list",
        {"type": "TOASTER", "manufacturer": "1", "model": "1", "firmware_version": "1"},
        "TOASTER",
    ),
    "no party": ("POST", f"{WORLD}/registrations", {"mpxn": "1", "role": "GS", "party": "x"}, "party 'x' is not declared"),
    "no role": ("POST", f"{WORLD}/registrations", {"mpxn": "1", "role": "XX", "party": "dcc"}, "there is no role"),
    "no fault": ("POST", f"{WORLD}/faults", {"kind": "miracle"}, "miracle"),
    "no job": ("DELETE", f"{WORLD}/jobs/00-DB-12-34-56-78-90-A0", None, "has no open firmware job"),
}
"""What only the world itself can judge: the command is one of its inputs, logged with the refusal, and its state is as before."""


@pytest.mark.parametrize(("method", "path", "body", "says"), COMMANDS.values(), ids=COMMANDS.keys())
async def test_commands_that_the_world_refuses(default: Side, method: str, path: str, body: Any, says: str) -> None:
    before = await default.control.digest()
    answer = await call(default, method, path, body)
    assert answer.status == 400
    assert says in problem(answer)["error"]
    assert await default.control.digest() == before


QUERIES: dict[str, tuple[str, str, str]] = {
    "unknown key": ("journal?colour=red", "there is no 'colour'; expected ", "colour"),
    "a limit in words": ("journal?limit=all", "valid integer", "limit"),
    "a limit of nothing": ("journal?limit=0", "greater than or equal to 1", "limit"),
    "a limit of too much": ("outbox?limit=100000", "less than or equal to 10000", "limit"),
    "no state": ("outbox?state=lost", "'queued', 'delivered' or 'dead'", "state"),
    "no EUI": ("devices?hub=x", "is not an EUI-64", "hub"),
    "no usage": ("certificates?usage=XX", "'DS' or 'KA'", "usage"),
    "an instant before all": ("journal?since_ms=-1", "greater than or equal to 0", "since_ms"),
}


@pytest.mark.parametrize(("query", "says", "where"), QUERIES.values(), ids=QUERIES.keys())
async def test_bad_queries(default: Side, query: str, says: str, where: str) -> None:
    found = await refusal(default, 400, "GET", f"{WORLD}/{query}")
    assert says in f"{found['error']}; expected {found['expected']}"
    assert found["where"] == where


@pytest.mark.parametrize(
    ("method", "path", "status", "says", "where"),
    [
        ("GET", f"{API}/worlds/nowhere", 404, "there is no world 'nowhere'", "world"),
        ("POST", f"{API}/worlds/nowhere/clock/pause", 404, "there is no world 'nowhere'", "world"),
        ("GET", f"{API}/worlds/..%2f..%2fetc/digest", 404, "there is no world", "world"),
        ("GET", f"{WORLD}/devices/11-22-33-44-55-66-77-88", 404, "there is no device 11-22-33-44-55-66-77-88", "device"),
        ("GET", f"{WORLD}/devices/x", 400, "'x' is not an EUI-64", "device"),
        ("GET", f"{WORLD}/users/11-22-33-44-55-66-77-88/endpoint", 404, "there is no user 11-22", "user"),
        ("GET", f"{WORLD}/outbox/4711", 404, "there is no message 4711", "number"),
        ("GET", f"{WORLD}/outbox/first", 400, "'first' is not a number", "number"),
        ("GET", f"{WORLD}/outbox/-1", 400, "'-1' is not a number", "number"),
        ("GET", f"{WORLD}/outbox/99999999999999999999", 400, "is not a number", "number"),
        ("POST", f"{WORLD}/outbox/4711/resend", 404, "there is no message 4711", "number"),
        ("DELETE", f"{WORLD}/faults/4711", 404, "there is no fault 4711", "fault"),
        ("DELETE", WORLD, 409, "world default is one of the settings", "world"),
        ("GET", f"{API}/nothing", 404, "there is nothing at /control/v1/nothing", "path"),
        ("GET", "/", 404, "there is nothing at /", "path"),
        ("GET", "/_dcc/nothing", 404, "there is nothing at /_dcc/nothing", "path"),
        ("GET", f"{WORLD}/clock/pause", 405, "GET is not for /control/v1/worlds/default/clock/pause", "method"),
        ("DELETE", f"{WORLD}/digest", 405, "DELETE is not for", "method"),
    ],
)
async def test_things_that_are_not_there(default: Side, method: str, path: str, status: int, says: str, where: str) -> None:
    found = await refusal(default, status, method, path)
    assert says in found["error"]
    assert found["where"] == where


async def test_a_world_that_is_there_already(side: Side) -> None:
    found = await refusal(side, 409, "POST", f"{API}/worlds", {"name": side.name})
    assert found["error"] == f"there is a world '{side.name}' already"


async def test_more_worlds_than_there_may_be(emulators: Callable[..., Emulator], sides: MakeSide) -> None:
    side = await sides(emulators(worlds__limit=1))
    found = await refusal(side, 409, "POST", f"{API}/worlds", {"name": "one-too-many"})
    assert found == {"error": "there are 1 worlds", "where": "name", "expected": "fewer than worlds.limit"}


async def test_media_type_and_size(default: Side) -> None:
    found = await refusal(
        default, 415, "POST", f"{WORLD}/clock/rate", b"rate=1", Content_Type="application/x-www-form-urlencoded"
    )
    assert "the body must be application/json" in found["error"]
    found = await refusal(default, 415, "POST", f"{WORLD}/clock/rate", b"{}", Content_Encoding="gzip")
    assert found["error"] == "compressed bodies are not taken"


async def test_a_body_that_is_too_large(emulators: Callable[..., Emulator], sides: MakeSide) -> None:
    side = await sides(emulators(control__body_limit_bytes=2048))
    found = await refusal(side, 413, "POST", f"{API}/worlds", {"name": "x", "estate": "#" * 3_000})
    assert "at most 2048 are taken" in found["error"]


async def test_a_refused_reset_changes_nothing(side: Side) -> None:
    path = f"{API}/worlds/{side.name}/reset"
    found = await refusal(
        side, 400, "POST", path, {"estate": 'name = "x"\nstart = 2026-01-01T00:00:00Z\nparties = 5\nhomes = []\n'}
    )
    assert "parties" in found["where"]
    await side.control.reset(seed=5)


async def test_a_body_that_has_nothing_to_say_may_be_left_out(side: Side) -> None:
    await side.control.call("POST", f"{API}/worlds/{side.name}/reset")
    await refusal(side, 400, "POST", f"{API}/worlds/{side.name}/clock/rate")
    document = json.loads(await side.control.call("GET", f"{API}/openapi.json"))
    required = {
        path: document["paths"][f"{API}/worlds/{{world}}/{path}"]["post"]["requestBody"]["required"] for path in ("reset", "wait")
    }
    assert required == {"reset": False, "wait": True}


# who may call


@pytest.fixture
async def guarded(emulators: Callable[..., Emulator], sides: MakeSide) -> AsyncIterator[Side]:
    """An emulator that asks for a token."""
    side = await sides(emulators(control__token="open sesame"))
    async with ControlClient(side.emulator.url("control"), token="open sesame") as control:
        yield replace(side, control=control)


async def test_the_token(guarded: Side) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic b3BlbiBzZXNhbWU="},
        {"Authorization": "open sesame"},
    ):
        answer = await call(guarded, "GET", f"{WORLD}/digest", **headers)
        assert answer.status == 401
        assert problem(answer) == {
            "error": "the token is missing or wrong",
            "where": "Authorization",
            "expected": "Bearer <token>",
        }
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "sesame" not in answer.text
    for method, path in (("POST", f"{WORLD}/clock/pause"), ("GET", f"{API}/openapi.json"), ("GET", f"{API}/nothing")):
        assert (await call(guarded, method, path)).status == 401
    for path in ("/_dcc/health", "/_dcc/ready", "/_dcc/version", "/_dcc/metrics"):
        assert (await call(guarded, "GET", path)).status == 200
    assert len(await guarded.control.digest()) == 64
    document = json.loads(await guarded.control.call("GET", f"{API}/openapi.json"))
    OpenAPIV31SpecValidator(document).validate()
    assert document["security"] == [{"token": []}]
    settings = await guarded.control.settings()
    assert "sesame" not in json.dumps(settings)
    assert "sesame" not in guarded.emulator.log
    async with ControlClient(guarded.emulator.url("control"), token="x") as stranger:
        with pytest.raises(Rejected, match="the token is missing or wrong"):
            await stranger.digest()


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://127.0.0.1", "null", "file://", "http://[", "http://127.0.0.1:1"]
)
async def test_pages_of_others_may_not_call(default: Side, origin: str) -> None:
    """A browser says where its page came from; another site's page must not steer a test system on loopback."""
    found = await refusal(default, 403, "POST", f"{WORLD}/clock/pause", Origin=origin)
    assert found["where"] == "Origin"
    assert (await default.control.clock())["mode"] == "autojump"


async def test_its_own_pages_may(default: Side) -> None:
    assert (await call(default, "GET", f"{WORLD}/digest", Origin=default.emulator.url("control"))).status == 200


# the description


async def test_the_openapi_document_is_valid(default: Side) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{default.emulator.url('control')}{API}/openapi.json") as answer:
        assert answer.content_type == "application/json"
        document = await answer.json()
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()
    identities = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(identities) == len(set(identities)) > 30


async def test_every_operation_of_the_document_is_there(side: Side) -> None:
    """Called without a body, each does something, or refuses in the one form with a status that it declares."""
    document = json.loads(await side.control.call("GET", f"{API}/openapi.json"))
    values = {
        "world": side.name,
        "device": str(format_path(ESME)),
        "user": str(format_path(SUPPLIER)),
        "number": "1",
        "fault": "1",
        "digest": "0" * 64,
        "grant": "1",
        "reference": "1",
        "name": "funnel",
        "unit": str(format_path(ESME)),
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["operationId"] in ("delete_world", "post_wait", "get_events"):  # the last has no end
                continue
            answer = await call(side, method.upper(), path.format(**values), b"{}" if "requestBody" in operation else None)
            assert str(answer.status) in operation["responses"], (method, path, answer)
            if answer.status >= 400:
                problem(answer)
            else:
                declared = operation["responses"][str(answer.status)].get("content", {"": None})
                assert answer.media_type in declared


def format_path(eui: int) -> str:
    """An EUI in a path; any case will do."""
    return f"{eui:016x}"


async def test_an_unknown_device_anywhere(default: Side) -> None:
    body = {"on": True}
    found = await refusal(default, 404, "PUT", f"{WORLD}/devices/{format_path(NOBODY)}/power", body)
    assert found["error"] == "there is no device 11-22-33-44-55-66-77-88"
