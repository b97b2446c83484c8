"""``dcc-emulator diff`` and ``replay``: recordings held against each other, and against a server that answers them anew."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from emulator.cli.output import ExitCode, JsonFlag, console, print_json, print_rows, verb
from emulator.cli.remote import Addresses, Call, remote, tls
from emulator.client.control import ControlClient
from emulator.client.keys import load_key_store
from emulator.client.recordings import FORM, Difference, Recorded, differences, read_recording
from emulator.client.session import DuisClient
from emulator.client.signing import CounterSource, sign_template
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import WebService
from emulator.pki.keystore import KeyStore

Recording = Annotated[Path, typer.Argument(help=f"A recording: {FORM}.", exists=True, dir_okay=False, show_default=False)]
Most = Annotated[int, typer.Option("--limit", min=1, help="At most so many differences.")]


@verb
def diff(first: Recording, second: Recording, limit: Most = 1000, json_output: JsonFlag = False) -> None:
    """Say what two recordings differ in, counters, instants and signatures left aside.

    Requests are aligned by their order and by what they ask of whom, pushes by what they are about. Ends with 1 when they differ.
    """
    before, after = (read_recording(path.read_bytes(), str(path)) for path in (first, second))
    _conclude(before, after, limit, json_output)


@remote
def replay(
    call: Call,
    recording: Recording,
    duis: Annotated[str, typer.Option("--duis", help="URL of the DUIS services, when it does not follow from --server.")] = "",
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="Key store to sign anew with, with new counters; as recorded when not given.", exists=True),
    ] = None,
    pushes: Annotated[bool, typer.Option("--pushes", help="Wait until nothing is under way, and compare pushes too.")] = False,
    limit: Most = 1000,
) -> None:
    """Send the requests of a recording to a running server, in their order, and say what comes otherwise than it came.

    Without --keys a server refuses what it has seen already: replay against a new world of the same keys. Ends with 1 when
    something differs.
    """
    before = read_recording(recording.read_bytes(), str(recording))
    store = None if keys is None else load_key_store(keys)
    url = Addresses.find(call.server, call.world, duis).duis
    requests = [each for each in before if not each.is_push]
    if not requests:
        raise Malformed("there is no request in it", where=str(recording), expected=FORM)

    async def send(control: ControlClient) -> list[Recorded]:
        after = 0
        while pushes and (page := await control.journal(after=after, limit=10_000)):
            after = page[-1]["number"]
        answers = await _send(requests, url, store)
        if not pushes:
            return answers
        await control.run_until_idle()
        came = read_recording(await control.transcript_lines(after=after), "the server's transcript")
        return [*answers, *(each for each in came if each.is_push)]

    came = call.ask(send)
    _conclude(before if pushes else requests, came, limit, call.as_json)


async def _send(requests: Sequence[Recorded], url: str, keys: KeyStore | None) -> list[Recorded]:
    """The same requests with the answers that come now."""
    counters, came = CounterSource(), []
    async with DuisClient(url, Eui64(0), keys or KeyStore(), timeout_s=60, tls=tls()) as client:
        for each in requests:
            document = each.request if keys is None else sign_template(each.request, counters, keys)[2]
            _, _, answer = await client.post(WebService(each.service), document)
            came.append(Recorded(each.number, each.request, answer, each.service))
    return came


def _conclude(before: Sequence[Recorded], after: Sequence[Recorded], limit: int, json_output: bool) -> None:
    found: list[Difference] = list(islice(differences(before, after), limit))
    if json_output:
        listed = [{"exchange": each.exchange, "where": each.where, "first": each.first, "second": each.second} for each in found]
        print_json({"same": not found, "exchanges": [len(before), len(after)], "differences": listed})
    elif found:
        rows = [(each.exchange, each.where, each.first[:200], each.second[:200]) for each in found]
        print_rows(("Exchange", "Where", "First", "Second"), rows)
    else:
        console().print(f"no differences in {len(before)} exchanges")
    if found:
        raise typer.Exit(ExitCode.VERDICT)
