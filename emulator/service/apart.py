"""Octets that take long to make, made by a copy of this process, so that everything else goes on meanwhile.

A fork has the state as it was at that moment, however it changes here. The copy closes every file and socket that it inherited
first: nothing of it outlives this process, neither the lock of the data folder nor a port.
"""

import asyncio
import gc
import os
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress

import structlog

_log = structlog.get_logger("apart")

PATIENCE_S = 120.0
PIECE_BYTES = 1 << 20
_WHOLE = b"\x01"
"""Follows the octets when all of them are there."""


async def made_apart(make: Callable[[], bytes]) -> bytes | None:
    """What ``make()`` would give now; None when the copy did not come to its end."""
    receiving, sending = os.pipe()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # our threads wait in system calls and hold nothing it needs
            copy = os.fork()
    except OSError as error:
        _log.warning("no copy of the process", error=error.strerror)
        os.close(receiving)
        os.close(sending)
        return None
    if not copy:
        _be_the_copy(make, sending)
    os.close(sending)
    try:
        async with asyncio.timeout(PATIENCE_S):
            octets = await _all_of(receiving)
    except TimeoutError:
        octets = b""
    finally:
        os.close(receiving)
        with suppress(ProcessLookupError):
            os.kill(copy, signal.SIGKILL)
        os.waitpid(copy, 0)  # noqa: ASYNC222 (it has just been killed)
    return octets[:-1] if octets.endswith(_WHOLE) else None


async def _all_of(pipe: int) -> bytes:
    """Everything until the other end is closed."""
    os.set_blocking(pipe, False)
    loop, pieces = asyncio.get_running_loop(), bytearray()
    ended: asyncio.Future[None] = loop.create_future()

    def take() -> None:
        try:
            piece = os.read(pipe, PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        pieces.extend(piece)
        if not piece and not ended.done():
            ended.set_result(None)

    loop.add_reader(pipe, take)
    try:
        await ended
    finally:
        loop.remove_reader(pipe)
    return bytes(pieces)


def _be_the_copy(make: Callable[[], bytes], sending: int) -> None:
    """Make, send, and end without a trace of what the process had open."""
    try:
        gc.disable()
        os.dup2(sending, 3)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        octets = memoryview(make() + _WHOLE)
        while octets:
            octets = octets[os.write(3, octets[:PIECE_BYTES]) :]
    finally:
        os._exit(0)
