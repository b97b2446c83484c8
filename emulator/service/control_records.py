"""Control operations on what happened: the journal and the outbox."""

from dataclasses import asdict
from typing import Any

from emulator.domain.identifiers import format_eui
from emulator.service.control_models import JournalParameters, OutboxParameters, ResendQuery, TranscriptParameters
from emulator.service.hosted import HostedWorld
from emulator.service.journal import JournalKeys, decoded, transcript
from emulator.service.persistence.contract import DeliveryState, JournalQuery, OutboxEntry, OutboxQuery
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route
from emulator.service.streaming import streamed


def record_routes() -> list[Route]:
    """The table."""
    journal, outbox = f"{WORLD}/journal", f"{WORLD}/outbox"
    return [
        Route("GET", journal, _journal, "What happened", "journal", query=JournalParameters),
        Route(
            *("GET", f"{journal}/transcript", _transcript, "What happened, with all XML, one JSON object a line", "journal"),
            query=TranscriptParameters,
            media_type="application/x-ndjson",
        ),
        Route("GET", outbox, _outbox, "Messages and what became of them", "outbox", query=OutboxParameters),
        Route("POST", f"{outbox}/resend", _resend_dead, "Queue all dead letters again", "outbox", query=ResendQuery),
        Route("GET", f"{outbox}/{{number}}", _message, "One message with its XML", "outbox"),
        Route("POST", f"{outbox}/{{number}}/resend", _resend, "Queue a finished message again", "outbox", problems=(409,)),
    ]


def journal_query(wanted: JournalParameters) -> JournalQuery:
    """The query that the parameters of a call stand for."""
    return JournalQuery(**wanted.model_dump(exclude={"decode"}))


async def _journal(call: Call) -> Answer:
    wanted = call.given(JournalParameters)
    entries = await call.hosted.log.journal(journal_query(wanted))
    keys = JournalKeys(call.hosted.world.keys)
    return {
        "entries": [decoded(entry, keys) for entry in entries] if wanted.decode else entries,
        "next_after": entries[-1]["number"] if entries else None,
    }


async def _transcript(call: Call) -> Answer:
    wanted = call.given(TranscriptParameters)
    keys = JournalKeys(call.hosted.world.keys)
    async with streamed(call.request, "application/x-ndjson") as response:
        async for line in transcript(call.hosted.log, keys, journal_query(wanted), decode=wanted.decode):
            await response.write(line)
    return response


def described(world: HostedWorld, entry: OutboxEntry) -> dict[str, Any]:
    """A message as the API shows it, with what it waits for."""
    return {
        **asdict(entry),
        "recipient": format_eui(entry.recipient),
        "device": None if entry.device is None else format_eui(entry.device),
        "state": entry.state.value,
        "waits_for": world.outbox.waits_for(entry.number) if entry.state is DeliveryState.QUEUED else None,
    }


async def _outbox(call: Call) -> Answer:
    world = call.hosted
    query = OutboxQuery(**call.given(OutboxParameters).model_dump())
    entries = await world.log.outbox(query)
    tally = await world.log.tally(query)
    return {
        "counts": {state.value: tally.of(state) for state in DeliveryState},
        "messages": [described(world, entry) for entry in entries],
        "next_after": entries[-1].number if entries else None,
    }


async def _entry(call: Call) -> OutboxEntry:
    number = call.number("number", "the number of a message")
    found = await call.hosted.log.outbox(OutboxQuery(after=number - 1, limit=1))
    if not found or found[0].number != number:
        raise ControlRefused(404, f"there is no message {number}", where="number", expected="the number of a kept message")
    return found[0]


async def _message(call: Call) -> Answer:
    entry = await _entry(call)
    body = await call.hosted.log.delivery_body(entry.number)
    return {**described(call.hosted, entry), "xml": None if body is None else body.decode("utf-8", "replace")}


async def _resend(call: Call) -> Answer:
    entry = await _entry(call)
    if entry.state is DeliveryState.QUEUED or not await call.hosted.resend(entry):
        raise ControlRefused(409, f"message {entry.number} is queued already", where="number", expected="a finished message")
    return described(call.hosted, await _entry(call))


async def _resend_dead(call: Call) -> Answer:
    world, query = call.hosted, call.given(ResendQuery)
    queued, after = 0, 0
    while entries := await world.log.outbox(OutboxQuery(state=DeliveryState.DEAD, recipient=query.recipient, after=after)):
        for entry in entries:
            queued += await world.resend(entry)
        after = entries[-1].number
    return {"queued": queued}
