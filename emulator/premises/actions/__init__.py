"""What sets, methods and ZCL commands do beyond storing: handlers by subject, one module each.

A module holds, as far as it needs them, ``DLMS`` (:data:`emulator.premises.answers.DlmsHandlers`), ``DLMS_DATED`` (what becomes
active, by the attribute that is its activation time), ``ZCL`` (:data:`~emulator.premises.answers.ZclHandlers`) and ``ZCL_DATED``
(what is made at a date, by cluster, frame control and command).
"""

from collections.abc import Mapping

from emulator.premises.actions import calendars, clock, gas_credit, hub_log, prepayment, prices, reads, registers, tariffs
from emulator.premises.answers import DlmsDated, DlmsHandlers, ZclDated, ZclHandlers

DLMS: DlmsHandlers = {**clock.DLMS, **hub_log.DLMS, **registers.DLMS}
"""Every set or action that does more than store."""

DLMS_DATED: Mapping[str, DlmsDated] = {**tariffs.DLMS_DATED, **prepayment.DLMS_DATED}
"""Every activation time that moves more than attributes of its own object."""

ZCL: ZclHandlers = {**calendars.ZCL, **prices.ZCL, **gas_credit.ZCL, **reads.ZCL}
"""Every ZCL command that devices know beside reading attributes."""

ZCL_DATED: Mapping[tuple[int, int, int], ZclDated] = {**calendars.ZCL_DATED, **prices.ZCL_DATED, **gas_credit.ZCL_DATED}
"""Every ZCL command that can be dated."""
