"""HTTP by hand, for what no client library would send."""

import asyncio
from collections.abc import Mapping

from tests.http.running import Emulator
from tests.http.side import Answer, Side


def request_head(side: Side, service: str, headers: Mapping[str, str]) -> bytes:
    """Request line and headers of a post to a DUIS web service."""
    path = side.url().removeprefix(side.emulator.url("duis")) + f"/api/v1/service{service}"
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def speak(emulator: Emulator, data: bytes, *, interface: str = "duis", hang_up: bool = False) -> Answer | None:
    """Send octets over a connection of their own and read one answer; None when the peer closes without one.

    With ``hang_up`` the client's direction is closed after them.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", emulator.ports[interface])
    try:
        writer.write(data)
        await writer.drain()
        if hang_up:
            writer.write_eof()
        async with asyncio.timeout(60):
            return await read_answer(reader)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> Answer | None:
    """The next answer on a connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), headers, body)
