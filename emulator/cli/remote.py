"""Reaching a running server from the command line: addresses, options and times as people write them."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import typer

from emulator.client.control import ControlClient
from emulator.domain.errors import Malformed
from emulator.duis.datetimes import parse_datetime_ms

T = TypeVar("T")

DEFAULT_SERVER = "http://127.0.0.1:8080"
DUIS_PORT, SMKI_PORT = 8079, 8083
"""Where a server listens unless told otherwise (source: wire_contract.md sections 1 and 5, measured)."""

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")

ServerOption = Annotated[
    str, typer.Option("--server", envvar="DCC_SERVER", help="URL of the control service, or the ready file of a server.")
]
WorldOption = Annotated[str, typer.Option("--world", envvar="DCC_WORLD", help="Name of the world.")]
TokenOption = Annotated[
    str, typer.Option("--token", envvar="DCC_CONTROL__TOKEN", help="Token of the control service.", show_default=False)
]


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
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Malformed(f"{url!r} is not a URL", where="--server", expected=DEFAULT_SERVER)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(url, f"{parts.scheme}://{host}:{DUIS_PORT}", f"{parts.scheme}://{host}:{SMKI_PORT}")


def ask(server: str, world: str, token: str, question: Callable[[ControlClient], Awaitable[T]]) -> T:
    """Put a question to the control service of a server."""

    async def run() -> T:
        async with ControlClient(Addresses.find(server, world).control, world, token=token) as client:
            return await question(client)

    return asyncio.run(run())


def duration_ms(text: str) -> int:
    """Read ``90s``, ``30m``, ``2h``, ``1d`` or a sum such as ``1d12h``."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Malformed(f"{text!r} is not a duration", expected="such as 90s, 30m, 2h or 1d12h")
    return sum(int(number) * _UNITS_MS[unit] for number, unit in parts)


def instant_ms(text: str) -> int:
    """Read a date and time of UTC."""
    return parse_datetime_ms(text)
