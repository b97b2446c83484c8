"""Pushes go to loopback and where the operator allows, whatever a name says."""

import socket
from typing import Any

import pytest
from aiohttp.resolver import ThreadedResolver

from emulator.domain.errors import Malformed
from emulator.service.endpoints import EndpointPolicy, PolicyResolver


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
