"""Answers of the DUIS services that go wrong on their way, on purpose. The request behind one is taken and durable by then."""

import asyncio
import socket
import struct

from aiohttp import web

from emulator.service.answering import Reply

PIECES = 20
"""In how many pieces an answer drips."""
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing the socket then sends RST instead of FIN."""


async def spoil(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Send an answer the way its faults want it."""
    spoilt = reply.spoilt
    if spoilt.delay_ms:
        await asyncio.sleep(spoilt.delay_ms / 1000)
    if spoilt.reset:
        _reset(request)
    if spoilt.reset or not (spoilt.drip_ms or spoilt.cut_percent):
        return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)
    response = web.StreamResponse(status=reply.status)
    response.content_type = reply.content_type
    response.content_length = len(reply.body)
    await response.prepare(request)
    sent = reply.body[: len(reply.body) * spoilt.cut_percent // 100] if spoilt.cut_percent else reply.body
    size = max(1, -(-len(sent) // PIECES)) if spoilt.drip_ms else max(1, len(sent))
    try:
        for at in range(0, len(sent), size):
            if spoilt.drip_ms:
                await asyncio.sleep(spoilt.drip_ms / PIECES / 1000)
            await response.write(sent[at : at + size])
    except ConnectionError:
        return response  # the client has had enough
    if spoilt.cut_percent and request.transport is not None:
        request.transport.close()
    return response


def _reset(request: web.Request) -> None:
    """End the connection as a machine does that has lost it."""
    transport = request.transport
    if transport is None:
        return
    connected = transport.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    transport.abort()
