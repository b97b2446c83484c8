"""Faults on purpose.

``kinds``: what can go wrong; ``selectors``: for whom; ``plan``: when, and the plan that behaviour asks; ``reading``: a fault as
people write it.
"""

from emulator.simulation.faults.kinds import KINDS, FaultKind, Form, Param, Params, Subject
from emulator.simulation.faults.plan import Condition, Counted, FaultEntry, FaultPlan, Faults, FaultState
from emulator.simulation.faults.reading import KEYS, read_fault, read_plan
from emulator.simulation.faults.selectors import FACTS, Fact, Facts, FindFacts, Selector, check_selects

__all__ = [
    "FACTS",
    "KEYS",
    "KINDS",
    "Condition",
    "Counted",
    "Fact",
    "Facts",
    "FaultEntry",
    "FaultKind",
    "FaultPlan",
    "FaultState",
    "Faults",
    "FindFacts",
    "Form",
    "Param",
    "Params",
    "Selector",
    "Subject",
    "check_selects",
    "read_fault",
    "read_plan",
]
