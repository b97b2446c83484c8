"""Control operations for those who watch: a stream of events, what needs somebody's attention, and the traffic as HAR."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from aiohttp import web

from emulator.service.control_models import EventParameters, ExceptionParameters, JournalParameters
from emulator.service.control_records import described, journal_query
from emulator.service.har import har_document
from emulator.service.hosted import WorldState
from emulator.service.persistence.contract import DeliveryState, JournalQuery, OutboxQuery
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route

EVENTS_PAGE = 200
"""Entries read at a time."""
QUIET_S = 15.0
"""A stream with nothing to say sends a comment so often, so that nobody between takes it for dead."""


def event_routes() -> list[Route]:
    """The table."""
    return [
        Route(
            *("GET", f"{WORLD}/events", _events, "Everything that happens, as server-sent events with a cursor", "journal"),
            query=EventParameters,
            media_type="text/event-stream",
        ),
        Route(
            *(
                "GET",
                f"{WORLD}/exceptions",
                _exceptions,
                "What does not go on by itself",
                "journal",
            ),
            query=ExceptionParameters,
        ),
        Route(
            "GET",
            f"{WORLD}/journal/har",
            _har,
            "Requests and pushes as an HTTP Archive (HAR 1.2)",
            "journal",
            query=JournalParameters,
        ),
    ]


async def _events(call: Call) -> Answer:
    wanted, world = call.given(EventParameters), call.hosted
    cursor = _cursor(call.request.headers.get("Last-Event-ID"), wanted.after)
    fields = wanted.model_dump(exclude={"after", "count"})
    query = JournalQuery(**fields, after=cursor, limit=EVENTS_PAGE)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(call.request)
    left = wanted.count
    while world.state is WorldState.READY and left != 0:
        changed = world.changed
        page = await world.log.journal(query if left is None else replace(query, limit=min(left, EVENTS_PAGE)))
        for entry in page:
            await response.write(_event(entry))
        if page:
            query = replace(query, after=page[-1]["number"])
            left = None if left is None else left - len(page)
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_S):
                await changed.wait()
                continue
        await response.write(b": nothing new\n\n")
    await response.write_eof()
    return response


def _cursor(header: str | None, after: int) -> int:
    if header is None:
        return after
    if not (header.isascii() and header.isdigit() and len(header) < 18):
        raise ControlRefused(400, f"{header[:40]!r} is not a cursor", where="Last-Event-ID", expected="the id of an event")
    return int(header)


def _event(entry: Mapping[str, Any]) -> bytes:
    """One event: its id is the cursor, its type the kind of the entry, its data the entry in JSON on one line."""
    data = json.dumps(entry, separators=(",", ":"), default=str)
    return f"id: {entry['number']}\nevent: {entry['kind']}\ndata: {data}\n\n".encode()


async def _exceptions(call: Call) -> Answer:
    wanted, world = call.given(ExceptionParameters), call.hosted
    views = world.world.views
    dead = await world.log.outbox(OutboxQuery(state=DeliveryState.DEAD, limit=wanted.limit))
    failed = await world.log.journal(JournalQuery(kind="warning", limit=wanted.limit))
    return {
        "jobs": views.troubled_jobs(wanted.limit),
        "quarantine": views.quarantine()[: wanted.limit],
        "dead_letters": [described(world, entry) for entry in dead],
        "warnings": failed,
        "storage": world.log.failure,
        "engine": world.pump.broken or None,
    }


async def _har(call: Call) -> Answer:
    wanted = call.given(JournalParameters)
    query = replace(journal_query(wanted), bodies=True)
    entries = await call.hosted.log.journal(query)
    return har_document(entries)
