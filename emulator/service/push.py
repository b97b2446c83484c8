"""One push of one message: the request, and what its answer means."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

import aiohttp

from emulator.service.config import Outbox as OutboxSettings
from emulator.service.endpoints import EndpointPolicy, PolicyResolver
from emulator.service.tls import push_context
from emulator.service.transport_faults import UNSPOILT_PUSH, PushFaults

LATER_STATUSES = frozenset({408, 425, 429})
"""Besides 5xx: answers that say 'later' rather than 'no'."""
MAX_ANSWER_BYTES = 16 * 1024
"""How much of an endpoint's answer is read so that its connection can be used again."""
IDLE_CONNECTION_S = 4.0
"""Stock receivers close idle connections after 5 s (wire_contract.md section 2)."""


class Verdict(StrEnum):
    """What an attempt means for the message."""

    TAKEN = "taken"
    """Any 2xx (wire_contract.md section 2)."""
    LATER = "later"
    """The endpoint is there and cannot take it now."""
    REJECTED = "rejected"
    """The endpoint does not want it."""
    UNREACHABLE = "unreachable"
    """No answer."""
    LOST = "lost"
    """There is nothing to send any more."""


@dataclass(frozen=True, slots=True)
class PushResult:
    """How one attempt ended."""

    verdict: Verdict
    status: int | None
    detail: str


def judge(status: int) -> Verdict:
    """What an HTTP status means. Redirects are not followed and count as rejections."""
    if 200 <= status < 300:
        return Verdict.TAKEN
    return Verdict.LATER if status >= 500 or status in LATER_STATUSES else Verdict.REJECTED


class Pusher:
    """The HTTP client for all endpoints of a world."""

    def __init__(self, settings: OutboxSettings, policy: EndpointPolicy) -> None:
        """Needs a running event loop."""
        self._timeout_ms = settings.timeout_ms
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=IDLE_CONNECTION_S, resolver=PolicyResolver(policy), ssl=push_context(settings)
            ),
            timeout=aiohttp.ClientTimeout(total=settings.timeout_ms / 1000),
            headers={"User-Agent": "dcc-csp-emulator", "Accept-Encoding": "identity", "Content-Type": "application/xml"},
            trust_env=False,
            auto_decompress=False,
        )

    async def push(self, url: str, body: bytes, spoilt: PushFaults = UNSPOILT_PUSH) -> PushResult:
        """POST ``body``, once unless it is ``spoilt`` on purpose; everything that can go wrong is a result."""
        if spoilt.delay_ms:
            await asyncio.sleep(spoilt.delay_ms / 1000)
        if spoilt.cut_percent:
            return await self._break_off(url, body, spoilt.cut_percent)
        if spoilt.garbled:
            body = with_other_signature(body)
        headers = {"Content-Type": spoilt.content_type} if spoilt.content_type else {}
        result = await self._post(url, body, headers)
        for _ in range(spoilt.copies if result.verdict is Verdict.TAKEN else 0):
            await self._post(url, body, headers)
        return result

    async def _break_off(self, url: str, body: bytes, percent: int) -> PushResult:
        """Begin to POST and end the connection. That says nothing about the endpoint, so the message is just tried again."""
        sent = len(body) * percent // 100

        async def first_part() -> AsyncIterator[bytes]:
            yield body[:sent]
            await asyncio.sleep(0)
            raise ConnectionAbortedError("a planned fault")

        try:
            headers = {"Content-Length": str(len(body))}
            async with self._session.post(url, data=first_part(), headers=headers, allow_redirects=False):
                pass
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            pass
        return PushResult(Verdict.LATER, None, f"a planned fault broke it off after {sent} of {len(body)} octets")

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> PushResult:
        try:
            async with self._session.post(url, data=io.BytesIO(body), headers=headers, allow_redirects=False) as answer:
                await answer.content.read(MAX_ANSWER_BYTES)
                return PushResult(judge(answer.status), answer.status, answer.reason or "")
        except TimeoutError:
            return PushResult(Verdict.UNREACHABLE, None, f"no answer within {self._timeout_ms} ms")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return PushResult(Verdict.UNREACHABLE, None, f"{type(error).__name__}: {error}"[:300])

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


def with_other_signature(body: bytes) -> bytes:
    """A message whose XML signature has the right form and is not its own: its first octets are others."""
    return re.sub(rb"(SignatureValue>\s*)(.)", lambda found: found[1] + (b"B" if found[2] == b"A" else b"A"), body, count=1)
