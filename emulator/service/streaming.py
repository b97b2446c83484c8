"""Answers of the control service that are written piece by piece."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

_log = structlog.get_logger("control")


@asynccontextmanager
async def streamed(request: web.Request, media_type: str) -> AsyncIterator[web.StreamResponse]:
    """An answer to write to within the block, which is whole with the block's end.

    A caller who goes away ends the block. An error of ours breaks the connection: what has come must not pass for everything.
    """
    response = web.StreamResponse(headers={"Content-Type": media_type, "Cache-Control": "no-store"})
    await response.prepare(request)
    try:
        yield response
        await response.write_eof()
    except ConnectionError:
        _log.debug("the reader of a stream has gone", path=request.path)
    except Exception:
        _log.exception("a stream broke off", path=request.path)
        if request.transport is not None:
            request.transport.abort()
