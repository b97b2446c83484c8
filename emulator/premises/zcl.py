"""Execution of GBZ Commands: attributes are read from the store, commands run their handlers, and most get a Default Response
(derive.md)."""

from dataclasses import replace

from emulator.domain.errors import Malformed
from emulator.gbcs import gbz
from emulator.gbcs.commands import CommandView
from emulator.gbcs.gbz import AttributeRecord, Component
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protect import seal
from emulator.gbcs.protected import sealing_key
from emulator.gbcs.usecases import GbzItem, UseCase
from emulator.premises import faulty, objects
from emulator.premises.actions import ZCL, ZCL_DATED
from emulator.premises.answers import Answer, ZclAnswer, ZclCall
from emulator.premises.context import Context
from emulator.premises.readers import reader_secret
from emulator.premises.state import DatedChange, DeviceState

CLUSTER_COMMAND, TYPE_AND_DIRECTION = 0x03, 0x0B
"""Bits of the frame control: type of command, and type with direction (gbcs.md 7)."""

CLUSTER_REPLY = 0x09
"""Frame control of a cluster command from the server."""

OWN_FAILURES = {
    (0x0702, 0x07): (0x0D, bytes.fromhex("ffff")),
    (0x0705, 0x04): (0x03, bytes.fromhex("01ffffffff00ffffffff")),
}
"""How Start Sampling and Consumer Top Up say that they failed: in their own answers (test messages GCS31 and CS01b)."""

RECORDS = frozenset(
    {
        (0x0700, 0x00), (0x0702, 0x06), (0x0702, 0x08), (0x0705, 0x07), (0x0705, 0x08), (0x0705, 0x0A), (0x0707, 0x01),
        (0x0707, 0x02), (0x0707, 0x03), (0x0707, 0x04), (0x0709, 0x00),
    }
)  # fmt: skip
"""Cluster and command of what asks for records: prices, snapshots, samples, logs and calendars, of which there may be none."""


def execute(context: Context, device: DeviceState, view: CommandView, now_ms: int) -> Answer:
    """Run the components; raise :class:`Malformed` when the reader's certificate cannot be read."""
    message = view.message
    broken = context.faults.find("device.read_fails", device.eui, now_ms) is not None
    own_counter = _own_counter(device, message) if view.use_case.sensitive and view.use_case.own_counter else None
    answers: list[Component] = []
    stop = faulty.breaks_off_at(context, device, len(view.components), now_ms)
    for number, request in enumerate(view.components):
        if number > stop:
            answers.append(gbz.default_response(request, gbz.FAILURE, command=gbz.NOT_REACHED))
        elif number == stop:
            answers.append(_failed(context, device, request, now_ms))
        else:
            answers += _run(context, device, view, request, broken, now_ms)
    if any(_encrypted(view.use_case, answer.cluster) for answer in answers if answer.command != gbz.DEFAULT_RESPONSE):
        answers = _sealed(context, device, view, answers, own_counter)
    return Answer(gbz.encode_components(answers), own_counter)


def _run(
    context: Context, device: DeviceState, view: CommandView, request: Component, broken: bool, now_ms: int
) -> list[Component]:
    """The answers to one component, clear."""
    if request.command == gbz.READ_ATTRIBUTES and not request.frame_control & CLUSTER_COMMAND:
        payload = gbz.encode_records(_records(context, device, request, broken, now_ms))
        return [gbz.read_response(request, payload)]
    if broken:
        return [gbz.default_response(request, gbz.HARDWARE_FAILURE)]
    handler = ZCL.get((request.cluster, request.frame_control & TYPE_AND_DIRECTION, request.command))
    if handler is None:
        context.note(device, f"knows no command {request.command:02X} of cluster {request.cluster:04X}")
        return [gbz.default_response(request, gbz.FAILURE)]
    try:
        answer = handler(ZclCall(context, device, view, request, now_ms))
    except Malformed as error:
        context.note(device, f"cannot run command {request.command:02X} of cluster {request.cluster:04X}: {error}")
        answer = ZclAnswer(gbz.FAILURE)
    asks_for_records = (request.cluster, request.command) in RECORDS
    if asks_for_records and context.faults.find("device.finds_nothing", device.eui, now_ms) is not None:
        answer = ZclAnswer(gbz.NOT_FOUND)
    if not answer.replies:
        return [gbz.default_response(request, answer.status)]
    return [
        Component(request.cluster, reply.frame_control, request.sequence, reply.command, reply.payload)
        for reply in answer.replies
    ]


