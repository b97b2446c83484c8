"""Registers that are told to start anew: highest demands, counters of voltages, counters of the tariff's blocks."""

from emulator.gbcs.dlms import AccessResult, Operation
from emulator.premises.answers import OTHER_REASON, DlmsCall, DlmsHandlers
from emulator.premises.billing import VOLTAGE_LIMITS
from emulator.premises.metering import MAX_HISTORY, memory_of
from emulator.premises.rules.registers import DEMANDS

BLOCKS, RESET_BLOCKS = "9 0-0:10.0.100.255 1", 99
"""The script table's method, and the script that starts the blocks anew (ECS05)."""


def _reset(call: DlmsCall) -> AccessResult:
    """Method 1 of a register: it begins anew now."""
    memory_of(call.device).resets[call.attribute.rpartition(" ")[0]] = call.now_ms
    return call.result()


def _run_script(call: DlmsCall) -> AccessResult:
    if call.data.number != RESET_BLOCKS:
        return call.result(OTHER_REASON)
    resets = memory_of(call.device).block_resets
    resets.append(call.now_ms)
    del resets[:-MAX_HISTORY]
    return call.result()


DLMS: DlmsHandlers = {
    **{(Operation.ACTION, f"{named} 1"): _reset for named in DEMANDS},
    **{(Operation.ACTION, f"{counter} 1"): _reset for counter in VOLTAGE_LIMITS},
    (Operation.ACTION, BLOCKS): _run_script,
}
"""ECS57, ECS29a, ECS29e and their like, ECS05."""
