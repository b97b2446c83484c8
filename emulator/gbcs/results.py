"""Readable values of Responses and Alerts."""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protect import PrivateKey, PublicKey


@dataclass(frozen=True, slots=True)
class ReaderKeys:
    """What the reader of encrypted data holds: its own key-agreement key and the device's certificate."""

    private_ka: PrivateKey
    device_public_ka: PublicKey


def read_result(message: GbcsMessage, keys: ReaderKeys | None = None) -> Mapping[str, object]:
    """What a Response or Alert says, in plain values.

    Always: ``message_code``, ``use_case``; in Responses ``ok`` (everything succeeded) and, for DLMS, ``results`` (one code per
    item, 0 success). Then the names of the row, for example ``firmware_version`` ("0002012F"), ``activate_image_code`` (0..3),
    ``alert_code``, ``time_ms``, ``hash`` (hexadecimal text), ``device`` (an EUI). A code that the table does not know gives
    what its form shows. Encrypted values need ``keys``; without them ``encrypted`` is True. :class:`Malformed` for octets that
    cannot be read.
    """
    raise NotImplementedError