def _failed(context: Context, device: DeviceState, request: Component, now_ms: int) -> Component:
    """A hardware fault: of the first attribute that is read, or of the command."""
    if request.command != gbz.READ_ATTRIBUTES or request.frame_control & CLUSTER_COMMAND:
        command, payload = OWN_FAILURES.get((request.cluster, request.command), (gbz.DEFAULT_RESPONSE, b""))
        if command == gbz.DEFAULT_RESPONSE:
            return gbz.default_response(request, gbz.HARDWARE_FAILURE)
        return Component(request.cluster, CLUSTER_REPLY, request.sequence, command, payload)
    first, *others = _records(context, device, request, False, now_ms)
    failed = AttributeRecord(first.attribute, gbz.HARDWARE_FAILURE)
    return gbz.read_response(request, gbz.encode_records([failed, *others]))


def _encrypted(use_case: UseCase, cluster: int) -> bool:
    return any(isinstance(item, GbzItem) and item.encrypted_answer and item.cluster == cluster for item in use_case.request)


def _sealed(
    context: Context, device: DeviceState, view: CommandView, answers: list[Component], own_counter: int | None
) -> list[Component]:
    """Encrypt what answers the sensitive components; a frame counter counts them.

    Answers to reads ask for no default response; other commands say for themselves (test messages GCS13a, GCS18).
    """
    key = sealing_key(view.message, reader_secret(context, device, view.message), own_counter)
    sealed, frame_counter = [], 0
    for answer in answers:
        if answer.command != gbz.DEFAULT_RESPONSE and _encrypted(view.use_case, answer.cluster):
            payload = seal(answer.payload, key, view.message.recipient)
            control = answer.frame_control
            if not control & CLUSTER_COMMAND:
                control |= gbz.NO_DEFAULT_RESPONSE
            answer = replace(answer, frame_control=control, payload=payload, frame_counter=frame_counter)
            frame_counter += 1
        sealed.append(answer)
    return sealed


def apply_dated(context: Context, device: DeviceState, change: DatedChange, now_ms: int) -> None:
    """Make a dated ZCL command happen; :class:`Malformed` where it cannot."""
    cluster, frame_control, command = int.from_bytes(change.instruction[:2], "big"), *change.instruction[2:4]
    run = ZCL_DATED.get((cluster, frame_control & TYPE_AND_DIRECTION, command))
    if run is None:
        raise Malformed("no such command can be dated", where=change.instruction.hex())
    run(context, device, change, now_ms)


def _own_counter(device: DeviceState, message: GbcsMessage) -> int | None:
    if message.supplementary is None or message.supplementary.certificate is None:
        return None
    device.alert_counter += 1
    return device.alert_counter


def _records(context: Context, device: DeviceState, request: Component, broken: bool, now_ms: int) -> list[AttributeRecord]:
    records = []
    for attribute in gbz.requested_attributes(request):
        value = objects.read_zcl(context, device, request.cluster, attribute, now_ms)
        if broken:
            records.append(AttributeRecord(attribute, gbz.HARDWARE_FAILURE))
        elif value is None:
            records.append(AttributeRecord(attribute, gbz.NOT_FOUND))
        else:
            records.append(AttributeRecord(attribute, gbz.SUCCESS, value))
    return records
