"""What one user may take of the server: requests a second, requests at a time; and what all bodies together may hold.

A user is whoever's certificate signed, known when the signature has been checked, so that nobody uses up another's share. What
is over a limit gets 429, or 503 for the limit of all, with ``Retry-After``; it is no input of the world and is not logged as one.
(No source has limits of the DCC's own interface; status and header are those of RFC 6585 section 4 and RFC 9110.)
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from emulator.service.config import Duis

USERS_REMEMBERED = 10_000
"""Users whose rate is followed; the one unheard for longest is forgotten, and by then has its whole burst again."""


@dataclass(slots=True)
class _Share:
    left: float
    """Requests that may come at once."""
    at_s: float
    under_way: int = 0


@dataclass(frozen=True, slots=True)
class Excess:
    """A request over a limit."""

    detail: str
    retry_after_s: int


class UserLimits:
    """The shares of the users of one world. Times are of a clock that never goes back, in seconds."""

    def __init__(self, settings: Duis) -> None:
        self._rate = settings.user_rate
        self._burst = float(settings.user_burst or max(1.0, settings.user_rate))
        self._at_a_time = settings.user_concurrency
        self._shares: OrderedDict[int, _Share] = OrderedDict()

    def take(self, user: int, now_s: float) -> Excess | None:
        """Count a request of ``user`` as under way, unless it is one too many; then say why, and nothing is counted."""
        share = self._share(user, now_s)
        if self._at_a_time and share.under_way >= self._at_a_time:
            return Excess(f"{share.under_way} requests of this user are under way; at most {self._at_a_time} may be", 1)
        if self._rate:
            share.left = min(self._burst, share.left + (now_s - share.at_s) * self._rate)
            share.at_s = now_s
            if share.left < 1:
                wait_s = math.ceil((1 - share.left) / self._rate)
                return Excess(f"this user may send {self._rate:g} requests a second, {self._burst:g} at once", wait_s)
            share.left -= 1
        share.under_way += 1
        return None

    def give_back(self, user: int) -> None:
        """A request that was counted has been answered."""
        share = self._shares.get(user)
        if share is not None and share.under_way:
            share.under_way -= 1

    def _share(self, user: int, now_s: float) -> _Share:
        share = self._shares.get(user)
        if share is None:
            share = self._shares[user] = _Share(self._burst, now_s)
            if len(self._shares) > USERS_REMEMBERED:
                idle = next((each for each, known in self._shares.items() if not known.under_way and each != user), None)
                if idle is not None:
                    del self._shares[idle]
        else:
            self._shares.move_to_end(user)
        return share


class HeldBodies:
    """Octets of bodies that are being read or worked on, against a limit for all of them together."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    @contextmanager
    def hold(self, size_bytes: int) -> Iterator[bool]:
        """Room for a body while the block runs; False where there is none. One body always has room."""
        if self.held_bytes and self.held_bytes + size_bytes > self._limit_bytes:
            yield False
            return
        self.held_bytes += size_bytes
        try:
            yield True
        finally:
            self.held_bytes -= size_bytes
