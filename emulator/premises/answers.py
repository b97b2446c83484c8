"""What commands come to: results of DLMS accesses and of ZCL commands, and the forms of what does them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from emulator.gbcs.commands import CommandView
from emulator.gbcs.dlms import AccessResult, Data, Operation
from emulator.gbcs.gbz import SUCCESS as ZCL_SUCCESS
from emulator.gbcs.gbz import Component
from emulator.premises.context import Context
from emulator.premises.state import DatedChange, DeviceState

SUCCESS, HARDWARE_FAULT, OBJECT_UNDEFINED, OTHER_REASON = 0, 1, 4, 250
"""Results of DLMS accesses in use (gbcs.md 6, proven save 4, which is of the source)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device answers."""

    content: bytes
    originator_counter: int | None = None
    """The device's own counter, when data was encrypted for an unknown remote party."""


@dataclass(frozen=True, slots=True)
class DlmsCall:
    """One set or action of a DLMS Command at work."""

    context: Context
    device: DeviceState
    view: CommandView
    operation: Operation
    attribute: str
    data: Data
    now_ms: int

    def result(self, code: int = SUCCESS, data: Data | None = None) -> AccessResult:
        """The answer to it; sets, failures and plain actions carry no data."""
        return AccessResult(self.operation, code) if data is None else AccessResult(self.operation, code, data)


DlmsHandler = Callable[[DlmsCall], AccessResult]
"""Does what a set or an action does beyond storing."""

DlmsHandlers = Mapping[tuple[Operation, str], DlmsHandler]
"""Handlers by operation and attribute or method, as ``"class obis index"``."""


@dataclass(frozen=True, slots=True)
class ZclCall:
    """One ZCL command of a GBZ Command at work."""

    context: Context
    device: DeviceState
    view: CommandView
    request: Component
    now_ms: int


@dataclass(frozen=True, slots=True)
class ZclReply:
    """One command that answers a ZCL command; its payload is clear here, and encrypted on its way where the use case says so."""

    frame_control: int
    command: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class ZclAnswer:
    """What a ZCL command comes to: a status, which the Default Response carries, or replies of its own."""

    status: int = ZCL_SUCCESS
    replies: tuple[ZclReply, ...] = ()


ZclHandler = Callable[[ZclCall], ZclAnswer]

ZclHandlers = Mapping[tuple[int, int, int], ZclHandler]
"""Handlers by cluster, frame control (type and direction, without the bit about default responses) and command."""

ZclDated = Callable[[Context, DeviceState, DatedChange, int], None]
"""Makes a change at its date, from the ZCL payload that was kept."""

DlmsDated = Callable[[Context, DeviceState, DatedChange, int], None]
"""Makes what was set active, now or at its date, where that is more than attributes of the same object."""
