"""The façade of one world: inputs in, time forward, effects out.

The engine is pure: no socket, thread, clock or global chance. The same inputs at the same simulated times with the same
seed give the same answers and effects, on any machine and however :meth:`Engine.advance` is sliced.
"""

from emulator.dsp.effects import Answer, ControlAnswer, Effect
from emulator.dsp.inputs import ControlInput, DuisInput


class Engine:
    """One isolated emulated GB. The caller gives inputs their order and their simulated time."""

    @property
    def now_ms(self) -> int:
        """The simulated instant up to which everything has happened."""
        raise NotImplementedError

    def submit(self, item: DuisInput, at_ms: int) -> Answer:
        """Advance to ``at_ms`` (not before ``now_ms``), process one DUIS request and return its synchronous answer."""
        raise NotImplementedError

    def control(self, item: ControlInput, at_ms: int) -> ControlAnswer:
        """Advance to ``at_ms`` and process one control command."""
        raise NotImplementedError

    def advance(self, to_ms: int, budget: int | None = None) -> bool:
        """Run what is due up to ``to_ms``, at most ``budget`` events; True when ``to_ms`` was reached."""
        raise NotImplementedError

    def next_wakeup(self) -> int | None:
        """When the next event is due, or None."""
        raise NotImplementedError

    def awaited(self) -> int:
        """How many things users are waiting for on simulated time (open transactions, firmware jobs under way).

        Autojump moves only while this is not zero or somebody waits explicitly.
        """
        raise NotImplementedError

    def take_effects(self) -> list[Effect]:
        """Hand over the effects made since the last call, in order."""
        raise NotImplementedError

    def snapshot(self) -> bytes:
        """The whole state; :func:`emulator.world.restore` makes an equal engine of it."""
        raise NotImplementedError

    def digest(self) -> str:
        """SHA-256 over the state, to compare runs."""
        raise NotImplementedError
