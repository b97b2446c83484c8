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
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emulator.client.errors import Unreachable
from emulator.domain.errors import EmulatorError, Malformed

P = ParamSpec("P")

PIPE_WIDTH = 200
"""Columns of tables where no terminal says how wide it is."""

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
            fail(error, ExitCode.UNREACHABLE, as_json=bool(kwargs.get("json_output")))
        except Malformed as error:
            fail(error, ExitCode.USAGE, as_json=bool(kwargs.get("json_output")))
        except EmulatorError as error:
            fail(error, ExitCode.VERDICT, as_json=bool(kwargs.get("json_output")))
        except BrokenPipeError:
            sys.stderr.close()  # the reader of a pipe left; nothing is wrong
        except OSError as error:
            fail(error, ExitCode.USAGE, as_json=bool(kwargs.get("json_output")))

    return guarded


def fail(error: Exception, code: ExitCode, *, as_json: bool) -> None:
    """Say what went wrong and end with ``code``."""
    if as_json:
        print_json({"error": {"kind": type(error).__name__, "detail": str(error)}})
    else:
        Console(stderr=True, highlight=False, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), str(error)))
    raise typer.Exit(code)


def print_fields(title: str, fields: Mapping[str, object]) -> None:
    """Names and values below one another; nested mappings and lists are indented."""
    out = console()
    if title:
        out.print(Text(title, style="bold"))
    for line in _lines(fields, 1):
        out.print(line)


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_short(value)) for value in row))
    console().print(table)


def _lines(value: Any, depth: int) -> Iterable[Text]:
    indent = "  " * depth
    items = value.items() if isinstance(value, Mapping) else ((str(n), item) for n, item in enumerate(value, 1))
    for name, item in items:
        if isinstance(item, Mapping | list | tuple) and item:
            yield Text.assemble(indent, (str(name), "cyan"))
            yield from _lines(item, depth + 1)
        else:
            yield Text.assemble(indent, (str(name), "cyan"), ": ", _short(item))


def _short(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if value != [] and value != {} else "–"
