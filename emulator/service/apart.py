"""Octets that take long to make, made by a copy of this process, so that everything else goes on meanwhile.

A fork has the state as it was at that moment, however it changes here. The copy closes every file and socket that it inherited
first: nothing of it outlives this process, neither the lock of the data folder nor a port.

The octets come by way of a file without a name and are mapped, not read: tens of megabytes taken from the heap and given back
leave holes that small objects soon fill, so that a process would seem to grow.
"""

import asyncio
import gc
import mmap
import os
import signal
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress

import structlog

_log = structlog.get_logger("apart")

PATIENCE_S = 120.0
_WHOLE = b"\x01"
"""Comes through the pipe when all octets are in the file."""


async def made_apart(make: Callable[[], bytes]) -> memoryview | None:
    """What ``make()`` would give now; None when the copy did not come to its end."""
    with tempfile.TemporaryFile() as file:
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
            _be_the_copy(make, file.fileno(), sending)
        os.close(sending)
        try:
            async with asyncio.timeout(PATIENCE_S):
                whole = await _end_of(receiving) == _WHOLE
        except TimeoutError:
            whole = False
        finally:
            os.close(receiving)
            with suppress(ProcessLookupError):
                os.kill(copy, signal.SIGKILL)
            os.waitpid(copy, 0)  # noqa: ASYNC222 (it has just been killed)
        if not whole:
            return None
        size_bytes = os.fstat(file.fileno()).st_size
        return memoryview(mmap.mmap(file.fileno(), size_bytes, access=mmap.ACCESS_READ) if size_bytes else b"")


async def _end_of(pipe: int) -> bytes:
    """What comes last before the other end is closed."""
    os.set_blocking(pipe, False)
    loop, last = asyncio.get_running_loop(), b""
    ended: asyncio.Future[None] = loop.create_future()

    def take() -> None:
        nonlocal last
        try:
            piece = os.read(pipe, len(_WHOLE))
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        last = piece or last
        if not piece and not ended.done():
            ended.set_result(None)

    loop.add_reader(pipe, take)
    try:
        await ended
    finally:
        loop.remove_reader(pipe)
    return last


def _be_the_copy(make: Callable[[], bytes], file: int, sending: int) -> None:
    """Make, write, say so, and end without a trace of what the process had open."""
    try:
        gc.disable()
        file, sending = os.dup(file), os.dup(sending)  # out of the way of the numbers that they get
        os.dup2(file, 3)
        os.dup2(sending, 4)
        os.closerange(5, os.sysconf("SC_OPEN_MAX"))
        octets = memoryview(make())
        while octets:
            octets = octets[os.write(3, octets) :]
        os.write(4, _WHOLE)
    finally:
        os._exit(0)
