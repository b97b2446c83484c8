"""Reaching a running server from the command line: addresses, options and times as people write them."""

import asyncio
import inspect
import json
import os
import re
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Concatenate, ParamSpec, TypeVar
from urllib.parse import SplitResult, urlsplit

import typer

from emulator.cli.output import JsonFlag, print_fields, print_json, verb
from emulator.client.control import ControlClient
from emulator.client.errors import Rejected
from emulator.client.tls import client_tls
from emulator.domain.errors import Malformed
from emulator.duis.datetimes import parse_datetime_ms

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_SERVER = "http://127.0.0.1:8080"
DUIS_PORT, SMKI_PORT = 8079, 8083
"""Where a server listens unless told otherwise (source: wire_contract.md sections 1 and 5, measured)."""

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")

OPERATOR_VARIABLE = "DCC_OPERATOR"
"""Environment variable: the human who gives commands, for the audit trail."""

_WRONG_INPUT = (400, 401, 403, 404, 413, 422)

ServerOption = Annotated[
    str, typer.Option("--server", envvar="DCC_SERVER", help="URL of the control service, or the ready file of a server.")
]
WorldOption = Annotated[str, typer.Option("--world", envvar="DCC_WORLD", help="Name of the world.")]
TokenOption = Annotated[
    str, typer.Option("--token", envvar="DCC_CONTROL__TOKEN", help="Token of the control service.", show_default=False)
]


_chosen: ContextVar[ssl.SSLContext | None] = ContextVar("tls", default=None)


def use_tls(ca: Path | None, certificate: Path | None, key: Path | None) -> None:
    """Whom everything that this command connects to is checked against, and what it is shown."""
    _chosen.set(client_tls(ca, certificate, key))


def tls() -> ssl.SSLContext | None:
    """What :func:`use_tls` chose."""
    return _chosen.get()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the three services of one server are."""

    control: str
    duis: str
    smki: str

    @classmethod
    def find(cls, server: str, world: str = "default", duis: str = "", smki: str = "") -> "Addresses":
        """From the URL of the control service or a ready file; ``duis`` and ``smki`` override what follows from that."""
        found = cls._from_ready_file(Path(server)) if "://" not in server else cls._beside(server)
        for option, url in (("--duis", duis), ("--smki", smki)):
            if url:
                check_url(url, option)
        prefix = "" if world == "default" else f"/worlds/{world}"
        return cls(found.control, (duis or found.duis) + prefix, (smki or found.smki) + prefix)

    @classmethod
    def _from_ready_file(cls, path: Path) -> "Addresses":
        try:
            content = json.loads(path.read_text("utf-8"))
            return cls(content["control"], content["duis"], content["smki"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Malformed(
                f"neither a URL nor a ready file: {error}", where=f"--server {path}", expected=DEFAULT_SERVER
            ) from None

    @classmethod
    def _beside(cls, url: str) -> "Addresses":
        parts = check_url(url, "--server")
        name = parts.hostname or ""
        host = f"[{name}]" if ":" in name else name
        return cls(url, f"{parts.scheme}://{host}:{DUIS_PORT}", f"{parts.scheme}://{host}:{SMKI_PORT}")


def check_url(url: str, option: str) -> SplitResult:
    """The parts of the URL of a service; raise :class:`Malformed` when it is none."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise Malformed(f"{url!r} is not a URL", where=option, expected=f"such as {DEFAULT_SERVER}")


@contextmanager
def wrong_calls() -> Iterator[None]:
    """What a service other than DUIS cannot make sense of is wrong input, in the service's own words."""
    try:
        yield
    except Rejected as error:
        if error.status not in _WRONG_INPUT:
            raise
        raise Malformed(error.explanation) from None


def ask(server: str, world: str, token: str, question: Callable[[ControlClient], Awaitable[T]]) -> T:
    """Put a question to the control service of a server."""

    async def run() -> T:
        control, operator = Addresses.find(server, world).control, os.environ.get(OPERATOR_VARIABLE, "")
        async with ControlClient(control, world, token=token, operator=operator, tls=tls()) as client:
            with wrong_calls():
                return await question(client)

    return asyncio.run(run())


@dataclass(frozen=True, slots=True)
class Call:
    """What every verb of a server is told: whom it asks, and how it shows what it hears."""

    server: str
    world: str
    token: str
    as_json: bool

    def ask(self, question: Callable[[ControlClient], Awaitable[T]]) -> T:
        """Put a question to the control service."""
        return ask(self.server, self.world, self.token, question)

    def show(self, found: Mapping[str, object], title: str = "") -> None:
        """Print fields, as JSON if that is wanted."""
        print_json(found) if self.as_json else print_fields(title, found)


_OPTIONS = (("server", ServerOption, DEFAULT_SERVER), ("world", WorldOption, "default"), ("token", TokenOption, ""),
            ("json_output", JsonFlag, False))  # fmt: skip


def remote(action: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """A verb of a server: --server, --world, --token and --json, behind its own options, reach it as a :class:`Call`."""

    @wraps(action)
    def called(*args: P.args, **options: P.kwargs) -> None:
        action(Call(*(options.pop(name) for name, _, _ in _OPTIONS)), *args, **options)  # type: ignore[arg-type]

    own = list(inspect.signature(action, eval_str=True).parameters.values())[1:]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, kind, default in _OPTIONS
    ]
    # Typer reads both, one for order and defaults, the other for types.
    called.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in (*own, *common)}
    return verb(called)


def duration_ms(text: str) -> int:
    """Read ``90s``, ``30m``, ``2h``, ``1d`` or a sum such as ``1d12h``."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Malformed(f"{text!r} is not a duration", expected="such as 90s, 30m, 2h or 1d12h")
    return sum(int(number) * _UNITS_MS[unit] for number, unit in parts)


def instant_ms(text: str) -> int:
    """Read a date and time of UTC."""
    return parse_datetime_ms(text)
