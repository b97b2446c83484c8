"""Listening sites that lose no connection when they stop."""

import asyncio

from aiohttp import web

LETTING_IN_TURNS = 4
"""Turns of the event loop from an accepted connection to a handler that waits for its first request: its transport, its
protocol, the handler's task, the first step of that."""


class _LettingIn(web.BaseSite):
    """Stops to accept before it closes.

    An :class:`asyncio.Server` that closes in the turn in which it accepted a connection never closes that connection: the
    transport wants to be counted by a server that is no more, fails, and its socket stays open until it is collected. And a
    handler that begins only after aiohttp closed the idle ones is waited for as if it had a request.
    """

    async def stop(self) -> None:
        """Accept no more, let in who was accepted, then close."""
        loop = asyncio.get_running_loop()
        for listener in () if self._server is None else self._server.sockets:  # type: ignore[attr-defined]
            loop.remove_reader(listener.fileno())
        for _ in range(LETTING_IN_TURNS):
            await asyncio.sleep(0)
        await super().stop()


class AddressSite(_LettingIn, web.TCPSite):
    """Listens on an address."""


class SocketSite(_LettingIn, web.SockSite):
    """Listens on a socket that is bound already."""
