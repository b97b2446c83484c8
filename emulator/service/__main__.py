"""``python -m emulator.service``: serve with settings from a file, the environment and flags."""

import argparse
import asyncio
import sys
from pathlib import Path

from emulator.domain.errors import EmulatorError
from emulator.service.config import load_settings, parse_assignments
from emulator.service.logs import configure_logs
from emulator.service.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Serve; 0 after a graceful stop, 2 when the settings are wrong or the start fails."""
    parser = argparse.ArgumentParser(prog="python -m emulator.service", description=__doc__)
    parser.add_argument("--config", type=Path, help="a TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="one setting, e.g. duis.port=0")
    given = parser.parse_args(arguments)
    try:
        loaded = load_settings(given.config, flags=parse_assignments(given.set))
        configure_logs(loaded.settings.log)
        asyncio.run(serve(loaded))
    except (EmulatorError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
