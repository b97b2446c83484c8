"""What a server says about itself."""

import io
import json
from contextlib import redirect_stderr

import structlog

from emulator.service.config import Logging
from emulator.service.logs import configure_logs


def test_loggers_outlive_whoever_took_stderr() -> None:
    """A logger that was first used while something else took stderr says its next words to the one that is there then."""
    taken, later = io.StringIO(), io.StringIO()
    logger = structlog.get_logger()
    with redirect_stderr(taken):
        configure_logs(Logging(level="warning", format="json"))
        logger.warning("first")
    with redirect_stderr(later):
        taken.close()
        logger.warning("second")
    assert json.loads(later.getvalue())["event"] == "second"
