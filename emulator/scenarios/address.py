"""Where scenarios and campaigns find a server."""

import ssl
from dataclasses import dataclass

from emulator.simulation.durations import HOUR_MS

LEAD_MS = HOUR_MS
"""A new world begins so much before what is run in it: until its clock is stopped, it may run."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is."""

    control: str
    """Root of its control service."""
    duis: str
    """Root of its DUIS services."""
    token: str = ""
    listen: str = "127.0.0.1"
    """Address on which users take messages; the server must be able to reach it and allow it."""
    tls: ssl.SSLContext | None = None
    """Whom the server is checked against and what it is shown, where it speaks TLS."""
