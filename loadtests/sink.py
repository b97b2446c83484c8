"""A receiver of pushes that takes all, checks order and duplicates, and writes one line for each.

It speaks just enough HTTP/1.1 to take more pushes a second than an emulator makes. ``python -m loadtests.sink OUT.csv`` prints
its port and ends at SIGTERM with its counts as JSON in ``OUT.json``.

Order is checked as a receiver can: what concerns one device comes to one user in the order in which it was made, and every
message says when that was (ResponseDateTime). A duplicate has the octets of one that came before.
"""

import asyncio
import csv
import hashlib
import json
import re
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_REQUEST_ID = re.compile(rb"<sr:RequestID>([^<]+)<")
_RESPONSE_ID = re.compile(rb"<sr:ResponseID>([^<]+)<")
_CODE = re.compile(rb"<sr:(?:ResponseCode|AlertCode|DCCAlertCode)>([^<]+)<")
_ALERT = re.compile(rb"<sr:(DeviceAlertMessage|DCCAlertMessage)>.*?<sr:(?:AlertCode|DCCAlertCode)>([^<]+)<", re.DOTALL)
_WHEN = re.compile(rb"<sr:ResponseDateTime>([^<]+)<")
_TAKEN = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
KEPT_DIGESTS = 5_000_000
HEAD_BYTES = 64 * 1024


@dataclass
class Counts:
    """What came."""

    taken: int = 0
    responses: int = 0
    device_alerts: int = 0
    dcc_alerts: int = 0
    duplicates: int = 0
    disorder: int = 0
    """Messages about a device that are older than one that came before."""
    unreadable: int = 0
    first_disorder: str = ""


@dataclass
class Sink:
    """Takes messages one after the other."""

    writer: Any
    counts: Counts = field(default_factory=Counts)
    _seen: set[bytes] = field(default_factory=set)
    _latest_ms: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, path: str, body: bytes) -> None:
        """One message for the user whose path it came to."""
        counts = self.counts
        counts.taken += 1
        digest = hashlib.sha256(body).digest()[:12]
        if digest in self._seen:
            counts.duplicates += 1
            return
        if len(self._seen) < KEPT_DIGESTS:
            self._seen.add(digest)
        when, response_id, request_id = _WHEN.search(body), _RESPONSE_ID.search(body), _REQUEST_ID.search(body)
        if when is None or (response_id is None and request_id is None):
            counts.unreadable += 1
            return
        made_ms = milliseconds(when[1].decode())
        alert = _ALERT.search(body)
        kind, code = ("response", _CODE.search(body)) if alert is None else (alert[1].decode(), None)
        device = _device(response_id, request_id)
        if kind != "DCCAlertMessage":  # those come from the DCC, and one after the other only for a device
            self._check_order(path, device, made_ms)
        counts.responses += kind == "response"
        counts.device_alerts += kind == "DeviceAlertMessage"
        counts.dcc_alerts += kind == "DCCAlertMessage"
        said = code[1].decode() if code is not None else alert[2].decode() if alert is not None else ""
        answered = request_id[1].decode() if request_id is not None else ""
        self.writer.writerow((f"{time.time():.4f}", made_ms, kind, said, answered, device))

    def _check_order(self, path: str, device: str, made_ms: int) -> None:
        latest = self._latest_ms.get((path, device), 0)
        if made_ms < latest:
            self.counts.disorder += 1
            self.counts.first_disorder = self.counts.first_disorder or f"{path} {device}: {made_ms} after {latest}"
        else:
            self._latest_ms[path, device] = made_ms


def _device(response_id: re.Match[bytes] | None, request_id: re.Match[bytes] | None) -> str:
    """Whom a message is about: who responds, or who was asked and did not."""
    if response_id is not None:
        return response_id[1].decode().split(":")[0]
    assert request_id is not None
    return request_id[1].decode().split(":")[1]


def milliseconds(text: str) -> int:
    """Of a DUIS date and time."""
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Connection(asyncio.Protocol):
    """Requests of one connection, one after the other."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Take every message that is whole."""
        self._buffer += data
        assert self._transport is not None
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            length = _LENGTH.search(head)
            if length is None or len(head) > HEAD_BYTES:
                self._transport.close()
                return
            whole = end + 4 + int(length[1])
            if len(self._buffer) < whole:
                return
            path = head.split(b" ", 2)[1].decode("latin-1")
            self._sink.take(path, bytes(self._buffer[end + 4 : whole]))
            del self._buffer[:whole]
            self._transport.write(_TAKEN)


async def run(path: Path) -> None:
    """Take messages until SIGTERM."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    with path.open("w", newline="") as file:
        sink = Sink(csv.writer(file))
        sink.writer.writerow(("wall_s", "made_ms", "kind", "code", "request_id", "device"))
        server = await loop.create_server(lambda: Connection(sink), "127.0.0.1", 0, backlog=1024)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await ended.wait()
        server.close()
    path.with_suffix(".json").write_text(json.dumps(asdict(sink.counts)))


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
