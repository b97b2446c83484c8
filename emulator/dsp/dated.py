"""Commands that a device takes now and executes at a date: what they instruct, what replaces them, and how they are reported.

A device reports each instruction by itself, 8F66 when it was carried out and 8F67 when it was not (reference duis/duis.md 1.8 and
gbcs/gbcs.md 6 to 8). Where a later Command says something else about an instruction, or cancels it, the device forgets the
earlier.
"""

import base64
from collections.abc import Mapping

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.domain.tables import FutureDated, service_reference_variants
from emulator.dsp.context import Context
from emulator.dsp.retention import finish
from emulator.dsp.state import InventoryEntry, Transaction, TransactionState
from emulator.dsp.transactions import answer, close, command_failure, fail, takes_date
from emulator.duis.messages import element
from emulator.gbcs.commands import CommandView, read_command
from emulator.gbcs.dlms import Operation
from emulator.gbcs.functions import FUNCTIONS
from emulator.gbcs.message import GbcsMessage

ACTIVATE_FIRMWARE = 0x0012
OUTCOME_OF_FIRMWARE, OUTCOME_DLMS, OUTCOME_GBZ = 0x00CA, 0x00CC, 0x00CD
OUTCOMES = (OUTCOME_OF_FIRMWARE, OUTCOME_DLMS, OUTCOME_GBZ)
"""Message codes of the alerts that report an instruction (gbcs.md appendix); those about certificates are in
:mod:`emulator.dsp.credentials`."""
CREDENTIAL_UPDATES = frozenset({*range(0x0100, 0x010A), 0x0125, 0x0126})
"""Message codes of CS02b and CS02g (gbcs.md 8)."""

BY_DEVICE = (FutureDated.DEVICE, FutureDated.DSP_AND_DEVICE)


def is_dated_by_device(transaction: Transaction) -> bool:
    """Whether the device, and not the DSP alone, keeps the date of such a request."""
    return service_reference_variants()[transaction.request.service_reference_variant].future_dated in BY_DEVICE


def instructions(message: GbcsMessage, date: str | None) -> tuple[str, ...]:
    """What a Command tells its device to do at the date of its request (None: now), in its order and as reports name it: class,
    OBIS code and attribute of an activation time, cluster and command of a ZCL command, or the message code."""
    view = read_command(message)
    if view is None or view.values:
        return (f"{message.message_code:04x}",)
    found = _activation_times(view, date) if view.accesses else _zcl_commands(view, date)
    return found or (f"{message.message_code:04x}",)


def _activation_times(view: CommandView, date: str | None) -> tuple[str, ...]:
    wanted = FUNCTIONS["cosem_time"](date)
    return tuple(
        (access.attribute.class_id.to_bytes(2, "big") + access.attribute.obis + bytes((access.attribute.index,))).hex()
        for access in view.accesses
        if access.operation is Operation.SET and access.data.value == wanted
    )


def _zcl_commands(view: CommandView, date: str | None) -> tuple[str, ...]:
    """Those whose payload holds the date, or that have it before their header (gbcs.md 7); without a date every command, any of
    which could have one."""
    times = [FUNCTIONS[name](date) for name in ("utc_time", "utc_time_publish")] if date is not None else []
    octets = [time.to_bytes(4, "little") for time in times if isinstance(time, int)]
    return tuple(
        f"{component.cluster:04x}{component.command:02x}"
        for component in view.components
        if date is None or component.from_time in times or any(each in component.payload for each in octets)
    )


def accepted(context: Context, transaction: Transaction, executed: bool) -> None:
    """The device took a Command of a sort that can be dated: it forgets what it held about the same instructions, and will report
    those of this one if it has a date and was not ``executed`` already."""
    if not transaction.succeeded and transaction.message_code != ACTIVATE_FIRMWARE:
        return  # a CS06 takes the place of a stored one whatever comes of it (gbcs.md 4)
    for held in context.lookup.dated(transaction.device):
        if held.key == transaction.key:
            continue
        replaced = {number for number, each in enumerate(held.instructions, 1) if each in transaction.instructions}
        _told(context, held, replaced, TransactionState.CANCELLED)
    if takes_date(transaction) and transaction.succeeded and not executed:
        _await(context, transaction)


def _await(context: Context, transaction: Transaction) -> None:
    assert transaction.due_ms is not None
    context.state.finished.pop(transaction.key, None)
    transaction.state = TransactionState.ACCEPTED_BY_DEVICE
    context.lookup.add_dated(transaction)
    late_ms = max(context.now_ms, transaction.due_ms) + context.settings.future_dated_grace_ms
    transaction.deadline = context.agenda.schedule(late_ms, "dsp.execution_overdue", transaction.key)


