"""What a server says about itself: structlog on stderr, JSON unless a person looks."""

import logging
import sys
from typing import TextIO, cast

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from emulator.service.config import Logging

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Stderr:
    """stderr as it is when something is written, for loggers outlive whoever takes its place for a while."""

    def write(self, text: str) -> int:
        """Write."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush."""
        sys.stderr.flush()


class NotOurErrors(logging.Filter):
    """Keeps out what aiohttp logs as an error, with its stack, when a peer sends octets that are not HTTP: it got its 400."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for such a record."""
        return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


def configure_logs(settings: Logging) -> None:
    """Set up logging for the process."""
    stderr = Stderr()
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    renderer = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    exceptions = [structlog.processors.format_exc_info] if as_json else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *exceptions,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.level]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", stderr)),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("aiohttp.server").addFilter(NotOurErrors())
