"""Control operations for those who watch: a stream of events, what needs somebody's attention, and the traffic as HAR."""

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from emulator.service.control_models import EventParameters, ExceptionParameters, HarParameters
from emulator.service.control_records import described, journal_query
from emulator.service.har import har_pieces
from emulator.service.hosted import WorldState
from emulator.service.journal import pages
from emulator.service.persistence.contract import DeliveryState, JournalQuery, Log, OutboxQuery
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route
from emulator.service.streaming import streamed

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
            query=HarParameters,
        ),
    ]


async def _events(call: Call) -> Answer:
    wanted, world, log = call.given(EventParameters), call.hosted, call.hosted.log
    life = await _life(log)
    cursor, anew = await _cursor(call, wanted.after, life)
    fields, left = wanted.model_dump(exclude={"after", "count"}), wanted.count
    query = JournalQuery(**fields, after=cursor, limit=EVENTS_PAGE)
    async with streamed(call.request, "text/event-stream") as response:
        if anew:
            await response.write(b": the world has begun anew since that event; this is from its beginning\n\n")
        while world.state is WorldState.READY and world.log is log and left != 0:
            changed = world.changed
            page = await log.journal(query if left is None else replace(query, limit=min(left, EVENTS_PAGE)))
            for entry in page:
                await response.write(_event(entry, life))
            if page:
                query = replace(query, after=page[-1]["number"])
                left = None if left is None else left - len(page)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S):
                    await changed.wait()
                    continue
            await response.write(b": nothing new\n\n")
    return response


async def _life(log: Log) -> int:
    """Tells a world that has begun anew (reset, restored, made again) from what it was before: its events count from 1 again."""
    return int((await log.metadata()).get("created_wall_ms", "0"))


async def _cursor(call: Call, after: int, life: int) -> tuple[int, bool]:
    """The number after which events are wanted, and whether it was of another life of the world: then all of this one are.

    Raise :class:`ControlRefused` for what is no cursor, and for a number that no event has had.
    """
    header, anew, where = call.request.headers.get("Last-Event-ID"), False, "after"
    if header:  # a browser sends an empty one before it has seen any
        found = re.fullmatch(r"([0-9]{1,17})(?:-([0-9]{1,17}))?", header)
        if found is None:
            raise ControlRefused(400, f"{header[:40]!r} is not a cursor", where="Last-Event-ID", expected="the id of an event")
        anew = found[2] is not None and int(found[2]) != life
        after, where = 0 if anew else int(found[1]), "Last-Event-ID"
    if after and not await call.hosted.log.journal(JournalQuery(after=after - 1, limit=1)):
        expected = "the number of an event that has come, or 0 for all"
        raise ControlRefused(400, f"there is no event {after} yet", where=where, expected=expected)
    return after, anew


def _event(entry: Mapping[str, Any], life: int) -> bytes:
    """One event: its id is the cursor (number and life), its type the entry's kind, its data the entry in JSON on one line."""
    data = json.dumps(entry, separators=(",", ":"), default=str)
    return f"id: {entry['number']}-{life}\nevent: {entry['kind']}\ndata: {data}\n\n".encode()


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
    query = replace(journal_query(call.given(HarParameters)), bodies=True)
    async with streamed(call.request, "application/json") as response:
        async for piece in har_pieces(pages(call.hosted.log, query)):
            await response.write(piece)
    return response
