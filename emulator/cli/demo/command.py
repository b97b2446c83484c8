"""``dcc-emulator demo``."""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from emulator.cli.demo.board import Board
from emulator.cli.demo.ledger import Check, DemoFailed, Ledger, Track
from emulator.cli.demo.official import try_official_tool
from emulator.cli.demo.stage import Stage, emulator_server, set_stage
from emulator.cli.demo.story import Story
from emulator.cli.demo.transcript import Transcript
from emulator.cli.output import ExitCode, JsonFlag, console, print_json, verb
from emulator.client.errors import ClientError
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import DeviceType
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.estate.model import Estate, Home
from emulator.service.config import Logging
from emulator.service.logs import configure_logs

TARGET_VERSION = "00010100"
"""The version of the embedded firmware list that every device is taken to."""

_UPDATED = (DeviceType.ESME, DeviceType.GSME, DeviceType.HCALCS, DeviceType.PPMID)

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the transcript; by default a new one in .demo.")]
Interop = Annotated[
    bool | None,
    typer.Option(
        "--interop/--no-interop",
        help="Sign one request with the DCC's own tool, installing it if need be. By default: where it is installed.",
    ),
]


@verb
def demo(output: Output = None, interop: Interop = None, json_output: JsonFlag = False) -> None:
    """Update firmware end to end against an emulator of its own, and verify every step.

    Starts an emulator in this process, with a fixed seed and on simulated time; reads the inventory, distributes images to
    meters, HCALCSs and PPMIDs in three regions, follows every device, activates, reads the versions back and compares with the
    inventory. Ends with 1 if anything is not as it must be.
    """
    configure_logs(Logging(level="error", format="json"))
    folder = output or Path(".demo") / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    if folder.exists() and any(folder.iterdir()):
        raise Malformed("the folder is not empty", where=str(folder), expected="a new or empty folder for the transcript")
    folder.mkdir(parents=True, exist_ok=True)
    summary = asyncio.run(_play(folder, interop, quiet=json_output))
    if json_output:
        print_json(summary)
    else:
        _print_summary(summary)
    if not summary["ok"]:
        raise typer.Exit(ExitCode.VERDICT)


async def _play(folder: Path, interop: bool | None, *, quiet: bool) -> dict[str, Any]:
    estate = load_estate(default_estate_toml(), source="embedded default")
    ledger = Ledger(tracks_of(estate))
    transcript = Transcript(folder)
    board = Board(ledger, console(), quiet=quiet)
    began, problem = time.monotonic(), ""
    journal: list[dict[str, Any]] = []
    now_ms = estate.start_ms
    official = "not wanted"
    devices = [device.eui for home in estate.homes for device in home.devices]
    with board.live(), tempfile.TemporaryDirectory() as data:
        async with emulator_server(Path(data)) as server:
            users = {track.supplier for track in ledger.tracks}
            async with set_stage(server, users, devices, transcript) as stage:
                try:
                    await Story(estate, stage, ledger).tell()
                except (DemoFailed, ClientError) as error:
                    problem = str(error)
                journal, now_ms = await _journal(stage)
        if interop is not False:
            ledger.step("sign a request with the DCC's own tool")
            official = await try_official_tool(ledger, install=bool(interop))
    summary = _summary(ledger, transcript, problem, official)
    summary |= {"wall_s": round(time.monotonic() - began, 2), "simulated_s": (now_ms - estate.start_ms) // 1000}
    transcript.close(journal, summary)
    if not quiet and not console().is_terminal:
        console().print(board.table())
    return summary


async def _journal(stage: Stage) -> tuple[list[dict[str, Any]], int]:
    """What the emulator itself noted, GBCS messages among it, and its time in the end."""
    return await stage.control.transcript(), int((await stage.control.clock())["now_ms"])


def _summary(ledger: Ledger, transcript: Transcript, problem: str, official: str) -> dict[str, Any]:
    return {
        "ok": not problem and not ledger.failed,
        "problem": problem or None,
        "checks": len(ledger.checks),
        "failed": [_as_json(check) for check in ledger.failed],
        "devices": len(ledger.tracks),
        "messages": transcript.count,
        "official_tool": official,
        "transcript": str(transcript.folder),
    }


def _as_json(check: Check) -> dict[str, str]:
    return {"subject": check.subject, "what": check.what, "expected": str(check.expected), "found": str(check.found)}


def _print_summary(summary: dict[str, Any]) -> None:
    out = console()
    for check in summary["failed"]:
        line = f"✘ {check['subject']}: {check['what']} is {check['found']}, not {check['expected']}"
        out.print(Text(line, style="red"))
    if summary["problem"]:
        out.print(Text(f"✘ {summary['problem']}", style="bold red"))
    hours = summary["simulated_s"] / 3600
    verdict = "everything is as it must be" if summary["ok"] else "not everything is as it must be"
    out.print(
        Text(
            f"{verdict}: {summary['devices']} devices, {summary['checks']} checks, {summary['messages']} messages, "
            f"{hours:.1f} h of simulated time in {summary['wall_s']} s",
            style="bold",
        )
    )
    out.print(f"the DCC's own tool: {summary['official_tool']}")
    out.print(f"transcript of all messages: {summary['transcript']}")


def tracks_of(estate: Estate) -> list[Track]:
    """Every device that is updated, with the supplier that asks for it."""
    order = {kind: position for position, kind in enumerate(_UPDATED)}
    tracks = [
        Track(device, home.region, device.supplier or _supplier_of_home(home), TARGET_VERSION)
        for home in estate.homes
        for device in home.devices
        if device.device_type in order
    ]
    return sorted(tracks, key=lambda track: (order[track.device.device_type], track.eui))


def _supplier_of_home(home: Home) -> Eui64:
    """A PPMID has no supplier of its own; any supplier of the home may update it."""
    return min(device.supplier for device in home.devices if device.supplier is not None)
