"""Faults on purpose: what goes wrong, for whom, when."""

from emulator.simulation.faults.plan import KINDS, FaultEntry, FaultPlan, Faults, FaultState, Params

__all__ = ["KINDS", "FaultEntry", "FaultPlan", "FaultState", "Faults", "Params"]
