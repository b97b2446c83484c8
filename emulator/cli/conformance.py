"""``dcc-emulator conformance``: how our messages compare with published test messages."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from emulator.cli.output import JsonFlag, print_fields, print_json, verb
from emulator.conformance.cases import as_document, from_document, list_cases
from emulator.conformance.compare import Verdict, compare_folders, html, junit, summary
from emulator.conformance.keys import FolderKeys
from emulator.conformance.produce import produce_all
from emulator.domain.errors import Malformed

application = typer.Typer(help="Compare with published test messages: list cases, produce messages, compare.")

Folder = Annotated[Path, typer.Option(exists=True, file_okay=False, show_default=False)]
Out = Annotated[Path, typer.Option(help="Where the result goes.", show_default=False)]
Maybe = Annotated[Path | None, typer.Option(exists=True, file_okay=False, show_default=False)]


@application.callback(invoke_without_command=True)
@verb
def all_steps(
    context: typer.Context, rtds: Maybe = None, templates: Maybe = None, keys: Maybe = None, json_output: JsonFlag = False
) -> None:
    """Compare with published test messages: without a step, take all three."""
    if context.invoked_subcommand is not None:
        return
    if rtds is None or templates is None:
        raise typer.BadParameter("name the folders with --rtds and --templates, or a step")
    cases, without = list_cases(rtds, templates)
    lookup = FolderKeys(keys or _keystore(rtds))
    with tempfile.TemporaryDirectory() as folder:
        failed = produce_all(cases, lookup, Path(folder))
        verdicts = compare_folders(Path(folder), rtds, lookup)
    _show(summary(verdicts, len(cases), without, failed), json_output)


@application.command("cases")
@verb
def cases_step(rtds: Folder, templates: Folder, out: Out, json_output: JsonFlag = False) -> None:
    """Note per case its request and what a request cannot carry."""
    cases, without = list_cases(rtds, templates)
    out.write_text(json.dumps(as_document(cases, without), indent=1) + "\n")
    _show({"cases": len(cases), "no_request": len(without)}, json_output)


@application.command("produce")
@verb
def produce_step(
    cases: Annotated[Path, typer.Option(exists=True, dir_okay=False)], keys: Folder, out: Out, json_output: JsonFlag = False
) -> None:
    """Build the messages of the cases."""
    listed = from_document(_document(cases))
    failed = produce_all(listed, FolderKeys(keys), out)
    _show({"cases": len(listed), "not_produced": failed}, json_output)


@application.command("compare")
@verb
def compare_step(
    produced: Folder,
    rtds: Folder,
    keys: Maybe = None,
    junit_report: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit report here.")] = None,
    html_report: Annotated[Path | None, typer.Option("--html", help="Write a page here.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Compare produced messages with the published ones."""
    verdicts = compare_folders(produced, rtds, FolderKeys(keys or _keystore(rtds)))
    for path, report in ((junit_report, junit), (html_report, html)):
        if path is not None:
            path.write_text(report(verdicts))
    _show(summary(verdicts, _cases_of(verdicts), [], {}), json_output)


def _cases_of(verdicts: list[Verdict]) -> int:
    return len({verdict.case for verdict in verdicts})


def _keystore(rtds: Path) -> Path:
    """The folder ``keystore`` below the messages or beside them."""
    found = next((path for path in (rtds, rtds.parent) for path in path.rglob("keystore") if path.is_dir()), None)
    if found is None:
        raise Malformed("there is no folder `keystore` below or beside the messages", where=str(rtds), expected="or --keys")
    return found


def _document(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise Malformed(f"the file is not JSON: {error}", where=str(path)) from None
    return found if isinstance(found, dict) else {}


def _show(values: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(values)
    else:
        print_fields("", values)