def end(context: Context, transaction: Transaction, outcome: TransactionState) -> None:
    """Nothing more is awaited of a Command that a device held."""
    context.lookup.drop_dated(transaction)
    if transaction.deadline >= 0:
        context.agenda.cancel(transaction.deadline)
        transaction.deadline = -1
    finish(context, transaction, outcome)


def drop_dated(context: Context, device: InventoryEntry, purpose: str) -> None:
    """End everything that a device that left would have done at its date, and tell who asked for it."""
    for transaction in context.lookup.dated(device.eui):
        end(context, transaction, TransactionState.CANCELLED)
        command_failure(context, transaction, purpose)


def overdue(context: Context, key: int) -> None:
    """A device took a date and did not report the execution in time: E30 (duis.md 3.3, medium-high)."""
    transaction = context.state.transactions.get(key)
    if transaction is None or transaction.state is not TransactionState.ACCEPTED_BY_DEVICE:
        return
    transaction.deadline = -1
    end(context, transaction, TransactionState.FAILED)
    fail(context, transaction, context.codes.code("future_dated_timeout"), "no_response")


def _told(context: Context, transaction: Transaction, numbers: set[int], outcome: TransactionState) -> None:
    """Instructions that are executed or replaced; with the last of them the request is over."""
    transaction.reported = tuple(sorted({*transaction.reported, *numbers}))
    if len(transaction.reported) >= len(transaction.instructions):
        end(context, transaction, outcome)


def report(
    context: Context, device: InventoryEntry, message: GbcsMessage, octets: bytes, result: Mapping[str, object], code: int
) -> Transaction | None:
    """An instruction was executed or not: a ResponseMessage for the request it belongs to (duis.md 1.8, certain). Returns that.

    Whoever the device now trusts gets it; what is not the request of that user goes as a Device Alert.
    """
    named = _named(context, device, message, result)
    if named is None:
        context.device_alert(message.recipient, device.eui, message.counter, code, octets)
        return None
    transaction, number = named
    total = max(1, len(transaction.instructions))
    if transaction.state is TransactionState.SENT:  # its Response was lost on the way
        close(context, transaction, TransactionState.ANSWERED)
        if total > 1 and takes_date(transaction):
            _await(context, transaction)
    if transaction.state is TransactionState.ACCEPTED_BY_DEVICE:
        _told(context, transaction, {number}, TransactionState.ANSWERED)
    if transaction.user != message.recipient:
        context.device_alert(message.recipient, device.eui, message.counter, code, octets)
        return transaction
    payload = element(
        "FutureDatedDeviceAlertMessage",
        element("FutureDatedAlertCode", f"{code:04X}"),
        element("GBCSPayload", base64.b64encode(octets).decode()),
        element("InstructionNumber", str(number)),
        element("TotalCommandInstructions", str(total)),
    )
    answer(context, transaction, context.codes.code("done"), payload)
    return transaction


def _named(
    context: Context, device: InventoryEntry, message: GbcsMessage, result: Mapping[str, object]
) -> tuple[Transaction, int] | None:
    """The request whose instruction an alert reports, and which of its instructions."""
    if message.message_code == OUTCOME_OF_FIRMWARE:
        counter = result.get("originator_counter")
        command, instruction = ACTIVATE_FIRMWARE, ""
    else:
        told = _octets(result.get("instruction"))
        command, counter = int.from_bytes(told[:2], "big"), int.from_bytes(told[2:10], "big")
        instruction = told[10:].hex() if message.message_code == OUTCOME_DLMS else (told[10:12] + told[13:]).hex()
    transaction = _of(context, device, message.recipient, command, counter)
    return None if transaction is None else (transaction, _number(transaction, instruction))


def _of(context: Context, device: InventoryEntry, recipient: Eui64, command: int, counter: object) -> Transaction | None:
    """By what the alert says, whoever gets it: the supplier may be another by now."""
    held = [each for each in context.lookup.dated(device.eui) if (each.message_code, each.counter) == (command, counter)]
    if held:
        return held[0]
    # The device may have taken the date in a Response that was lost on its way.
    key = context.state.commands.get((device.eui, command, recipient, counter)) if isinstance(counter, int) else None
    return None if key is None else context.state.transactions[key]


def _number(transaction: Transaction, instruction: str) -> int:
    """Which of the instructions is meant; of equal ones the first that was not reported yet."""
    places = [number for number, each in enumerate(transaction.instructions, 1) if each == instruction]
    return next((number for number in places if number not in transaction.reported), places[-1] if places else 1)


def _octets(value: object) -> bytes:
    try:
        octets = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        octets = b""
    if len(octets) < 12:
        raise Malformed("the instruction cannot be read", where="GBCS content", expected="message code, counter and instruction")
    return octets
