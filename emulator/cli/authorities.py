"""``dcc-emulator pki dccki``: a test DCCKI for TLS between users and the emulator."""

import secrets
import time
from pathlib import Path
from typing import Annotated

import typer

from emulator.cli.keystores import write_private
from emulator.cli.output import JsonFlag, console, print_json, verb
from emulator.domain.errors import Malformed
from emulator.pki.dccki import ISSUED_DAYS, LOCAL_NAMES, Dccki, Issued, secret_of_seed

application = typer.Typer(no_args_is_help=True, help="A test DCCKI: certificates for TLS.")

FolderArgument = Annotated[Path, typer.Argument(help="Folder of the authority.", file_okay=False)]
HostOption = Annotated[
    list[str] | None, typer.Option("--host", help="Host name or address of the server; may be repeated.", show_default=False)
]
DaysOption = Annotated[int, typer.Option("--days", help="Days of validity; 0 or less gives one that has expired.")]
SeedOption = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="Repeatable keys, known to whoever knows the seed; without one they are random."),
]


@application.command("make")
@verb
def make(folder: FolderArgument, host: HostOption = None, seed: SeedOption = None, json_output: JsonFlag = False) -> None:
    """Make an authority, and with it certificates for a server and a client: ca.pem, server.pem, client.pem and their .key."""
    if (folder / "ca.key").exists():
        raise Malformed("there is an authority already", where=str(folder), expected="another folder, or `pki dccki issue`")
    secret, now_ms = _secret(seed), _now_ms()
    authority = Dccki.make(secret, now_ms)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.pem").write_bytes(authority.pem)
    write_private(folder / "ca.key", authority.private_key_pem)
    _write(folder, "server", authority.issue_server(secret, tuple(host or LOCAL_NAMES), now_ms))
    _write(folder, "client", authority.issue_client(secret, "client", now_ms))
    _say(folder, ["ca.pem", "server.pem", "server.key", "client.pem", "client.key"], json_output)


@application.command("issue")
@verb
def issue(
    folder: FolderArgument,
    name: Annotated[str, typer.Argument(help="Name of the client, and of its files.")],
    host: HostOption = None,
    days: DaysOption = ISSUED_DAYS,
    seed: SeedOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Issue one more certificate, for a client or, with --host, for a server."""
    if not name or name in ("ca", ".", "..") or not all(letter.isalnum() or letter in "-_." for letter in name):
        raise Malformed(f"{name[:80]!r} cannot be the name of a file", where="name", expected="letters, digits, - _ and .")
    authority = Dccki.read((folder / "ca.pem").read_bytes(), (folder / "ca.key").read_bytes())
    secret, now_ms = _secret(seed), _now_ms()
    issued = authority.issue_server(secret, host, now_ms, days) if host else authority.issue_client(secret, name, now_ms, days)
    _write(folder, name, issued)
    _say(folder, [f"{name}.pem", f"{name}.key"], json_output)


def _secret(seed: int | None) -> bytes:
    return secrets.token_bytes(32) if seed is None else secret_of_seed(seed)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _write(folder: Path, name: str, issued: Issued) -> None:
    (folder / f"{name}.pem").write_bytes(issued.certificate)
    write_private(folder / f"{name}.key", issued.private_key)


def _say(folder: Path, files: list[str], json_output: bool) -> None:
    paths = [str(folder / name) for name in files]
    if json_output:
        print_json({"files": paths})
    else:
        console().print("\n".join(paths))
