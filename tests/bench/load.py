"""A load generator that costs little of the cores it shares: requests are octets made beforehand, one thread, no event loop's
overhead, and answers are looked at only for their end and their code.

Two ways to load. A closed loop keeps every connection busy and finds the highest rate. An open one sends at a given rate whatever
the answers do and counts each answer's time from when its request was due, so that a server that falls behind cannot hide it.
"""

import os
import re
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_CODE = re.compile(rb"ResponseCode>([A-Z0-9]+)<")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a load."""

    requests: int
    wall_s: float
    answers: dict[str, int]
    """How many had which response code, or HTTP status where it is not 200."""
    latencies_ms: list[float]
    """Sorted."""
    generator_cpu_s: float

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return self.requests / self.wall_s

    def percentile_ms(self, percent: float) -> float:
        """The time within which so many of a hundred answers came."""
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(len(self.latencies_ms) * percent / 100))]


def http_post(path: str, body: bytes) -> bytes:
    """A whole request, as stock clients send it (wire_contract.md section 1)."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Connection:
    """One keep-alive connection with at most one request under way."""

    __slots__ = ("buffer", "due_s", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.due_s = 0.0

    def receive(self) -> bytes | None:
        """The answer once it is whole; raise :class:`ConnectionError` when there will be none."""
        octets = self.socket.recv(262_144)
        if not octets:
            raise ConnectionError("the server closed a connection with a request under way")
        self.buffer += octets
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        length = _LENGTH.search(self.buffer, 0, end + 2)
        over = self.buffer.endswith(_LAST_CHUNK) if length is None else len(self.buffer) >= end + 4 + int(length[1])
        if not over:
            return None
        whole, self.buffer = self.buffer, b""
        return whole


def hammer(port: int, requests: Sequence[bytes], *, connections: int, per_s: float | None = None) -> Report:
    """Send every request once and wait for all answers, in a closed loop, or at a rate."""
    idle = deque(_Connection(port) for _ in range(connections))
    poll, by_number = select.epoll(), {connection.socket.fileno(): connection for connection in idle}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    answers: Counter[str] = Counter()
    latencies: list[float] = []
    sent, received, total = 0, 0, len(requests)
    cpu, started = time.process_time(), time.perf_counter()
    while received < total:
        now = time.perf_counter()
        while sent < total and idle and (per_s is None or started + sent / per_s <= now):
            connection = idle.popleft()
            connection.due_s = now if per_s is None else started + sent / per_s
            connection.socket.sendall(requests[sent])
            sent += 1
        wait_s = PATIENCE_S
        if per_s is not None and sent < total and idle:
            wait_s = max(0.0, started + sent / per_s - time.perf_counter())
        found = poll.poll(wait_s)
        if not found and wait_s == PATIENCE_S:
            raise TimeoutError(f"no answer for {PATIENCE_S} s; {received} of {total} came")
        for number, _ in found:
            connection = by_number[number]
            answer = connection.receive()
            if answer is None:
                continue
            latencies.append((time.perf_counter() - connection.due_s) * 1e3)
            code = _CODE.search(answer)
            answers[code[1].decode() if code and answer[9:12] == b"200" else f"http.{answer[9:12].decode()}"] += 1
            received += 1
            idle.append(connection)
    wall_s, cpu = time.perf_counter() - started, time.process_time() - cpu
    poll.close()
    for connection in by_number.values():
        connection.socket.close()
    return Report(total, wall_s, dict(sorted(answers.items())), sorted(latencies), cpu)


def cpu_seconds(pid: int, *, alone: bool = False) -> float:
    """User and system time of a process and, unless ``alone``, of those it has started and not yet buried."""
    used = 0.0
    for each in (pid, *(() if alone else _descendants(pid))):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        used += (int(fields[11]) + int(fields[12])) * _TICK_S
    return used


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_descendants(child)]
    return found
