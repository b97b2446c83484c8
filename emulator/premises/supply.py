"""The supply of a meter: on, off and locked, or off and armed, so that the customer can switch it on.

An electricity meter keeps it as the state of its disconnect control, a gas meter as its supply status; both read the same
question in their own numbers. Who switches: the supplier (7.1 to 7.3), the load limit, credit, firmware that fails.
"""

from emulator.domain.vocabulary import DeviceType
from emulator.gbcs import dlms
from emulator.gbcs.dlms import Tag
from emulator.premises import event_logs
from emulator.premises.context import Context
from emulator.premises.readings import store, stored
from emulator.premises.state import DeviceState

OFF, ON, ARMED = "off", "on", "armed"

ELECTRICITY, GAS = "70 0-0:96.3.10.255 3", "0702 0014"
"""Where the state is kept (usecase_spec.json ECS45, GCS33)."""

_ELECTRICITY = {OFF: 0, ON: 1, ARMED: 2}
"""Control states: 1 in test messages ECS45; 0 and 2 as COSEM has them, inferred."""

_GAS = {OFF: 0, ARMED: 1, ON: 2}
"""Supply statuses: 0 and 1 in the answers of test messages GCS32 and GCS39, 2 in GCS33."""

ARMED_ALERT = 0x8F32
"""The supply was armed (alert_codes.csv)."""


def state_of(device: DeviceState) -> str:
    """``on``, ``off`` or ``armed``."""
    if device.device_type is DeviceType.GSME:
        kept = device.attributes.get(GAS)
        return ON if kept is None else next(name for name, value in _GAS.items() if value == int(kept, 16))
    value = stored(device, ELECTRICITY)
    return ON if value is None else next(name for name, number in _ELECTRICITY.items() if number == value.number)


def gas_status(device: DeviceState) -> int:
    """The supply status of a gas meter, in its numbers."""
    return _GAS[state_of(device)]


def switch(context: Context, device: DeviceState, state: str, why: str) -> None:
    """Bring the supply into a state."""
    if state_of(device) == state:
        return
    if device.device_type is DeviceType.GSME:
        device.attributes[GAS] = f"{_GAS[state]:02X}"
    else:
        store(device, ELECTRICITY, dlms.number(Tag.ENUM, _ELECTRICITY[state]))
    context.note(device, f"has its supply {state}: {why}")


def arm(context: Context, device: DeviceState, now_ms: int) -> None:
    """Let the customer switch the supply on; nothing changes while it is on."""
    if state_of(device) == ON:
        return
    switch(context, device, ARMED, "the supplier arms it")
    event_logs.happened(context, device, ARMED_ALERT, now_ms)
