"""Bills: on the dates of a billing calendar that was set, a meter tells its supplier what it has just logged (ECS68, GCS53).

A meter whose calendar nobody set draws bills up too, and tells nobody (ours).
"""

from collections.abc import Mapping

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.gbcs import gbz
from emulator.gbcs.dlms import AccessResult, Data, Operation, structure
from emulator.gbcs.protect import KeyUsage, derive_key, seal, shared_secret
from emulator.gbcs.protected import protection_parameters
from emulator.premises import billing, metering, timers
from emulator.premises.actions.reads import BILLED, snapshot
from emulator.premises.answers import DlmsCall, DlmsHandlers
from emulator.premises.context import Context
from emulator.premises.readings import Reading, store
from emulator.premises.rules.logs import entries, register_description, register_rows
from emulator.premises.sending import send_alert
from emulator.premises.state import DeviceState, Timer
from emulator.premises.timers import Run

BILL = "bill"
LOGGED = 0x8F0A
"""The billing log was updated (alert_codes.csv)."""

METERING, PUBLISH_SNAPSHOT, REPLY = 0x0702, 0x06, 0x19


def _set_calendar(call: DlmsCall) -> AccessResult:
    store(call.device, billing.CALENDAR, call.data)
    follow(call.context, call.device, call.now_ms)
    return call.result()


def follow(context: Context, device: DeviceState, now_ms: int) -> None:
    """Draw up the next bill when the calendar, just set or followed so far, says so."""
    metering.note(device, billing.CALENDAR, device.attributes[billing.CALENDAR], now_ms)
    at_ms = billing.next_date(device, now_ms)
    if at_ms is None:
        timers.stop(device, BILL)
    else:
        timers.start(context, device, BILL, at_ms)


def _draw_up(context: Context, device: DeviceState, timer: Timer, now_ms: int) -> None:
    context.log_event(device, LOGGED, now_ms)
    values = _sealed(context, device, timer.at_ms)
    if values is not None:
        send_alert(context, device, LOGGED, now_ms, values)
    follow(context, device, now_ms)


def _sealed(context: Context, device: DeviceState, at_ms: int) -> Mapping[str, object] | None:
    """What the alert says, encrypted for the supplier under the counter that the alert will have; None without its key."""
    supplier = device.credentials.get(RemotePartyRole.SUPPLIER)
    private_key = context.keys.private_key(device.eui, "KA")
    public_key = None if supplier is None else context.keys.public_key(supplier, "KA")
    if supplier is None or private_key is None or public_key is None:
        context.note(device, "has nobody to send its bill to")
        return None
    counter, own, reader = device.alert_counter + 1, Eui64(device.eui), Eui64(supplier)
    key = derive_key(shared_secret(private_key, public_key), own, reader, counter, KeyUsage.ENCRYPTION)
    if device.device_type is DeviceType.GSME:
        payload = seal(snapshot(context, device, at_ms, BILLED), key, own)
        component = gbz.Component(METERING, REPLY, 0, PUBLISH_SNAPSHOT, payload, frame_counter=0)
        return {"component": component.encode(last=True)}
    sealed = seal(structure(_entry(context, device, at_ms)).encode(), key, own)
    return {"parameters": protection_parameters(counter, own, reader), "sealed": sealed}


def _entry(context: Context, device: DeviceState, at_ms: int) -> Data:
    """The newest entry of the log of registers."""
    reading = Reading(context, device, at_ms, "7 0-0:98.1.0.255 2")
    return entries(register_description(twin=metering.is_twin(device)), register_rows(reading, (at_ms,)))


DLMS: DlmsHandlers = {(Operation.SET, billing.CALENDAR): _set_calendar}
"""6.8 for electricity meters; gas meters are told otherwise (:mod:`.configuration`)."""

TIMERS: Mapping[str, Run] = {BILL: _draw_up}
"""What is done on a date of the calendar."""
