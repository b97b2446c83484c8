"""Protected reads: sensitive DLMS attributes through class 30, and the keys under which sensitive data is encrypted.

Source: gbcs.md sections 2 and 6, proven on the 63 encrypted parts of the test messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, eui_bytes
from emulator.gbcs.dlms import NULL, Attribute, Data, Tag, array, decode_data, number, octets, structure
from emulator.gbcs.gbz import Component
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protect import KeyUsage, derive_key, seal, unseal

PROTECTION_CLASS = 30


@dataclass(frozen=True, slots=True)
class ProtectedAttribute:
    """One attribute that a protected read asks for."""

    attribute: Attribute
    period: tuple[bytes, bytes] | None = None
    """COSEM date-times between which entries are wanted; None: all."""


def protected_request(attributes: Sequence[ProtectedAttribute], *, counter: int, originator: Eui64, recipient: Eui64) -> Data:
    """The parameter of the read; counter and titles repeat the grouping header."""
    wanted = (
        structure(
            number(Tag.UINT16, item.attribute.class_id),
            octets(item.attribute.obis),
            number(Tag.INT8, item.attribute.index),
            number(Tag.UINT16, 0),
            _restriction(item.period),
        )
        for item in attributes
    )
    return structure(array(*wanted), protection_parameters(counter, originator, recipient))


def _restriction(period: tuple[bytes, bytes] | None) -> Data:
    if period is None:
        return structure(number(Tag.ENUM, 0), NULL)
    return structure(number(Tag.ENUM, 1), structure(octets(period[0]), octets(period[1])))


def protection_parameters(counter: int, originator: Eui64, recipient: Eui64) -> Data:
    """How data is protected: counter and titles, and the key that both parties agree on."""
    transaction = octets(b"\x04" + counter.to_bytes(8, "big"))
    key = structure(number(Tag.ENUM, 2), structure(octets(b"\x02"), octets(b"")))
    titles = (octets(eui_bytes(originator)), octets(eui_bytes(recipient)), octets(b""))
    return array(structure(number(Tag.ENUM, 2), structure(transaction, *titles, key)))


def read_protected_request(parameter: Data) -> tuple[ProtectedAttribute, ...]:
    """The attributes that a protected read asks for; :class:`Malformed` when the parameter is none."""
    wanted = []
    for item in _pair(parameter)[0].items:
        if len(item.items) != 5:
            raise Malformed("a protected attribute has five parts", expected="class, OBIS, attribute, 0, restriction")
        class_id, obis, index, _, restriction = item.items
        kind, limits = _pair(restriction)
        period = None
        if kind.number == 1:
            start, end = _pair(limits)
            period = (start.octets, end.octets)
        wanted.append(ProtectedAttribute(Attribute(class_id.number, obis.octets, index.number), period))
    return tuple(wanted)


def _pair(data: Data) -> tuple[Data, Data]:
    if len(data.items) != 2:
        raise Malformed(f"a structure of 2 has {len(data.items)} elements")
    return data.items[0], data.items[1]


def sealing_key(command: GbcsMessage, secret_z: bytes, own_counter: int | None = None) -> bytes:
    """The key under which a device encrypts its Response to ``command``.

    The reader is the supplementary party, else the originator; ``secret_z`` is device x that reader. ``own_counter`` is the
    device's own counter where the Response will carry it (unknown parties).
    """
    reader = command.originator
    if command.supplementary is not None:
        reader = command.supplementary.party
    counter = command.counter if own_counter is None else own_counter
    return derive_key(secret_z, command.recipient, reader, counter, KeyUsage.ENCRYPTION)


def unsealing_key(message: GbcsMessage, secret_z: bytes) -> bytes:
    """The key under which the data of a Response or Alert is encrypted; ``secret_z`` is device x reader."""
    reader, counter = message.recipient, message.counter
    if message.supplementary is not None:
        reader = message.supplementary.party
        if message.supplementary.originator_counter is not None:
            counter = message.supplementary.originator_counter
    return derive_key(secret_z, message.originator, reader, counter, KeyUsage.ENCRYPTION)


def protected_result(command: GbcsMessage, values: Sequence[Data], key: bytes) -> Data:
    """The data item that answers a protected read: one structure of the values, encrypted."""
    sealed = seal(structure(*values).encode(), key, command.recipient)
    return structure(protection_parameters(command.counter, command.recipient, command.originator), octets(sealed))


def read_protected_result(data: Data, key: bytes, device: Eui64) -> tuple[Data, ...]:
    """The values inside; :class:`Malformed` when they cannot be decrypted or read."""
    return decode_data(unseal(_pair(data)[1].octets, key, device)).items


def is_protected_result(data: Data) -> bool:
    """Whether a data item has the form of an answer to a protected read."""
    items = data.value if data.tag is Tag.STRUCTURE and isinstance(data.value, tuple) else ()
    return len(items) == 2 and items[0].tag is Tag.ARRAY and isinstance(items[1].value, bytes) and (
        items[1].value[:5] == bytes.fromhex("3100000000")
    )  # fmt: skip


def unseal_component(component: Component, key: bytes, device: Eui64) -> bytes:
    """The ZCL payload of an encrypted GBZ component."""
    return unseal(component.payload, key, device)
