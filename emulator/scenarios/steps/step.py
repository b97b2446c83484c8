"""What every kind of step has. A kind is one class: its fields are what the file may say, its methods check and carry it out."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from emulator.scenarios.names import Names
from emulator.scenarios.values import Name, RequirementId

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class Step(BaseModel, ABC):
    """One step of a scenario."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    do: str
    """The kind of step."""
    name: Name = ""
    """By which later steps refer to this one, and reports name it."""
    requirements: list[RequirementId] = []
    """What this very step shows."""

    def check(self, names: Names) -> None:
        """Look up everything that the step names and add what it defines; raise :class:`Malformed` with the field."""

    @abstractmethod
    async def run(self, stage: "Stage") -> None:
        """Carry it out. What is not as the file says is noted with :meth:`Stage.verify`; :class:`Malformed` means that the step
        cannot be carried out as it is written."""

    def title(self, names: Names) -> str:
        """The step in a few words, for progress and reports."""
        return self.name or self.do
