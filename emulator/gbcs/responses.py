"""Responses: built and protected by the device.

The content comes from the codecs: :class:`emulator.gbcs.dlms.AccessResponse`, :func:`emulator.gbcs.gbz.encode_components` or
:func:`emulator.gbcs.shapes.encode_shape`.
"""

from dataclasses import replace

from emulator.gbcs import times
from emulator.gbcs.message import Cra, GbcsMessage
from emulator.gbcs.protect import PrivateKey, PublicKey, add_mac, sign
from emulator.gbcs.usecases import UseCase


def build_response(
    command: GbcsMessage,
    use_case: UseCase,
    content: bytes,
    device_time_ms: int,
    *,
    originator_counter: int | None = None,
    time_status: int | None = None,
) -> GbcsMessage:
    """The Response to ``command`` without protection: titles swapped, counter and code copied, supplementary fields echoed.

    The header has a date-time where the row says so; ``time_status`` overrides its clock-status octet (0x02 or 0x04 on a gas
    meter whose clock is not reliable). ``originator_counter`` is the device's own counter, given when data was encrypted for the
    supplementary party (gbcs.md sections 4 and 5).
    """
    supplementary = command.supplementary
    if supplementary is not None:
        supplementary = replace(supplementary, originator_counter=originator_counter, certificate=None)
    date_time = None
    if use_case.date_time_status is not None:
        date_time = times.cosem(device_time_ms, use_case.date_time_status if time_status is None else time_status)
    return GbcsMessage(
        Cra.RESPONSE, command.counter, command.recipient, command.originator, command.message_code, content,
        supplementary, date_time,
    )  # fmt: skip


def protect_response(
    message: GbcsMessage,
    use_case: UseCase,
    *,
    device_private_ds: PrivateKey,
    device_private_ka: PrivateKey,
    recipient_public_ka: PublicKey,
) -> GbcsMessage:
    """Sign a critical Response, give any other one the MAC of device x recipient (gbcs.md section 3)."""
    if use_case.critical or use_case.signed_answer:
        return sign(message, device_private_ds)
    return add_mac(message, device_private_ka, recipient_public_ka)
