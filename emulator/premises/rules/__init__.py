"""How values come about that are neither set nor constant: rules by name, one module per subject."""

from collections.abc import Mapping

from emulator.premises.readings import Rule
from emulator.premises.rules import (
    accounts,
    configuration,
    event_logs,
    identity,
    logs,
    prices,
    registers,
    sub_ghz,
    supply,
    tariffs,
    voltages,
)

RULES: Mapping[str, Rule] = {
    **identity.RULES, **registers.RULES, **logs.RULES, **voltages.RULES, **prices.RULES, **tariffs.RULES, **accounts.RULES,
    **supply.RULES, **configuration.RULES, **event_logs.RULES, **sub_ghz.RULES,
}  # fmt: skip
"""Every rule that a row of ``data/objects`` may name."""
