"""What sets, methods and ZCL commands do beyond storing: handlers by subject, one module each.

A module holds, as far as it needs them, ``DLMS`` (:data:`emulator.premises.answers.DlmsHandlers`), ``DLMS_DATED`` (what becomes
active, by the attribute that is its activation time), ``ZCL`` (:data:`~emulator.premises.answers.ZclHandlers`), ``ZCL_DATED``
(what is made at a date, by cluster, frame control and command) and ``TIMERS`` (what is done by itself, by kind of timer).
"""

from collections.abc import Mapping

from emulator.premises import power
from emulator.premises.actions import (
    behaviours,
    bills,
    calendars,
    clock,
    configuration,
    customer,
    event_logs,
    gas_credit,
    hub_log,
    load_limit,
    loads,
    prepayment,
    prices,
    reads,
    registers,
    sub_ghz,
    supply,
    tariffs,
)
from emulator.premises.answers import DlmsDated, DlmsHandlers, ZclDated, ZclHandlers
from emulator.premises.timers import Run

DLMS: DlmsHandlers = {
    **clock.DLMS, **hub_log.DLMS, **registers.DLMS, **supply.DLMS, **loads.DLMS, **load_limit.DLMS, **prepayment.DLMS,
    **event_logs.DLMS, **behaviours.DLMS, **bills.DLMS, **sub_ghz.DLMS,
}  # fmt: skip
"""Every set or action that does more than store."""

DLMS_DATED: Mapping[str, DlmsDated] = {
    **tariffs.DLMS_DATED, **prepayment.DLMS_DATED, **loads.DLMS_DATED, **load_limit.DLMS_DATED,
}  # fmt: skip
"""Every activation time that moves more than attributes of its own object."""

ZCL: ZclHandlers = {
    **supply.ZCL, **calendars.ZCL, **prices.ZCL, **gas_credit.ZCL, **reads.ZCL, **configuration.ZCL, **event_logs.ZCL,
    **behaviours.ZCL, **customer.ZCL,
}  # fmt: skip
"""Every ZCL command that devices know beside reading attributes."""

ZCL_DATED: Mapping[tuple[int, int, int], ZclDated] = {**calendars.ZCL_DATED, **prices.ZCL_DATED, **gas_credit.ZCL_DATED}
"""Every ZCL command that can be dated."""

TIMERS: Mapping[str, Run] = {
    **loads.TIMERS, **load_limit.TIMERS, **prepayment.TIMERS, **bills.TIMERS, **sub_ghz.TIMERS, **power.TIMERS,
}  # fmt: skip
"""Everything that devices do by themselves at a time."""
