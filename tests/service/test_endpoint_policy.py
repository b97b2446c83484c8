"""Pushes go to loopback and where the operator allows, whatever a name says."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from emulator.domain.errors import Malformed
from emulator.listening import AddressSite
from emulator.service.config import Outbox
from emulator.service.endpoints import EndpointPolicy, PolicyResolver
from emulator.service.push import Pusher, Verdict


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1880/smartdcc/duis",
        "http://localhost/x",
        "https://127.8.9.1",
        "http://[::1]:80/",
        "http://[::ffff:127.0.0.1]/",
    ],
)
def test_loopback_is_always_allowed(url: str) -> None:
    EndpointPolicy(()).check(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://192.0.2.1/", "address 192.0.2.1 is not allowed"),
        ("http://169.254.169.254/latest", "not allowed"),
        ("http://[2001:db8::1]/", "not allowed"),
        ("http://[::ffff:192.0.2.1]/", "not allowed"),
        ("http://0.0.0.0/", "not allowed"),
        ("http://receiver/push", "host receiver is not allowed"),
        ("http://localhost.example/", "not allowed"),
        ("ftp://127.0.0.1/", "cannot be pushed to"),
        ("file:///etc/passwd", "cannot be pushed to"),
        ("http:///path", "cannot be pushed to"),
        ("http://user:pass@127.0.0.1/", "cannot be pushed to"),
        ("http://127.0.0.1:0/", "port 0"),
        ("http://127.0.0.1:99999/", "is not a URL"),
        ("127.0.0.1", "cannot be pushed to"),
        ("http://127.0.0.1/" + "x" * 2_000, "cannot be pushed to"),
        ("http://2130706433.example/", "not allowed"),
        ("http://[::]/", "not allowed"),
        ("http://[::ffff:169.254.169.254]/", "not allowed"),
        ("http://[::ffff:a9fe:a9fe]/", "not allowed"),
        ("http://[0:0:0:0:0:ffff:10.0.0.1]/", "not allowed"),
        ("http://[64:ff9b::7f00:1]/", "not allowed"),
        ("http://[2002:7f00:1::]/", "not allowed"),
        ("http://[fe80::1%25eth0]/", "not allowed"),
        ("http://[fe80::1]/", "not allowed"),
        ("http://[fd00::1]/", "not allowed"),
        ("http://metadata.google.internal/", "not allowed"),
        ("http://127.0.0.1.nip.example/", "not allowed"),
        ("http://localhost@192.0.2.1/", "cannot be pushed to"),
        ("http://192.0.2.1#@127.0.0.1/", "not allowed"),
        ("http://192.0.2.1?@127.0.0.1/", "not allowed"),
        ("http://127.0.0.1\\@192.0.2.1/", "."),
        ("http://\u24db\u24de\u24d2\u24d0\u24db.example/", "not allowed"),
        ("gopher://127.0.0.1/_GET", "cannot be pushed to"),
        ("dict://127.0.0.1:11211/", "cannot be pushed to"),
        ("unix:///var/run/docker.sock", "cannot be pushed to"),
        ("http+unix://%2Fvar%2Frun%2Fdocker.sock/", "cannot be pushed to"),
        ("javascript:alert(1)", "cannot be pushed to"),
        ("//192.0.2.1/", "cannot be pushed to"),
        ("http://127.0.0.1\r\nX-A: b/", "."),
        ("http:\\\\192.0.2.1\\", "."),
    ],
)
def test_everything_else_is_refused(url: str, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        EndpointPolicy(()).check(url)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("receiver", "http://RECEIVER:9/push"),
        ("192.0.2.1", "http://192.0.2.1/"),
        ("10.0.0.0/8", "http://10.1.2.3/"),
        ("2001:db8::/32", "http://[2001:db8::5]/"),
        ("10.0.0.0/8", "http://some.name/"),
        ("*", "http://anything.example/"),
        ("*", "http://192.0.2.1/"),
    ],
)
def test_the_operator_may_allow_more(allowed: str, url: str) -> None:
    EndpointPolicy((allowed,)).check(url)


def test_an_empty_host_is_refused() -> None:
    with pytest.raises(Malformed, match="empty"):
        EndpointPolicy(("a", " "))


@pytest.mark.parametrize(
    ("allowed", "host", "addresses", "left"),
    [
        ((), "localhost", ["127.0.0.1"], ["127.0.0.1"]),
        ((), "rebound.example", ["192.0.2.1"], None),
        (("10.0.0.0/8",), "mixed.example", ["192.0.2.1", "10.0.0.7"], ["10.0.0.7"]),
        (("named.example",), "named.example", ["192.0.2.1"], ["192.0.2.1"]),
    ],
)
async def test_a_name_is_judged_by_what_it_resolves_to(
    monkeypatch: pytest.MonkeyPatch, allowed: tuple[str, ...], host: str, addresses: list[str], left: list[str] | None
) -> None:
    async def resolve(self: ThreadedResolver, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[dict[str, Any]]:
        return [{"host": address, "port": port} for address in addresses]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    resolver = PolicyResolver(EndpointPolicy(allowed))
    if left is None:
        with pytest.raises(OSError, match="no address that is allowed"):
            await resolver.resolve(host, 80)
    else:
        assert [entry["host"] for entry in await resolver.resolve(host, 80)] == left
    await resolver.close()


OTHER_SPELLINGS = [
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "\uff11\uff12\uff17.0.0.1",
]
ELSEWHERE = ["3221225985", "0xc0000201", "0300.0.2.1", "192.513", "169.254.43518", "0xa9fea9fe", "2852039166"]


@pytest.mark.parametrize("host", OTHER_SPELLINGS + ELSEWHERE)
def test_numbers_that_some_resolvers_take_for_addresses(host: str) -> None:
    """Decimal, hexadecimal, octal and short forms are names here, so they are refused like any other that is not listed."""
    try:
        EndpointPolicy(()).check(f"http://{host}/")
    except Malformed:
        return
    assert URL(f"http://{host}/").host == "127.0.0.1", "normalised to what it is before it was judged"


@pytest.mark.parametrize("host", ELSEWHERE)
async def test_numbers_are_judged_by_what_they_resolve_to(host: str) -> None:
    """Where names may be tried because a network is listed, the resolver of the system may well take them for addresses."""
    policy = EndpointPolicy(("10.0.0.0/8",))
    try:
        policy.check(f"http://{host}/")
    except Malformed:
        return
    resolver = PolicyResolver(policy)
    with pytest.raises(OSError, match=r".*"):
        await resolver.resolve(host, 80)
    await resolver.close()


class Elsewhere:
    """A server on loopback that stands for one inside, and what reached it."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        self.reached.append(request.path)
        return web.Response(status=204)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    """Wherever they lead, be it an address that is allowed: an endpoint that redirects has rejected the message."""
    inside = Elsewhere()

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"http://127.0.0.1:{port}/inside"})

    async with serving(inside.take) as port, serving(redirect) as first:
        pusher = Pusher(Outbox(), EndpointPolicy(()))
        result = await pusher.push(f"http://127.0.0.1:{first}/", b"<a/>")
        await pusher.close()
    assert (result.verdict, result.status) == (Verdict.REJECTED, status)
    assert not inside.reached


