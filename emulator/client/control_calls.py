"""How the control API is called: one connection, its errors in the API's words."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from emulator.client.errors import Rejected, Unreachable
from emulator.domain.operators import OPERATOR_HEADER, check_operator

MAX_EVENT_BYTES = 1 << 24
"""Longest line of an event stream that is read."""

Json = dict[str, Any]


class ControlCalls:
    """Calls about one world of one server."""

    def __init__(
        self,
        url: str,
        world: str = "default",
        *,
        token: str = "",
        operator: str = "",
        timeout_s: float = 30.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``url`` is the root of the control service. Calls that wait take longer than ``timeout_s`` as they say. ``operator`` is
        the human who calls, for the audit trail; ``tls`` is as :func:`emulator.client.tls.client_tls` makes it."""
        self.url = url.rstrip("/")
        self.world = world
        self._timeout_s = timeout_s
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        if operator:
            self._headers[OPERATOR_HEADER] = check_operator(operator)
        self._tls = tls
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(headers=self._headers, connector=aiohttp.TCPConnector(ssl=self._tls or True))
        return self._http

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        waits_ms: int = 0,
        operator: str = "",
    ) -> bytes:
        """Any operation: the octets of its answer. ``operator`` is the human who calls, where the operation records one."""
        timeout_s = self._timeout_s + waits_ms / 1000
        headers = {OPERATOR_HEADER: check_operator(operator)} if operator else {}
        data = None
        if body is not None:
            data = BytesIO(json.dumps(body).encode())  # large ones, such as an estate, go piece by piece
            headers["Content-Type"] = "application/json"
        params = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        try:
            async with self._session().request(
                method,
                self.url + path,
                params=params,
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as answer:
                content = await answer.read()
                if answer.status >= 400:
                    raise Rejected(answer.status, _explanation(content))
                return content
        except TimeoutError as late:
            raise Unreachable(f"{self.url} did not answer within {timeout_s} s") from late
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{self.url}: {error}") from error

    async def _json(self, method: str, path: str, **options: Any) -> Json:
        found: Json = json.loads(await self.call(method, path, **options))
        return found

    def _path(self, rest: str) -> str:
        return f"/control/v1/worlds/{self.world}/{rest}".rstrip("/")

    async def _stream(self, path: str, query: Mapping[str, Any], last_id: str) -> AsyncIterator[tuple[str, Json]]:
        """Server-sent events after the one with ``last_id``, if that is given: id and data of each."""
        params = {name: _text(value) for name, value in query.items() if value is not None}
        headers = {"Last-Event-ID": last_id} if last_id else {}
        timeout, id_ = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s), ""
        try:
            async with self._session().get(
                self.url + path, params=params, headers=headers, timeout=timeout, read_bufsize=MAX_EVENT_BYTES
            ) as answer:
                if answer.status >= 400:
                    raise Rejected(answer.status, _explanation(await answer.read()))
                async for line in answer.content:
                    if line.startswith(b"id: "):
                        id_ = line[len(b"id: ") :].decode().strip()
                    elif line.startswith(b"data: "):
                        yield id_, json.loads(line[len(b"data: ") :])
        except aiohttp.ClientPayloadError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{self.url}: {error}") from error


def segment(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _explanation(content: bytes) -> str:
    try:
        problem = json.loads(content)
        where, expected = problem["where"], problem["expected"]
        return f"{f'{where}: ' if where else ''}{problem['error']}{f'; expected {expected}' if expected else ''}"
    except (ValueError, KeyError, TypeError):
        return content.decode("utf-8", "replace").strip()[:500]
