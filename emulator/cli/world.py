"""Verbs that look at a running world and move it: clock, devices, users, journal, outbox."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from emulator.cli.output import ExitCode, console, print_fields, print_json, print_rows
from emulator.cli.remote import Call, duration_ms, instant_ms, remote
from emulator.client.archive import device_archive, zipped
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.domain.vocabulary import DeviceStatus, DeviceType
from emulator.duis.datetimes import format_datetime

clock = typer.Typer(
    no_args_is_help=True,
    help="Simulated time: show it, stop it, move it, run until something is so.",
)
outbox = typer.Typer(no_args_is_help=True, help="Messages to users and what became of them.")
users = typer.Typer(no_args_is_help=True, help="DUIS users and their endpoints.")

LimitOption = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")]


LastOption = Annotated[int, typer.Option("--last", min=0, max=10_000, help="Only so many of the newest; 0: the first ones.")]

_PORTION = 10_000


async def _last(count: int, portion: Callable[..., Awaitable[list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """The last entries of a list that is read from its beginning in portions."""
    kept: deque[dict[str, Any]] = deque(maxlen=count)
    after = 0
    while entries := await portion(after=after, limit=_PORTION):
        kept.extend(entries)
        after = entries[-1]["number"]
    return list(kept)


def _show_clock(call: Call, found: dict[str, Any]) -> None:
    if call.as_json:
        print_json(found)
        return
    next_ms = found.get("next_event_ms")
    shown = {
        "now": format_datetime(found["now_ms"]),
        "mode": found["mode"],
        "rate": found["rate"],
        "next event": None if next_ms is None else format_datetime(next_ms),
        "awaited": found["awaited"],
    }
    print_fields("", shown)


@clock.command("show")
@remote
def clock_show(call: Call) -> None:
    """Say what simulated time it is and how it moves."""
    _show_clock(call, call.ask(lambda client: client.clock()))


@clock.command("pause")
@remote
def clock_pause(call: Call) -> None:
    """Let simulated time stand still."""
    _show_clock(call, call.ask(lambda client: client.pause()))


@clock.command("resume")
@remote
def clock_resume(call: Call) -> None:
    """Let simulated time go on as before the pause."""
    _show_clock(call, call.ask(lambda client: client.resume()))


@clock.command("autojump")
@remote
def clock_autojump(call: Call) -> None:
    """Let simulated time jump to the next event whenever somebody waits."""
    _show_clock(call, call.ask(lambda client: client.autojump()))


@clock.command("rate")
@remote
def clock_rate(call: Call, rate: Annotated[str, typer.Argument(help="Simulated over wall time: 1, 60, 0.5 or 3/2.")]) -> None:
    """Let simulated time follow wall time."""
    _show_clock(call, call.ask(lambda client: client.set_rate(rate)))


@clock.command("advance")
@remote
def clock_advance(
    call: Call,
    by: Annotated[str, typer.Option("--by", help="Duration such as 90s, 30m, 2h, 1d.")] = "",
    to: Annotated[str, typer.Option("--to", help="Date and time of UTC, such as 2026-01-05T12:00:00Z.")] = "",
) -> None:
    """Move simulated time as fast as possible. Ends with 1 when the instant was not reached."""
    if bool(by) == bool(to):
        raise Malformed("how far is not clear", expected="exactly one of --by and --to")
    by_ms, to_ms = duration_ms(by) if by else None, instant_ms(to) if to else None
    now_ms = call.ask(lambda client: client.clock())["now_ms"]
    if to_ms is not None and to_ms <= now_ms:
        raise Malformed(f"{format_datetime(to_ms)} is over", where="--to", expected=f"later than {format_datetime(now_ms)}")
    found = call.ask(lambda client: client.advance(by_ms=by_ms, to_ms=to_ms))
    _show_clock(call, found)
    if not found["reached"]:
        raise typer.Exit(ExitCode.VERDICT)


@clock.command("step")
@remote
def clock_step(call: Call, count: Annotated[int, typer.Argument(min=1, help="How many events.")] = 1) -> None:
    """Go on to the next event, or by several. Ends with 1 when fewer are planned."""
    found = call.ask(lambda client: client.step(count))
    _show_clock(call, found)
    if found["events"] < count:
        raise typer.Exit(ExitCode.VERDICT)


@clock.command("run-until")
@remote
def clock_run_until(
    call: Call,
    kind: Annotated[str, typer.Argument(help="idle, messages, answered, job, jobs, transaction, device or inventory.")],
    fields: Annotated[
        list[str] | None,
        typer.Argument(
            help="Its fields as NAME=VALUE, such as device=EUI states=VERIFIED; for device and inventory also values.",
            show_default=False,
        ),
    ] = None,
    within: Annotated[str, typer.Option("--within", help="Simulated time to spend at most, such as 5d.")] = "30d",
    timeout: Annotated[str, typer.Option("--timeout", help="Wall time to spend at most, such as 30s.")] = "10m",
) -> None:
    """Go from event to event until a condition holds, in any mode of the clock; say how it stands, and end with 1, when it does
    not come to that.

    `run-until job device=00-DB-12-34-56-78-90-A0 states=VERIFIED`, `run-until messages count=3 device=…`,
    `run-until device device=… running_version=00010100`, `run-until inventory device=… status=Commissioned`.
    """
    limits = {"within_ms": duration_ms(within), "timeout_ms": duration_ms(timeout)}
    condition = _condition(kind, fields or [])
    found = call.ask(lambda client: client.run_until(kind, **limits, **condition))
    if call.as_json:
        print_json(found)
    else:
        _show_clock(call, found)
        print_fields("", {"ended by": found["ended_by"], "seen": json.dumps(found["seen"])})
    if not found["met"]:
        raise typer.Exit(ExitCode.VERDICT)


_LISTS = frozenset({"states"})
"""Fields of conditions that take several values, with commas between them."""
_VALUED = frozenset({"device", "inventory"})
"""Kinds of condition whose further fields are values by path."""


def _condition(kind: str, fields: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"values": {}} if kind in _VALUED else {}
    for text in fields:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise Malformed(f"{text!r} is no field", where="FIELDS", expected="NAME=VALUE")
        if kind in _VALUED and name != "device":
            found["values"][name] = {"true": True, "false": False, "none": None}.get(value, value)
        else:
            found[name] = value.split(",") if name in _LISTS else value
    return found


@remote
def devices(
    call: Call,
    device: Annotated[str, typer.Argument(help="EUI of one device, to see all that is known of it.", show_default=False)] = "",
    device_type: Annotated[str, typer.Option("--type", help="Only this type, such as ESME.")] = "",
    status: Annotated[str, typer.Option("--status", help="Only this inventory status.")] = "",
    hub: Annotated[str, typer.Option("--hub", help="Only the home of this hub (EUI).")] = "",
    limit: LimitOption = 1000,
    archive: Annotated[
        Path | None, typer.Option("--archive", help="Write all that is known of DEVICE into this ZIP file.", show_default=False)
    ] = None,
) -> None:
    """List devices: what the inventory has, what they really run, what becomes of their firmware."""
    if archive is not None:
        eui = parse_eui(device)
        counts, files = call.ask(lambda client: device_archive(client, eui))
        archive.write_bytes(zipped({"device": format_eui(eui), **counts}, files))
        call.show(counts, str(archive))
        return
    if device:
        eui = parse_eui(device)
        found = call.ask(lambda client: client.device(eui))
        call.show(found, format_eui(eui))
        return
    query = {
        "type": _one_of(DeviceType, device_type, "--type"),
        "status": _one_of(DeviceStatus, status, "--status"),
        "hub": format_eui(parse_eui(hub)) if hub else None,
        "limit": limit,
    }
    rows = call.ask(lambda client: client.devices(**query))
    if call.as_json:
        print_json(rows)
        return
    columns = ("Device", "Type", "Status", "Listed", "Running", "Firmware job", "Hub")
    print_rows(columns, [_device_row(row) for row in rows])


def _one_of(kind: type[StrEnum], text: str, where: str) -> str | None:
    """A word of a vocabulary in its own case; None for no word."""
    known = {str(value).lower(): str(value) for value in kind}
    if text and text.lower() not in known:
        raise Malformed(f"{text!r} is not known", where=where, expected=f"one of {', '.join(known.values())}")
    return known.get(text.lower())


def _device_row(row: dict[str, Any]) -> tuple[object, ...]:
    listed, state, job = row["inventory"] or {}, row["state"] or {}, row["job"] or {}
    return (
        row["device"],
        listed.get("type"),
        listed.get("status"),
        listed.get("firmware_version"),
        state.get("running_version"),
        job.get("state"),
        listed.get("hub"),
    )


@users.command("list")
@remote
def users_list(call: Call) -> None:
    """List users, their roles and where their pushes go."""
    rows = call.ask(lambda client: client.users())
    if call.as_json:
        print_json(rows)
        return
    columns = ("User", "Name", "Roles", "Active", "Endpoint")
    shown = [(row["user"], row["name"], " ".join(row["roles"]), row["active"], row["endpoint"] or None) for row in rows]
    print_rows(columns, shown)


@users.command("endpoint")
@remote
def users_endpoint(
    call: Call,
    user: Annotated[str, typer.Argument(help="EUI of the user.")],
    url: Annotated[str, typer.Argument(help="Where its pushes go; empty holds them back.")],
    floor: Annotated[
        str,
        typer.Option("--floor", help="Wall time between acknowledgement and push: 1s, 0ms."),
    ] = "",
) -> None:
    """Set where a user's pushes go."""
    eui, floor_ms = parse_eui(user), duration_ms(floor) if floor else None
    found = call.ask(lambda client: client.set_endpoint(eui, url, floor_ms))
    call.show(found)


