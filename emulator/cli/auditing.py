"""``dcc-emulator audit``: who did what, and whether the record of it is whole.

A running server is asked, or a data folder or an export is read where it lies.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from emulator.cli.output import ExitCode, console, print_fields, print_json, print_rows
from emulator.cli.remote import Addresses, Call, instant_ms, remote, tls
from emulator.client.control import ControlClient
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.dsp.audit import Query, Record, read_record
from emulator.duis.datetimes import format_datetime
from emulator.service.audit_trail import Records, export_lines, last_sent_image, read_export, verify_export, verify_trail
from emulator.service.persistence.contract import AuditQuery
from emulator.service.persistence.offline import data_folder_trail

T = TypeVar("T")

application = typer.Typer(no_args_is_help=True, help="The audit trail: verify, query, export.")

FileOption = Annotated[
    Path | None, typer.Option("--file", help="Read this export instead of asking a server.", exists=True, dir_okay=False)
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Read this data folder instead of asking a server.", exists=True, file_okay=False)
]
DeviceOption = Annotated[str, typer.Option("--device", help="EUI of the device.")]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the trail is."""

    call: Call
    file: Path | None
    data: Path | None

    def __post_init__(self) -> None:
        if self.file is not None and self.data is not None:
            raise Malformed("where the trail is is not clear", expected="one of --file and --data, or neither")

    def ask(self, question: Callable[[Records], Awaitable[T]]) -> T:
        """Put a question to the trail."""

        async def run() -> T:
            async with self._records() as records:
                return await question(records)

        return asyncio.run(run())

    @asynccontextmanager
    async def _records(self) -> AsyncIterator[Records]:
        if self.file is not None:
            yield read_export(self.file.read_bytes().splitlines())[0]
        elif self.data is not None:
            async with data_folder_trail(self.data, self.call.world) as (trail, _):
                yield trail
        else:
            async with self.client() as client:
                yield _Remote(client)

    def client(self) -> ControlClient:
        """The control service of the server."""
        call = self.call
        return ControlClient(Addresses.find(call.server, call.world).control, call.world, token=call.token, tls=tls())

    async def verdict(self) -> dict[str, Any]:
        """What a walk along the trail finds."""
        if self.file is not None:
            return (await verify_export(*read_export(self.file.read_bytes().splitlines()))).as_json()
        if self.data is not None:
            async with data_folder_trail(self.data, self.call.world) as (kept, marks):
                return (await verify_trail(kept, marks=marks)).as_json()
        async with self.client() as client:
            return await client.verify_audit()

    async def export(self) -> bytes:
        """The trail as lines."""
        if self.data is not None:
            async with data_folder_trail(self.data, self.call.world) as (kept, _):
                return b"".join([line async for line in export_lines(kept, await kept.end())])
        async with self.client() as client:
            return await client.export_audit()


@dataclass(frozen=True, slots=True)
class _Remote:
    """The trail of a server."""

    client: ControlClient

    async def records(self, query: AuditQuery) -> list[Record]:
        """Records that fit, by number."""
        wanted = {name: value for name, value in asdict(query.wanted).items() if value not in ("", None)}
        portion = {"after": query.after, "before": query.before, "limit": query.limit, "newest_first": query.newest_first}
        return [read_record(values) for values in await self.client.audit(**wanted, **portion)]


@application.command("verify")
@remote
def audit_verify(call: Call, file: FileOption = None, data: DataOption = None) -> None:
    """Walk the chain of records and say which one was edited, dropped or put in first. Ends with 1 when there is one."""
    found = asyncio.run(Source(call, file, data).verdict())
    if call.as_json:
        print_json(found)
    else:
        title = (
            "the trail is whole" if found["whole"] else f"the trail is broken at record {found['broken_at']}: {found['problem']}"
        )
        last = found["end"]
        print_fields(title, {"in order": found["records"], "lists": found["lists"], "last": f"{last['number']} {last['digest']}"})
    if not found["whole"]:
        raise typer.Exit(ExitCode.VERDICT)


