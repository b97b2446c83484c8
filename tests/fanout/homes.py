"""Small networks for the tests of the fan-out core, in which nothing goes wrong by chance."""

from typing import Any

from emulator.fanout.network import Network
from emulator.fanout.specs import Outcome, PoolSpec
from emulator.fanout.tables import KIB, DeviceProfile, HubProfile, Order, PoolProfile

ESME, GSME, PPMID = 0, 1, 2
OLD, NEW, NEWER = 0x01000000, 0x02000000, 0x03000000
CALM: dict[str, int] = {"session_error_permille": 0, "unreachable_permille": 0, "rate_spread_permille": 0}

METER = DeviceProfile(name="ESME", device_type=ESME, silence_s=90_000)
GAS_METER = DeviceProfile(name="GSME", device_type=GSME, wake_s=1_800, silence_s=90_000)
DISPLAY = DeviceProfile(name="PPMID", device_type=PPMID, activates_itself=True, verify_s=0, silence_s=3_600)


def network(pool: dict[str, Any] | None = None, compiled: bool = False, **more: Any) -> Network:
    """One calm pool without homes."""
    return Network.create(1, [PoolSpec(PoolProfile(**(CALM | (pool or {}))))], compiled=compiled, **more)


def order(size: int = 100 * KIB, version: int = NEW, **more: Any) -> Order:
    """An image that the supplier activates a minute after it heard of it."""
    return Order(size, version, **({"activate_after_s": 60} | more))


def home(net: Network, *devices: DeviceProfile, pool: int = 0, cell: int = 0, **hub: Any) -> list[int]:
    """A hub and its devices: ids, the hub first."""
    number = net.add_hub(pool, HubProfile(**hub), cell)
    return [number, *(net.add_device(number, device, 0, OLD) for device in devices)]


def play(net: Network, until: int | None = None) -> list[Outcome]:
    """Let everything happen that happens, up to a tick."""
    found: list[Outcome] = []
    while (due := net.next_due()) is not None and (until is None or due <= until):
        net.advance(due)
        found += net.take_outcomes()
    if until is not None:
        net.advance(until)
    return found + net.take_outcomes()


def names(outcomes: list[Outcome], device: int | None = None) -> list[str]:
    """What happened, to one device or to all."""
    return [outcome.name for outcome in outcomes if device in (None, outcome.device)]
