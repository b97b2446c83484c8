"""ZCL commands that are done now or at a date, and their fields."""

from emulator.gbcs.gbz import read_zcl
from emulator.gbcs.octets import Reader
from emulator.gbcs.times import read_utc_time
from emulator.gbcs.usecases import Format
from emulator.premises import dated
from emulator.premises.answers import ZclAnswer, ZclCall, ZclDated
from emulator.premises.context import Context
from emulator.premises.credit import changing
from emulator.premises.state import DatedChange, DeviceState

CLIENT_TO_SERVER, SERVER_TO_CLIENT = 0x01, 0x09
"""Frame controls of cluster commands by direction (gbcs.md 7)."""

REPLY = 0x19
"""Frame control of what Get commands bring (test messages GCS21b, GCS21f)."""

CALENDARS = 0x0707
ALERTS_AS_CLIENT = (CALENDARS,)
"""Clusters of which an alert names commands with frame control 01, although they came with 09 (test messages GCS05; not so for
prices, test messages GCS01b)."""


def numbers(payload: bytes, *types: int) -> tuple[list[int], bytes]:
    """The values of the first fields, all numbers, and what follows them; :class:`Malformed` where the payload is too short."""
    reader = Reader(payload)
    values = [read_zcl(reader, type_) for type_ in types]
    return [value for value in values if isinstance(value, int)], reader.take(reader.left, "the rest of the payload")


def at_date(call: ZclCall, utc_time: int, run: ZclDated, part: str = "") -> ZclAnswer:
    """Do what a command asks now, keep it for its date, or cancel what was kept.

    ``utc_time`` is the command's field; ``part`` tells apart commands that can wait beside each other, such as those of two
    calendars.
    """
    request = call.request
    control = CLIENT_TO_SERVER if request.cluster in ALERTS_AS_CLIENT else call.request.frame_control
    instruction = request.cluster.to_bytes(2, "big") + bytes((control, request.command))
    change = dated.plan(
        call.context, call.device, call.view.message, Format.GBZ, instruction, read_utc_time(utc_time), call.now_ms,
        request.payload, part,
    )  # fmt: skip
    if change is not None:
        run(call.context, call.device, change, call.now_ms)
    return ZclAnswer()


def charging(run: ZclDated) -> ZclDated:
    """What changes the terms on which a meter charges: all charges until then are taken first."""

    def changed(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
        with changing(context, device, now_ms):
            run(context, device, change, now_ms)

    return changed
