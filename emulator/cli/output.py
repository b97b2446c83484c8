"""What all verbs share: the ``--json`` flag, exit codes, errors in plain words, tables.

Exit codes: 0 in order, 1 a verdict that is not, 2 wrong usage or input, 3 nobody answers.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from functools import wraps
from typing import Annotated, Any, ParamSpec

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emulator.client.errors import Unreachable
from emulator.domain.errors import EmulatorError, Malformed
from emulator.duis.datetimes import format_datetime

P = ParamSpec("P")

PIPE_WIDTH = 100_000
"""Columns where no terminal says how wide it is: a row of a table stays one line, for ``grep`` and its like."""

LEAST_LAST_COLUMN = 16
"""A last column that would be narrower than this is not folded; the terminal then breaks the lines."""

_INSTANTS_MS = range(10**12, 253_402_300_800_000)
"""From 2001 to 9999. What is called ``…_ms`` and lies in it is an instant; durations are shorter than 31 years."""

NOBODY_THERE = "Is it running? `dcc-emulator serve` starts a server; --server or DCC_SERVER says where one is."

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


class ExitCode(IntEnum):
    """How a verb ended."""

    OK = 0
    VERDICT = 1
    """What was looked at is not in order, or the DCC refused."""
    USAGE = 2
    UNREACHABLE = 3


def console() -> Console:
    """Standard output for people; without colour where ``NO_COLOR`` is set or nobody watches."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, soft_wrap=True, width=PIPE_WIDTH)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=plain) + "\n")


def plain(value: object) -> object:
    """Values that JSON has no form for: octets as hexadecimal text, sets as sorted lists, the rest as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def verb(action: Callable[P, None]) -> Callable[P, None]:
    """Give a verb's errors in words and its exit code: 3 when nobody answers, 2 for wrong input, else 1."""

    @wraps(action)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            action(*args, **kwargs)
        except Unreachable as error:
            fail(error, ExitCode.UNREACHABLE, as_json=bool(kwargs.get("json_output")), advice=NOBODY_THERE)
        except Malformed as error:
            fail(error, ExitCode.USAGE, as_json=bool(kwargs.get("json_output")))
        except EmulatorError as error:
            fail(error, ExitCode.VERDICT, as_json=bool(kwargs.get("json_output")))
        except BrokenPipeError:
            sys.stderr.close()  # the reader of a pipe left; nothing is wrong
        except OSError as error:
            fail(error, ExitCode.USAGE, as_json=bool(kwargs.get("json_output")))

    return guarded


def fail(error: Exception, code: ExitCode, *, as_json: bool, advice: str = "") -> None:
    """Say what went wrong, to people also what to do about it, and end with ``code``."""
    if as_json:
        print_json({"error": {"kind": type(error).__name__, "detail": str(error)}})
    else:
        out = Console(stderr=True, highlight=False, soft_wrap=True)
        out.print(Text.assemble(("error: ", "bold red"), str(error)))
        if advice:
            out.print(Text(advice))
    raise typer.Exit(code)


def print_fields(title: str, fields: Mapping[str, object]) -> None:
    """Names and values below one another; nested mappings and lists are indented."""
    out = console()
    if title:
        out.print(Text(title, style="bold"))
    for line in _lines(fields, 1):
        out.print(line)


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table whose cells stay whole, so that an EUI can be copied; only the last column is folded, if there is room."""
    shown = [[_short(value) for value in row] for row in rows]
    widths = [max(cell_len(text) for text in column) for column in zip(columns, *shown, strict=True)]
    out = console()
    if sum(widths[:-1]) + 2 * (len(widths) - 1) + min(widths[-1], LEAST_LAST_COLUMN) > out.width:
        out = Console(highlight=False, soft_wrap=True, width=PIPE_WIDTH)
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    for row in shown:
        table.add_row(*map(Text, row))
    out.print(table)


def _lines(value: Any, depth: int) -> Iterable[Text]:
    indent = "  " * depth
    items = value.items() if isinstance(value, Mapping) else ((str(n), item) for n, item in enumerate(value, 1))
    for name, item in items:
        if isinstance(item, Mapping | list | tuple) and item:
            yield Text.assemble(indent, (str(name), "cyan"))
            yield from _lines(item, depth + 1)
        else:
            yield Text.assemble(indent, (str(name), "cyan"), ": ", _said(str(name), item))


def _said(name: str, value: object) -> str:
    """A value in words: instants, which are milliseconds of UTC everywhere else, as date and time."""
    if isinstance(value, int) and name.endswith("_ms") and value in _INSTANTS_MS:
        return format_datetime(value)
    return _short(value)


def _short(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if value != [] and value != {} else "–"
