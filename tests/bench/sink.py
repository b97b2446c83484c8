"""A receiver of pushes in a process of its own that costs little of the cores it shares: ``python -m tests.bench.sink MODE``.

``deliver`` looks at every message: none twice, and the counters of one device rising. ``sample`` checks the XML signature of one
in a hundred besides. ``count`` counts. ``GET /`` gives what was seen as JSON, ``DELETE /`` forgets it.
"""

import asyncio
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from emulator.duis.messages import Signer
from emulator.duis.parse import parse_document
from emulator.duis.signature import SignaturePolicy, verify_document
from emulator.world import World, create_world

MODES = ("deliver", "sample", "count")
SAMPLE_EVERY = 100
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_IDENTITY = re.compile(rb"ResponseID>([0-9A-Fa-f-]+):[^:<]+:(\d+)<")
_TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(slots=True)
class Seen:
    """What came."""

    mode: str
    world: World | None = None
    count: int = 0
    again: int = 0
    """Messages whose counter had come before from the same device, or a later one."""
    unread: int = 0
    verified: int = 0
    refused: int = 0
    """Sampled messages whose signature is not the DSP's."""
    last: dict[bytes, int] = field(default_factory=dict)

    def take(self, body: bytes) -> None:
        """One message."""
        self.count += 1
        if self.mode == "count":
            return
        found = _IDENTITY.search(body)
        if found is None:
            self.unread += 1
            return
        counter = int(found[2])
        if self.last.get(found[1], -1) >= counter:
            self.again += 1
        self.last[found[1]] = counter
        if self.world is not None and self.count % SAMPLE_EVERY == 0:
            dsp = SignaturePolicy(check_dates=False, roles=frozenset(range(256)))
            good = isinstance(verify_document(parse_document(body), self.world.keys, dsp, 0), Signer)
            self.verified, self.refused = self.verified + good, self.refused + (not good)

    def told(self) -> dict[str, int]:
        """As the sink tells it."""
        names = ("count", "again", "unread", "verified", "refused")
        return {name: getattr(self, name) for name in names} | {"devices": len(self.last)}


class _Receiver(asyncio.Protocol):
    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.buffer = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.buffer, 0, end + 2)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < whole:
                return
            request, self.buffer = self.buffer[:whole], self.buffer[whole:]
            if request.startswith(b"POST "):
                self.seen.take(request[end + 4 :])
                self.transport.write(_TAKEN)
            else:
                text = json.dumps(self.seen.told()).encode()
                if request.startswith(b"DELETE "):
                    self.seen.__init__(self.seen.mode, self.seen.world)  # type: ignore[misc]
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)


async def _serve(mode: str) -> None:
    seen = Seen(mode, create_world() if mode == "sample" else None)
    server = await asyncio.get_running_loop().create_server(lambda: _Receiver(seen), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclass(frozen=True, slots=True)
class Sink:
    """A running sink."""

    url: str
    pid: int

    def seen(self, *, forget: bool = False) -> dict[str, int]:
        """What came since it was last told to forget."""
        request = urllib.request.Request(self.url, method="DELETE" if forget else "GET")
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, int] = json.load(answer)
        return found


@contextmanager
def sink(mode: str) -> Iterator[Sink]:
    """A sink for the time of a ``with`` block."""
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.sink", mode], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            yield Sink(f"http://127.0.0.1:{int(process.stdout.readline())}/", process.pid)
        finally:
            process.terminate()
            process.wait(10)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
