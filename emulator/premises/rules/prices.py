"""Rules of the price that holds now: that of the register which counts now (usecase_spec.json ECS24, ECS24b)."""

from collections.abc import Mapping
from functools import partial

from emulator.gbcs.dlms import Data
from emulator.premises import metering
from emulator.premises.readings import Reading, Rule
from emulator.premises.switching import PRIMARY, SECONDARY

PRICES = {PRIMARY: "113 0-0:19.20.0.255 5", SECONDARY: "113 0-0:19.20.5.255 5"}
"""The price lists in force, by element."""

FIRST_BLOCK_PRICE, BLOCK_STEP = 0xA1, 16
"""Index of the first price of the first block, and how far the blocks lie apart (test messages ECS01a)."""


def _price(element: int, reading: Reading) -> int:
    """0 where no list was set, or it has no price for what counts now."""
    prices = reading.stored(PRICES[element])
    counting = metering.counting(reading.context, reading.device, element, reading.now_ms)
    return 0 if prices is None else _listed(prices, counting.place if counting.block is None else _index(counting))


def _index(counting: metering.Counting) -> int:
    return FIRST_BLOCK_PRICE + BLOCK_STEP * (counting.block or 0) + counting.place - 1


def _listed(prices: Data, index: int) -> int:
    """The third part of a charge is its list of indices and amounts."""
    for entry in prices.items[2].items:
        if entry.items[0].octets == bytes((index,)):
            return max(0, entry.items[1].number)
    return 0


RULES: Mapping[str, Rule] = {
    "active_price": partial(_price, PRIMARY),
    "second_active_price": partial(_price, SECONDARY),
}