@remote
def journal(
    call: Call,
    request_id: Annotated[str, typer.Option("--request-id", help="Only what belongs to this RequestID.")] = "",
    device: Annotated[str, typer.Option("--device", help="Only what concerns this device (EUI).")] = "",
    kind: Annotated[str, typer.Option("--kind", help="Only this kind, or its beginning: gbcs, push, gate …")] = "",
    text: Annotated[str, typer.Option("--text", help="Only what says this.")] = "",
    since: Annotated[str, typer.Option("--since", help="From this simulated instant on.")] = "",
    until: Annotated[str, typer.Option("--until", help="Up to this simulated instant.")] = "",
    limit: LimitOption = 100,
    last: LastOption = 0,
    decode: Annotated[bool, typer.Option("--decode", help="Take GBCS messages apart (with --json).")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write it with all XML and GBCS to a file of JSON lines; .har: an HTTP Archive."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens, until interrupted.")] = False,
) -> None:
    """Show what happened, the oldest first."""
    query: dict[str, Any] = {
        "request_id": request_id or None,
        "device": device or None,
        "kind": kind or None,
        "since_ms": instant_ms(since) if since else None,
        "until_ms": instant_ms(until) if until else None,
        "text": text or None,
    }
    if follow:
        if since or until or output is not None:
            raise Malformed("--follow shows what comes, all of it", expected="--follow without --since, --until and --output")
        wanted = {name: value for name, value in query.items() if value is not None}
        call.ask(lambda client: _follow(client.events(**wanted), call.as_json))
        return
    if output is not None and output.suffix == ".har":
        archive = call.ask(lambda client: client.har(**query))
        output.write_text(json.dumps(archive, indent=1, ensure_ascii=False), "utf-8")
        exchanges = len(archive["log"]["entries"])
        fields = {"output": str(output), "entries": exchanges}
        print_json(fields) if call.as_json else console().print(f"{exchanges} exchanges in {output}")
        return
    if output is not None:
        content = call.ask(lambda client: client.transcript_lines(**query))
        output.write_bytes(content)
        lines = content.count(b"\n")
        print_json({"output": str(output), "entries": lines}) if call.as_json else console().print(f"{lines} entries in {output}")
        return
    if last:
        entries = call.ask(lambda client: _last(last, partial(client.journal, **query, decode=decode)))
    else:
        entries = call.ask(lambda client: client.journal(**query, limit=limit, decode=decode))
    if call.as_json:
        print_json(entries)
        return
    columns = ("Number", "Simulated", "Kind", "What")
    print_rows(columns, [(e["number"], format_datetime(e["at_ms"]), e["kind"], e["summary"]) for e in entries])


