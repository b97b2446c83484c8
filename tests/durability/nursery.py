"""A process that has loaded the emulator and starts one with every line that it reads, by forking: what is killed a hundred times
need not be loaded a hundred times.

A line is JSON: ``{"settings": {…}, "stderr": PATH}`` forks an emulator and answers its process number, ``{"wait": NUMBER}``
answers the status with which that one has ended.
"""

import asyncio
import ctypes
import gc
import json
import os
import sys
from collections.abc import Mapping

from emulator.domain.errors import EmulatorError
from emulator.service import snapshots
from emulator.service.config import load_settings
from emulator.service.logs import configure_logs
from emulator.service.server import schema_set, serve

CAPABILITY_VERSION = 0x20080522


def be_nobody_special() -> None:
    """Give up what lets root write where nobody may."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


def emulate(settings: Mapping[str, object], stderr: str) -> int:
    """Be an emulator, as ``python -m emulator.service`` is."""
    quiet, said = os.open(os.devnull, os.O_RDWR), os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for here, there in ((quiet, 0), (quiet, 1), (said, 2)):
        os.dup2(here, there)
    be_nobody_special()
    try:
        loaded = load_settings(env={}, flags=dict(settings))
        configure_logs(loaded.settings.log)
        asyncio.run(serve(loaded))
    except (EmulatorError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def main() -> None:
    """Fork and wait as told."""
    snapshots.APART_BYTES = 0  # as with worlds that are large, so that copies of the process are about when it is killed
    schema_set(None).warm()
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                status = 70
                try:
                    status = emulate(order["settings"], order["stderr"])
                finally:
                    sys.stderr.flush()
                    os._exit(status)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
