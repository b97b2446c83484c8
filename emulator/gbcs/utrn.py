"""UTRNs: the twenty digits by which a customer, or SRV 2.2, adds credit to a meter.

Nineteen digits hold a number of 64 bits: low bits of the top-up counter, the amount, four octets of a MAC. The last is a check
digit. Source: gbcs.md section 10, proven; how the check counts places was found on the published tokens, which satisfy it where
their MAC is right.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives import constant_time
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, eui_bytes
from emulator.gbcs.protect import KeyUsage, derive_key

DIGITS = 20
COUNTER_BITS, CLASS_BITS, VALUE_BITS, MAC_BITS = 10, 2, 13, 32
MOST_VALUE = (1 << VALUE_BITS) - 1
COUNTER_SHIFT = 32
"""The top-up counter is the high half of the originator counter, whose low half is zero (gbcs.md section 5)."""

_OFFSET = 7_394_156_990_786_306_048
"""Added to the number, so that it has nineteen digits."""

_PENCE_OF_CLASS = (1, 100)
"""What the value counts, by class."""

_AAD_PREFIX = b"\x11" + bytes(5)
_STEP = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
"""The permutation of Verhoeff's check, applied once more from place to place."""
_FIRST_STEPS = 4
"""How often it is applied at the first digit."""


@dataclass(frozen=True, slots=True)
class Token:
    """What twenty digits say."""

    counter_low: int
    """The 10 low bits of the supplier's top-up counter."""
    pence: int
    high: int
    """The upper 32 bits, over which the MAC is made."""
    mac: bytes
    """4 octets."""


def read(text: str) -> Token:
    """The token in twenty digits; :class:`Malformed` for any that no supplier could have made."""
    if len(text) != DIGITS or not (text.isascii() and text.isdecimal()):
        raise Malformed(f"{text[:30]!r} is no UTRN", where="UTRN", expected=f"{DIGITS} digits")
    if _checked(text):
        raise Malformed("the check digit is wrong", where="UTRN", expected="the digits as they were issued")
    number = int(text[:-1]) - _OFFSET
    if not 0 <= number < 1 << (COUNTER_BITS + CLASS_BITS + VALUE_BITS + MAC_BITS):
        raise Malformed("the digits stand for no token", where="UTRN", expected="the digits as they were issued")
    high, mac = divmod(number, 1 << MAC_BITS)
    counter, amount = divmod(high, 1 << (CLASS_BITS + VALUE_BITS))
    class_, value = divmod(amount, 1 << VALUE_BITS)
    if class_ >= len(_PENCE_OF_CLASS):
        raise Malformed(f"there is no class {class_} of amounts", where="UTRN", expected="0 for pence or 1 for pounds")
    return Token(counter, value * _PENCE_OF_CLASS[class_], high, mac.to_bytes(4, "big"))


def make(pence: int, secret_z: bytes, supplier: Eui64, device: Eui64, counter: int) -> str:
    """The twenty digits that add an amount to a device.

    ``secret_z`` is shared by the supplier's prepayment key and the device's key-agreement key, ``counter`` the top-up counter.
    :class:`Malformed` for an amount that a token cannot hold: up to 8191 pence, or whole pounds up to 8191.
    """
    class_ = 0 if pence <= MOST_VALUE else 1
    value, rest = divmod(pence, _PENCE_OF_CLASS[class_])
    if rest or not 0 < value <= MOST_VALUE:
        raise Malformed(f"no UTRN holds {pence} pence", where="amount", expected="1 to 8191 pence, or whole pounds up to 8191")
    low = counter % (1 << COUNTER_BITS)
    high = ((low << CLASS_BITS) | class_) << VALUE_BITS | value
    digits = str(_OFFSET + (high << MAC_BITS | int.from_bytes(_mac(high, secret_z, supplier, device, counter), "big")))
    return next(text for text in (f"{digits}{check}" for check in range(10)) if not _checked(text))


def is_authentic(token: Token, secret_z: bytes, supplier: Eui64, device: Eui64, counter: int) -> bool:
    """Whether the supplier made the token for this device and top-up counter."""
    if counter % (1 << COUNTER_BITS) != token.counter_low:
        return False
    return constant_time.bytes_eq(_mac(token.high, secret_z, supplier, device, counter), token.mac)


def _mac(high: int, secret_z: bytes, supplier: Eui64, device: Eui64, counter: int) -> bytes:
    """The last four of the sixteen octets of the MAC."""
    originator_counter = counter << COUNTER_SHIFT
    key = derive_key(secret_z, supplier, device, originator_counter, KeyUsage.COMMAND_MAC)
    encryptor = Cipher(algorithms.AES(key), modes.GCM(eui_bytes(supplier) + bytes(4))).encryptor()
    titles = eui_bytes(supplier) + eui_bytes(device)
    encryptor.authenticate_additional_data(
        _AAD_PREFIX + titles + b"\x01" + originator_counter.to_bytes(8, "big") + high.to_bytes(4, "big")
    )
    encryptor.finalize()
    return encryptor.tag[-4:]


def _checked(text: str) -> int:
    """Verhoeff's check over all digits; 0 where they are as issued."""
    sum_ = 0
    for place, digit in enumerate(text):
        moved = int(digit)
        for _ in range((place + _FIRST_STEPS) % 8):
            moved = _STEP[moved]
        sum_ = _dihedral(sum_, moved)
    return sum_


def _dihedral(first: int, second: int) -> int:
    """The product in the dihedral group of ten elements."""
    turned, flipped = first % 5, first >= 5
    other, flips = second % 5, second >= 5
    turn = (turned - other if flipped else turned + other) % 5
    return turn + 5 * (flipped != flips)