async def _follow(entries: AsyncIterator[dict[str, Any]], json_output: bool) -> None:
    with suppress(asyncio.CancelledError, KeyboardInterrupt):
        async for entry in entries:
            when = format_datetime(entry["at_ms"])
            print(
                json.dumps(entry) if json_output else f"{entry['number']:>6}  {when}  {entry['kind']}  {entry['summary']}",
                flush=True,
            )


@remote
def exceptions(call: Call, limit: LimitOption = 100) -> None:
    """Show what does not go on by itself: failed jobs, quarantined requests, dead letters, warnings."""
    found = call.ask(lambda client: client.exceptions(limit=limit))
    if call.as_json:
        print_json(found)
        return
    rows = [("job", job["device"], f"{job['state']} {job['reason'] or ''}".strip()) for job in found["jobs"]]
    rows += [("quarantine", held["user"], f"{held['variant']} {held['reference']}") for held in found["quarantine"]]
    rows += [("dead letter", letter["recipient"], f"{letter['kind']} {letter['code']} number {letter['number']}")
             for letter in found["dead_letters"]]  # fmt: skip
    rows += [("warning", entry["device"] or "", entry["summary"]) for entry in found["warnings"]]
    rows += [("server", "", found[name]) for name in ("storage", "engine") if found[name]]
    print_rows(("What", "Whom", "How"), rows)


