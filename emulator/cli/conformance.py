"""``dcc-emulator conformance``: how our messages compare with published test messages."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from emulator.cli.output import JsonFlag, print_fields, print_json, print_rows, verb
from emulator.conformance.cases import Case, as_document, from_document, list_cases, messages_in
from emulator.conformance.compare import Verdict, compare_folders, is_wanted
from emulator.conformance.keys import FolderKeys
from emulator.conformance.produce import produce_all, reasons_in
from emulator.conformance.reasons import why_no_request, with_reasons
from emulator.conformance.reports import figures, html, junit, summary
from emulator.domain.errors import Malformed

application = typer.Typer(
    help="Compare with published test messages: all at once, or list cases, produce messages, compare. One use case alone: "
    "`dcc-emulator conformance --rtds DIR --templates DIR --only ECS17b`."
)

_RTDS = "Folder of the published test messages."
_TEMPLATES = "Folder of their DUIS requests."
_KEYS = "Folder of keys; else `keystore` below the messages or beside them."

Rtds = Annotated[Path, typer.Option(exists=True, file_okay=False, show_default=False, help=_RTDS)]
Templates = Annotated[Path, typer.Option(exists=True, file_okay=False, show_default=False, help=_TEMPLATES)]
Keys = Annotated[Path, typer.Option(exists=True, file_okay=False, show_default=False, help="Folder of keys.")]
MaybeRtds = Annotated[Path | None, typer.Option(exists=True, file_okay=False, show_default=False, help=_RTDS)]
MaybeTemplates = Annotated[Path | None, typer.Option(exists=True, file_okay=False, show_default=False, help=_TEMPLATES)]
Out = Annotated[Path, typer.Option(help="Where the result goes.", show_default=False)]
MaybeKeys = Annotated[Path | None, typer.Option(exists=True, file_okay=False, show_default=False, help=_KEYS)]
Only = Annotated[
    list[str] | None, typer.Option(help="Only this use case or case, such as `ECS17b`; may be repeated.", show_default=False)
]
Junit = Annotated[Path | None, typer.Option("--junit", help="Write a JUnit report here.", show_default=False)]
Figures = Annotated[
    Path | None, typer.Option("--figures", help="Write counts per message code here (docs/conformance.json).", show_default=False)
]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page here.", show_default=False)]


@application.callback(invoke_without_command=True)
@verb
def all_steps(
    context: typer.Context,
    rtds: MaybeRtds = None,
    templates: MaybeTemplates = None,
    keys: MaybeKeys = None,
    out: Annotated[Path | None, typer.Option(help="Keep what is produced here.", show_default=False)] = None,
    only: Only = None,
    junit_report: Junit = None,
    html_report: Html = None,
    figures_file: Figures = None,
    json_output: JsonFlag = False,
) -> None:
    """Compare with published test messages: without a step, take all three.

    One use case alone, with what differs: `dcc-emulator conformance --rtds DIR --templates DIR --only ECS17b`.
    """
    if context.invoked_subcommand is not None:
        return
    if rtds is None or templates is None:
        raise typer.BadParameter("name the folders with --rtds and --templates, or a step")
    listing = list_cases(rtds, templates)
    wanted = _wanted(listing.cases, only)
    keystore = keys or _keystore(rtds)
    with tempfile.TemporaryDirectory() as temporary:
        folder = out or Path(temporary)
        failed = produce_all(wanted, FolderKeys(keystore), folder, among=listing.cases)
        verdicts = compare_folders(folder, rtds, keystore, failed.reasons, only or ())
    published = messages_in(rtds)
    verdicts = with_reasons(verdicts, wanted, FolderKeys(keystore), published)
    _write(verdicts, junit_report, html_report)
    if figures_file is not None:
        rows = (f" {json.dumps(code)}: {json.dumps(row)}" for code, row in figures(verdicts).items())
        figures_file.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    failed.not_produced |= {case: why for case, why in listing.unreadable.items() if is_wanted(case, only or ())}
    asked = [case for case in listing.no_request if is_wanted(case, only or ())]
    without = {case: why_no_request(case, next(iter(published[case].values()))) for case in asked}
    _show_all(summary(verdicts, len(wanted), without, failed), json_output)


@application.command("cases")
@verb
def cases_step(rtds: Rtds, templates: Templates, out: Out, json_output: JsonFlag = False) -> None:
    """Note per case its request and what a request cannot carry."""
    listing = list_cases(rtds, templates)
    out.write_text(json.dumps(as_document(listing), indent=1) + "\n")
    counts = {"cases": len(listing.cases), "no_request": len(listing.no_request), "unreadable": listing.unreadable}
    _show(counts, json_output)


@application.command("produce")
@verb
def produce_step(
    cases: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="What `conformance cases` wrote.", show_default=False)],
    keys: Keys,
    out: Out,
    only: Only = None,
    json_output: JsonFlag = False,
) -> None:
    """Build the messages of the cases, and let virtual devices answer them."""
    listed = from_document(_document(cases))
    wanted = _wanted(listed, only)
    failed = produce_all(wanted, FolderKeys(keys), out, among=listed)
    _show({"cases": len(wanted), "not_produced": failed.not_produced, "not_answered": failed.not_answered}, json_output)


@application.command("compare")
@verb
def compare_step(
    produced: Annotated[
        Path, typer.Option(exists=True, file_okay=False, show_default=False, help="What `conformance produce` wrote.")
    ],
    rtds: Rtds,
    keys: MaybeKeys = None,
    only: Only = None,
    junit_report: Junit = None,
    html_report: Html = None,
    cases: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The cases, to say why messages differ.", show_default=False)
    ] = None,
    json_output: JsonFlag = False,
) -> None:
    """Compare produced messages with the published ones."""
    failed, keystore = reasons_in(produced), keys or _keystore(rtds)
    verdicts = compare_folders(produced, rtds, keystore, failed.reasons, only or ())
    if cases is not None:
        verdicts = with_reasons(verdicts, from_document(_document(cases)), FolderKeys(keystore), messages_in(rtds))
    _write(verdicts, junit_report, html_report)
    _show_all(summary(verdicts, _cases_of(verdicts), {}, failed), json_output)


def _wanted(cases: list[Case], only: list[str] | None) -> list[Case]:
    found = [case for case in cases if is_wanted(case.case, only or ())]
    if only and not found:
        raise Malformed(f"no case is called {' or '.join(only)}", where="--only", expected="a use case such as ECS17b")
    return found


def _write(verdicts: list[Verdict], junit_report: Path | None, html_report: Path | None) -> None:
    for path, report in ((junit_report, junit), (html_report, html)):
        if path is not None:
            path.write_text(report(verdicts))


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


def _show_all(values: dict[str, object], as_json: bool) -> None:
    """Counts, and what differs, one line each."""
    if as_json:
        print_json(values)
        return
    lists = ("without_request", "why_no_request", "not_produced", "not_answered", "by_use_case", "different")
    print_fields("", {name: value for name, value in values.items() if name not in lists})
    for name in ("not_produced", "not_answered", "why_no_request"):
        found = values[name]
        if isinstance(found, dict) and found:
            print_rows(("case", "why"), found.items(), name.replace("_", " "))
    different = values["different"]
    if isinstance(different, list) and different:
        columns = ("case", "kind", "verdict", "octet", "where", "reason")
        print_rows(columns, [[each[column] for column in columns] for each in different], "different")


def _show(values: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(values)
    else:
        print_fields("", values)
