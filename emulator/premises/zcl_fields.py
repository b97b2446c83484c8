"""The fields of a ZCL payload, by their types."""

from collections.abc import Sequence

from emulator.gbcs.gbz import read_zcl
from emulator.gbcs.octets import Reader


def read_fields(payload: bytes, types: Sequence[int]) -> list[int | bytes]:
    """The fields in their order; what follows them is passed over. :class:`Malformed` where one is missing."""
    reader = Reader(payload)
    found = []
    for type_ in types:
        value = read_zcl(reader, type_)
        found.append(b"" if value is None else value)
    return found


def numbers(payload: bytes, types: Sequence[int]) -> list[int]:
    """The fields where all of them are numbers."""
    return [value for value in read_fields(payload, types) if isinstance(value, int)]
