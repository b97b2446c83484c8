"""Responses: built and protected by the device."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from emulator.domain.errors import Broken
from emulator.gbcs import gbz, times
from emulator.gbcs.dlms import NULL, AccessRequest, AccessResponse, AccessResult, Data, Operation
from emulator.gbcs.message import Cra, GbcsMessage
from emulator.gbcs.protect import PrivateKey, PublicKey, add_mac, seal, sign
from emulator.gbcs.shapes import encode_shape
from emulator.gbcs.usecases import UseCase


def dlms_content(request: AccessRequest, answers: Sequence[tuple[int, Data]]) -> bytes:
    """The content that answers a DLMS Command: per access a result code (0 success) and the value read or returned.

    Sets and failed accesses answer with null whatever value is given (gbcs.md section 6, proven).
    """
    items = []
    for access, (code, data) in zip(request.items, answers, strict=True):
        operation = Operation.GET if access.operation is Operation.GET_SELECTIVE else access.operation
        silent = code != 0 or operation is Operation.SET
        items.append(AccessResult(operation, code, NULL if silent else data))
    return AccessResponse(request.invoke_id, tuple(items)).encode()


def gbz_content(components: Sequence[gbz.Component]) -> bytes:
    """The content of a GBZ Response: components made by :func:`gbz.read_response`, :func:`gbz.default_response` …"""
    return gbz.encode_components(components)


Records = Callable[[gbz.Component], Sequence[gbz.AttributeRecord]]
"""Answers a Read Attributes component from what the device holds."""


def gbz_read_content(
    use_case: UseCase, command: GbcsMessage, requests: Sequence[gbz.Component], records: Records, key: bytes | None = None
) -> bytes:
    """The content that answers a Command which only reads attributes.

    Where the row says so the answer is encrypted with ``key`` (:func:`emulator.gbcs.protected.sealing_key`).
    """
    answers = []
    sealed = 0
    for request, item in zip(requests, use_case.request, strict=False):
        payload = gbz.encode_records(records(request))
        if not getattr(item, "encrypted_answer", False):
            answers.append(gbz.read_response(request, payload))
            continue
        if key is None:
            raise Broken(f"{use_case.name} answers encrypted and has no key")
        answers.append(gbz.read_response(request, seal(payload, key, command.recipient), frame_counter=sealed))
        sealed += 1
    return gbz.encode_components(answers)


def asn1_content(use_case: UseCase, values: Mapping[str, object]) -> bytes:
    """The content of an ASN.1 Response; names as in :data:`emulator.gbcs.shapes.SHAPES`, no values where NULL is answered.

    CS06 ``activate_image_code`` and ``firmware_version`` (4 octets), nothing when dated ahead or cancelled; CS08
    ``firmware_version``, ``read_code``; GCS28 ``device_time_ms``, ``time_status``; CS03 and CS04 ``code``; CS07 ``code``,
    ``devices``.
    """
    return encode_shape(use_case.response_shape, values)


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
    if use_case.critical:
        return sign(message, device_private_ds)
    return add_mac(message, device_private_ka, recipient_public_ka)
