"""Rules of tariffs that were never set: no price, and every credit paying every charge."""

from collections.abc import Iterable, Mapping

from emulator.gbcs import dlms
from emulator.gbcs.dlms import Data, Tag
from emulator.premises.readings import Reading, Rule

SCALE = -5
"""Prices and balances are hundred-thousandths of the unit of currency (the scale in the test messages)."""

TIME_OF_USE, BLOCKS, PER_BLOCK = 48, 4, 8
"""Prices of an electricity meter: by time of use, and by block and its time of use (derive.md)."""

SECOND_TIME_OF_USE = 4
"""Prices of the second element (test messages ECS24b)."""

_CREDITS_AND_CHARGES = (
    (0, (0, 4, 1, 2, 3)),
    (1, (3, 0, 4, 1, 2)),
    (2, (4, 1, 2)),
)
"""Charges by the credit that pays them, in the order of test messages ECS26a: credits are meter balance, emergency credit and
accumulated debt; charges are consumption 0, time debts 1 and 2, payment debt 3, standing charge 4, second element 5."""


def price_indices() -> Iterable[int]:
    """The indices of the prices of the main element: 1 to 48, then eight for each block from A1 (test messages ECS01a)."""
    yield from range(1, TIME_OF_USE + 1)
    for block in range(BLOCKS):
        yield from range(0xA1 + 16 * block, 0xA1 + 16 * block + PER_BLOCK)


def _prices(commodity: bytes, indices: Iterable[int]) -> Data:
    scaling = dlms.structure(dlms.number(Tag.INT8, 3), dlms.number(Tag.INT8, SCALE))
    reference = dlms.structure(dlms.number(Tag.UINT16, 3), dlms.octets(commodity), dlms.number(Tag.INT8, 2))
    table = (dlms.structure(dlms.octets(bytes((index,))), dlms.number(Tag.INT16, 0)) for index in indices)
    return dlms.structure(scaling, reference, dlms.array(*table))


def _configuration(reading: Reading) -> Data:
    """Which credit pays which charge, all of them always."""
    pairs = [(credit, charge) for credit, charges in _CREDITS_AND_CHARGES for charge in charges]
    if "B" in reading.device.definition.esme_variant:
        pairs += [(0, 5), (1, 5)]
    return dlms.array(*(dlms.structure(_name(10, credit), _name(20, charge), _ALWAYS) for credit, charge in pairs))


def _name(group: int, number: int) -> Data:
    return dlms.octets(bytes((0, 0, 19, group, number, 255)))


_ALWAYS = Data(Tag.BIT_STRING, "111")

RULES: Mapping[str, Rule] = {
    "no_prices": lambda reading: _prices(bytes.fromhex("0100010800ff"), price_indices()),
    "no_second_prices": lambda reading: _prices(bytes.fromhex("0114010800ff"), range(1, SECOND_TIME_OF_USE + 1)),
    "account_configuration": _configuration,
}
