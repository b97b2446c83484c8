"""Where pushes may go: loopback, and what the operator has allowed. Checked when an endpoint is set and again for every address
that its name resolves to, so that a name cannot be pointed elsewhere afterwards."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from emulator.domain.errors import Malformed

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A user's Receive Response endpoint."""

    url: str
    floor_ms: int | None = None
    """Wall time between an acknowledgement and the push of its result; None means the server's setting."""


class EndpointPolicy:
    """Which hosts may be pushed to."""

    def __init__(self, allowed_hosts: Sequence[str]) -> None:
        """``allowed_hosts`` has names, addresses and networks; ``*`` allows any. Raises :class:`Malformed` for an empty one."""
        self._any = "*" in allowed_hosts
        self._names: set[str] = set()
        self._networks: list[Network] = []
        for host in allowed_hosts:
            text = host.strip().lower()
            if not text:
                raise Malformed("an allowed host is empty", where="outbox.allowed_hosts", expected="a name, address or network")
            try:
                self._networks.append(ipaddress.ip_network(text, strict=False))
            except ValueError:
                self._names.add(text)

    def check(self, url: str) -> None:
        """Raise :class:`Malformed` when ``url`` is no address that a push may go to."""
        try:
            parsed = URL(url)
            host = parsed.host
        except ValueError as error:
            raise Malformed(f"{url[:80]!r} is not a URL: {error}", where="url", expected="http://host:port/path") from None
        if parsed.scheme not in ("http", "https") or not host or len(url) > MAX_URL_CHARACTERS or parsed.user is not None:
            raise Malformed(f"{url[:80]!r} cannot be pushed to", where="url", expected="http(s)://host:port/path")
        if parsed.port == 0:
            raise Malformed("port 0 cannot be pushed to", where="url", expected="a port")
        address = _address(host)
        if address is not None and not self.allows_address(address):
            raise Malformed(f"address {host} is not allowed", where="url", expected="loopback, or a host in outbox.allowed_hosts")
        if address is None and not (self._any or self._resolvable(host)):
            raise Malformed(f"host {host} is not allowed", where="url", expected="loopback, or a host in outbox.allowed_hosts")

    def allows_name(self, host: str) -> bool:
        """Whether this name is allowed whatever it resolves to."""
        return self._any or host.lower() in self._names

    def allows_address(self, address: Address) -> bool:
        """Whether this address is allowed by itself."""
        if self._any or address.is_loopback or str(address) in self._names:
            return True
        return any(address.version == network.version and address in network for network in self._networks)

    def _resolvable(self, host: str) -> bool:
        """A name may be tried when it is listed, is loopback's own, or may resolve into an allowed network."""
        return self.allows_name(host) or host.lower() == "localhost" or bool(self._networks)


class PolicyResolver(AbstractResolver):
    """Resolves names and leaves out the addresses that the policy forbids."""

    def __init__(self, policy: EndpointPolicy) -> None:
        self._policy = policy
        self._resolver = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Addresses that may be connected to; raises :class:`OSError` when there is none."""
        found = await self._resolver.resolve(host, port, family)
        if self._policy.allows_name(host):
            return found
        allowed = [entry for entry in found if (address := _address(entry["host"])) and self._policy.allows_address(address)]
        if not allowed:
            raise OSError(None, f"{host} resolves to no address that is allowed")
        return allowed

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()


def is_address(host: str) -> bool:
    """Whether a host is an IP address in its usual form, not a name."""
    return _address(host) is not None


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