@outbox.command("list")
@remote
def outbox_list(
    call: Call,
    state: Annotated[str, typer.Option("--state", help="Only this state: queued, delivered, dead.")] = "",
    recipient: Annotated[str, typer.Option("--recipient", help="Only for this user (EUI).")] = "",
    device: Annotated[str, typer.Option("--device", help="Only about this device (EUI).")] = "",
    request_id: Annotated[str, typer.Option("--request-id", help="Only answers to this RequestID.")] = "",
    limit: LimitOption = 100,
) -> None:
    """List messages to users. Ends with 1 when one of them is dead-lettered."""
    query = {
        "state": state or None,
        "recipient": recipient or None,
        "device": device or None,
        "request_id": request_id or None,
        "limit": limit,
    }
    found = call.ask(lambda client: client.outbox(**query))
    if call.as_json:
        print_json(found)
    else:
        columns = ("Number", "Simulated", "Recipient", "Kind", "Code", "State", "Attempts", "Waits for, or last outcome")
        print_rows(columns, [_message_row(message) for message in found["messages"]])
        print_fields("", found["counts"])
    if found["counts"].get("dead"):
        raise typer.Exit(ExitCode.VERDICT)


def _message_row(message: dict[str, Any]) -> tuple[object, ...]:
    names = ("number", "at_ms", "recipient", "kind", "code", "state", "attempts")
    number, at_ms, *rest = (message[name] for name in names)
    waits_for = message["waits_for"]
    outcome = " ".join(str(part) for part in (message["status"], message["detail"]) if part)
    return number, format_datetime(at_ms), *rest, outcome if waits_for is None else waits_for["for"]


@outbox.command("show")
@remote
def outbox_show(call: Call, number: Annotated[int, typer.Argument(help="Number of the message.")]) -> None:
    """Show one message with its XML."""
    found = call.ask(lambda client: client.message(number))
    call.show(found, f"message {number}")


@outbox.command("resend")
@remote
def outbox_resend(
    call: Call,
    number: Annotated[int | None, typer.Argument(help="A message; without it all dead letters.", show_default=False)] = None,
    recipient: Annotated[str, typer.Option("--recipient", help="Only dead letters for this user (EUI).")] = "",
) -> None:
    """Queue a finished message, or all dead letters, once more."""
    to = parse_eui(recipient) if recipient else None
    found = call.ask(lambda client: client.resend(number, to))
    call.show(found)
