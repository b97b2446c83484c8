"""What sets, methods and ZCL commands do beyond storing: handlers by subject, one module each.

A module holds ``DLMS`` (:data:`emulator.premises.answers.DlmsHandlers`), ``ZCL`` (:data:`~emulator.premises.answers.ZclHandlers`)
and ``ZCL_DATED`` (what is made at a date, by cluster, frame control and command), as far as it needs them.
"""

from collections.abc import Mapping

from emulator.premises.actions import clock, hub_log
from emulator.premises.answers import DlmsHandlers, ZclDated, ZclHandlers

DLMS: DlmsHandlers = {**clock.DLMS, **hub_log.DLMS}
"""Every set or action that does more than store."""

ZCL: ZclHandlers = {}
"""Every ZCL command that devices know beside reading attributes."""

ZCL_DATED: Mapping[tuple[int, int, int], ZclDated] = {}
"""Every ZCL command that can be dated."""