async def test_a_name_that_is_pointed_elsewhere_after_it_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: allowed at first, then another address; the connection goes to what was judged, or nowhere."""
    inside, answers = Elsewhere(), [["127.0.0.1"], ["127.0.0.2"], ["192.0.2.1"]]

    async def resolve(self: ThreadedResolver, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[dict[str, Any]]:
        found = answers.pop(0)
        entry = {"hostname": host, "port": port, "family": socket.AF_INET, "proto": 0, "flags": socket.AI_NUMERICHOST}
        return [{**entry, "host": address} for address in found]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    async with serving(inside.take) as port:
        policy = EndpointPolicy(("127.0.0.1/32", "198.51.100.0/24"))
        results = []
        for _ in range(3):
            pusher = Pusher(Outbox(timeout_ms=500), policy)
            results.append((await pusher.push(f"http://rebound.example:{port}/", b"<a/>")).verdict)
            await pusher.close()
    assert results[0] is Verdict.TAKEN
    assert results[2] is Verdict.UNREACHABLE
    assert len(inside.reached) == 1


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """It would resolve and connect where the policy cannot see it."""
    proxy, endpoint = Elsewhere(), Elsewhere()
    async with serving(proxy.take) as proxy_port, serving(endpoint.take) as port:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy_port}")
        pusher = Pusher(Outbox(), EndpointPolicy(()))
        await pusher.push(f"http://127.0.0.1:{port}/push", b"<a/>")
        await pusher.close()
    assert (proxy.reached, endpoint.reached) == ([], ["/push"])


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[int]:
    """A server on loopback; its port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await AddressSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()
