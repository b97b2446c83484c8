"""What a meter or gas proxy shows to the customer, and whom it lets see what: messages, supplier, PIN, tenancy (3.1 to 3.5, 9.1).

Nothing of it is read over the WAN; :func:`displayed` is for people who look at an emulated device.
"""

from collections.abc import Mapping

from emulator.gbcs.times import as_text, read_cosem, read_utc_time
from emulator.premises.readings import stored
from emulator.premises.state import DeviceState

ELECTRICITY: Mapping[str, str] = {
    "message": "1 0-2:96.13.1.255 2",
    "identification_number": "1 0-3:96.13.1.255 2",
    "supplier_telephone": "9000 0-0:96.13.0.255 2",
    "supplier_name": "9000 0-0:96.13.1.255 2",
    "privacy_pin": "1 0-0:94.44.3.1 2",
    "hidden_before": "1 0-0:94.44.3.2 2",
}
"""Where an electricity meter keeps it (usecase_spec.json ECS10, ECS50, ECS16, ECS14, ECS12)."""

GAS: Mapping[str, str] = {name: f"display {name}" for name in ELECTRICITY}
"""Where a gas meter or proxy keeps it: commands bring it, and no attribute is known for it."""


def show(device: DeviceState, name: str, octets: bytes) -> None:
    """Keep what a gas meter or proxy shows."""
    device.attributes[GAS[name]] = octets.hex()


def displayed(device: DeviceState) -> dict[str, str]:
    """What was ever set: ASCII texts; ``privacy_pin`` is empty where there is none; ``hidden_before`` is an instant."""
    found: dict[str, str] = {}
    for name, attribute in ELECTRICITY.items():
        value = stored(device, attribute)
        if value is not None:
            found[name] = _text(value.octets) if name != "hidden_before" else as_text(read_cosem(value.octets))
    for name, attribute in GAS.items():
        kept = device.attributes.get(attribute)
        if kept is not None:
            octets = bytes.fromhex(kept)
            found[name] = _text(octets) if name != "hidden_before" else as_text(read_utc_time(int.from_bytes(octets, "big")))
    return found


def _text(octets: bytes) -> str:
    return octets.decode("ascii", "replace")
