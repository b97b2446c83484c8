"""Lists of devices as octets: 8 per EUI, rising, each once.

So the SHA-256 of the octets is the digest by which the audit trail names the list, and a device is looked up in it by halving.
"""

import mmap
from collections.abc import Iterable

import numpy as np

from emulator.domain.identifiers import eui_bytes, format_eui

EUI_BYTES = 8
_EUI = np.dtype(">u8")


def pack(devices: Iterable[str]) -> bytes:
    """The octets of a list of EUIs with or without hyphens."""
    euis = np.frombuffer(bytes.fromhex("".join(devices).replace("-", "")), _EUI)
    rising = bool(np.all(euis[:-1] < euis[1:]))
    return (euis if rising else np.unique(euis)).astype(_EUI).tobytes()


def unpack(octets: bytes) -> list[str]:
    """The EUIs of a list with hyphens."""
    return [format_eui(int.from_bytes(octets[at : at + EUI_BYTES], "big")) for at in range(0, len(octets), EUI_BYTES)]


def names(octets: bytes | mmap.mmap, device: int) -> bool:
    """Whether a list holds a device."""
    wanted = eui_bytes(device)
    low, high = 0, len(octets) // EUI_BYTES
    while low < high:
        middle = (low + high) // 2
        found = octets[middle * EUI_BYTES : (middle + 1) * EUI_BYTES]
        if found == wanted:
            return True
        if found < wanted:
            low = middle + 1
        else:
            high = middle
    return False