@application.command("query")
@remote
def audit_query(
    call: Call,
    device: Annotated[str, typer.Option("--device", help="About this device (EUI), by itself or in a list.")] = "",
    user: Annotated[str, typer.Option("--user", help="By or to this user (EUI).")] = "",
    request_id: Annotated[str, typer.Option("--request-id", help="About this RequestID.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="decision, exclusion, message, inventory, grant, registration …")] = "",
    variant: Annotated[str, typer.Option("--variant", help="Of this Service Reference Variant, such as 11.1.")] = "",
    image_hash: Annotated[str, typer.Option("--image-hash", help="Of this image: SHA-256 of the Manufacturer Image.")] = "",
    since: Annotated[str, typer.Option("--from", help="From this simulated instant on.")] = "",
    until: Annotated[str, typer.Option("--to", help="Before this simulated instant.")] = "",
    newest_first: Annotated[bool, typer.Option("--newest-first", help="Begin with the last record.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 100,
    file: FileOption = None,
    data: DataOption = None,
) -> None:
    """Show who did what: with --device, --from and --to, who touched a device between two instants."""
    wanted = Query(
        device=format_eui(parse_eui(device)) if device else "",
        user=format_eui(parse_eui(user)) if user else "",
        request_id=request_id,
        kind=kind,
        variant=variant,
        image_hash=image_hash.lower(),
        from_ms=instant_ms(since) if since else None,
        to_ms=instant_ms(until) if until else None,
    )
    query = AuditQuery(wanted, limit=limit, newest_first=newest_first)
    records = Source(call, file, data).ask(lambda trail: trail.records(query))
    if call.as_json:
        print_json([record.as_json() for record in records])
    else:
        print_records(records)


@application.command("last-image")
@remote
def audit_last_image(
    call: Call,
    device: DeviceOption,
    before: Annotated[str, typer.Option("--before", help="Simulated instant, such as that of an alert.")] = "",
    file: FileOption = None,
    data: DataOption = None,
) -> None:
    """Say who last sent an image to a device before an instant. Ends with 1 when nobody did."""
    eui, before_ms = format_eui(parse_eui(device)), instant_ms(before) if before else None
    found = Source(call, file, data).ask(lambda trail: last_sent_image(trail, eui, before_ms))
    if call.as_json:
        print_json(None if found is None else found.as_json())
    elif found is None:
        console().print(f"nobody sent {eui} an image")
    else:
        print_fields(f"record {found.number}", {"simulated": format_datetime(found.at_ms), **_told(found)})
    if found is None:
        raise typer.Exit(ExitCode.VERDICT)


@application.command("export")
@remote
def audit_export(
    call: Call,
    output: Annotated[Path, typer.Option("--output", "-o", help="File of JSON lines to write.")],
    data: DataOption = None,
) -> None:
    """Write the whole trail to a file, which `audit verify --file` can verify anywhere."""
    content = asyncio.run(Source(call, None, data).export())
    output.write_bytes(content)
    lines = content.count(b"\n")
    print_json({"output": str(output), "lines": lines}) if call.as_json else console().print(f"{lines} lines in {output}")


def print_records(records: list[Record]) -> None:
    """Records as a table."""
    columns = ("Number", "Simulated", "Kind", "Who", "Device", "What", "Outcome")
    print_rows(columns, [_row(record) for record in records])


def _row(record: Record) -> tuple[object, ...]:
    entry = record.entry
    acting = f"for {entry.acting_for}" if entry.acting_for else ""
    granted = f"under grant {entry.grant}" if entry.grant else ""
    operator = f"({entry.operator})" if entry.operator else ""
    image = f"image {entry.image_hash[:16]}…" if entry.image_hash else ""
    change = f"{entry.before or '–'} → {entry.after or '–'}" if entry.before or entry.after else ""
    return (
        record.number,
        format_datetime(record.at_ms),
        entry.kind,
        _joined(entry.user, entry.role, operator, acting, granted),
        entry.device or (f"list of {entry.devices}" if entry.devices else None),
        _joined(entry.variant, entry.version, image, entry.mpxn),
        _joined("" if entry.reason.startswith(entry.outcome) else entry.outcome, change, entry.reason),
    )


def _joined(*parts: str) -> str | None:
    return " ".join(part for part in parts if part) or None


def _told(record: Record) -> dict[str, object]:
    entry = record.as_json()["entry"]
    return dict(entry) if isinstance(entry, dict) else {}
