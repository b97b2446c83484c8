"""Execution of GBZ Commands: attributes are read from the store, anything else gets a Default Response (derive.md)."""

from emulator.gbcs import gbz
from emulator.gbcs.commands import CommandView
from emulator.gbcs.gbz import AttributeRecord, Component
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protect import seal
from emulator.gbcs.protected import sealing_key
from emulator.gbcs.usecases import GbzItem
from emulator.premises import objects
from emulator.premises.context import Context
from emulator.premises.cosem import Answer
from emulator.premises.readers import reader_secret
from emulator.premises.state import DeviceState


def execute(context: Context, device: DeviceState, view: CommandView, now_ms: int) -> Answer:
    """Run the components; raise :class:`Malformed` when the reader's certificate cannot be read."""
    message = view.message
    broken = context.faults.find("device.read_fails", device.eui, now_ms) is not None
    encrypted = [isinstance(item, GbzItem) and item.encrypted_answer for item in view.use_case.request]
    own_counter = _own_counter(device, message) if any(encrypted) else None
    answers: list[Component] = []
    frame_counter = 0
    for index, request in enumerate(view.components):
        if request.command != gbz.READ_ATTRIBUTES or request.frame_control & 0x03:
            answers.append(gbz.default_response(request, gbz.HARDWARE_FAILURE if broken else gbz.SUCCESS))
            continue
        payload = gbz.encode_records(_records(context, device, request, broken, now_ms))
        if index < len(encrypted) and encrypted[index]:
            key = sealing_key(message, reader_secret(context, device, message), own_counter)
            sealed = seal(payload, key, message.recipient)
            answers.append(gbz.read_response(request, sealed, frame_counter))
            frame_counter += 1
        else:
            answers.append(gbz.read_response(request, payload))
    return Answer(gbz.encode_components(answers), own_counter)


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
