"""What a rule may look at when it works out the value of an attribute."""

from collections.abc import Callable
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.gbcs.dlms import Attribute, Data, decode_data
from emulator.premises.context import Context
from emulator.premises.state import DeviceState


@dataclass(frozen=True, slots=True)
class Reading:
    """One read of one attribute."""

    context: Context
    device: DeviceState
    now_ms: int
    attribute: str
    """``"class obis index"`` or ``"cluster attribute"``: one rule may serve several."""
    selector: int = 0
    selection: Data | None = None
    """Parameter of a selective read."""
    period: tuple[bytes, bytes] | None = None
    """COSEM date-times of a protected read by date."""

    def stored(self, attribute: str) -> Data | None:
        """What was set in a COSEM attribute, or None."""
        return stored(self.device, attribute)


Rule = Callable[[Reading], int | bytes | Data]
"""Works out a value: a number or octets, which the row gives a type, or a whole DLMS value."""


def stored(device: DeviceState, attribute: str) -> Data | None:
    """What was set in a COSEM attribute of a device, or None."""
    value = device.attributes.get(attribute)
    return None if value is None else decode_data(bytes.fromhex(value))


def store(device: DeviceState, attribute: Attribute | str, value: Data) -> None:
    """Set a COSEM attribute; it is read back until it is set anew."""
    device.attributes[str(attribute)] = value.encode().hex()


def members(data: Data, count: int) -> tuple[Data, ...]:
    """The elements of a structure of ``count``; :class:`Malformed` for anything else."""
    if len(data.items) != count:
        raise Malformed(f"a structure has {len(data.items)} elements", where="DLMS parameter", expected=str(count))
    return data.items
