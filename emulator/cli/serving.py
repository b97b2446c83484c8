"""``dcc-emulator serve``: an emulator in the foreground."""

import asyncio
import errno
from pathlib import Path
from typing import Annotated

import typer

from emulator.campaigns.hosting import EXTENSIONS
from emulator.cli.output import verb
from emulator.domain.errors import Malformed
from emulator.service.config import load_settings, parse_assignments
from emulator.service.logs import configure_logs
from emulator.service.server import serve as serve_until_stopped

_PORTS = ("duis.port", "smki.port", "control.port")
_HOSTS = ("duis.host", "smki.host", "control.host")

PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=0, help="0: free ports for all services.", show_default=False)
]


@verb
def serve(
    config: Annotated[Path | None, typer.Option("--config", help="TOML file of settings.", exists=True, dir_okay=False)] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Data folder; without one all ends with the process.")] = None,
    estate: Annotated[Path | None, typer.Option("--estate", help="TOML estate.", exists=True, dir_okay=False)] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of keys and chance.", show_default=False)] = None,
    faults: Annotated[
        Path | None,
        typer.Option("--faults", help="TOML file of faults that a new world begins with.", exists=True, dir_okay=False),
    ] = None,
    import_keys: Annotated[
        Path | None, typer.Option("--import-keys", help="keystore.json, org-crypto.zip or folder of PEM to use.", exists=True)
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.", show_default=False)] = "",
    port: PortOption = None,
    duis_port: Annotated[int | None, typer.Option("--duis-port", min=0, max=65535, show_default="8079")] = None,
    smki_port: Annotated[int | None, typer.Option("--smki-port", min=0, max=65535, show_default="8083")] = None,
    control_port: Annotated[int | None, typer.Option("--control-port", min=0, max=65535, show_default="8080")] = None,
    autojump: Annotated[bool, typer.Option("--autojump", help="Simulated time jumps while somebody waits.")] = False,
    ready_file: Annotated[Path | None, typer.Option("--ready-file", help="Written once everything listens.")] = None,
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.", show_default=False)] = "",
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Any other setting; may be repeated.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Write the log as JSON, too; addresses are JSON always.")] = False,
) -> None:
    """Serve DUIS, SMKI and the control API until interrupted.

    Once everything listens, the addresses are on standard output as one line of JSON; the log is on standard error. Settings
    come from the file, then DCC_<SECTION>__<KEY> in the environment, then these options.
    """
    chosen: dict[str, object] = dict.fromkeys(_PORTS, port) if port is not None else {}
    chosen |= dict.fromkeys(_HOSTS, host) if host else {}
    given: dict[str, object] = {
        "duis.port": duis_port,
        "smki.port": smki_port,
        "control.port": control_port,
        "storage.folder": data,
        "worlds.estate": estate,
        "worlds.seed": seed,
        "worlds.faults": faults,
        "keys.import_from": import_keys,
        "clock.mode": "autojump" if autojump else None,
        "ready_file": ready_file,
        "log.level": log_level or None,
        "log.format": "json" if json_output else None,
    }
    chosen |= {key: value for key, value in given.items() if value is not None}
    loaded = load_settings(config, flags=chosen | parse_assignments(setting or []))
    configure_logs(loaded.settings.log)
    try:
        asyncio.run(serve_until_stopped(loaded, EXTENSIONS))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        expected = "free ports: --port 0, or --duis-port, --smki-port and --control-port"
        raise Malformed(error.strerror or str(error), expected=expected) from None
