"""Commands: built by the DSP, read by the device."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from emulator.domain.errors import Broken, Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, TRANSITIONAL_COS, Eui64
from emulator.gbcs.asn1 import SEQUENCE, decode_element
from emulator.gbcs.dlms import NULL, Access, AccessRequest, Attribute, Data, decode_access_request, invoke_id
from emulator.gbcs.expressions import Environment, Expression, elements
from emulator.gbcs.functions import base64_octets, integer, octets_of
from emulator.gbcs.gbz import Component, decode_components, encode_components, read_request
from emulator.gbcs.message import Cra, GbcsMessage, Supplementary, decode_message
from emulator.gbcs.protect import PrivateKey, PublicKey, encode_with_mac
from emulator.gbcs.protected import ProtectedAttribute, protected_request
from emulator.gbcs.shapes import decode_shape, encode_shape
from emulator.gbcs.usecases import (
    UNKNOWN_PARTY,
    Asn1Item,
    DlmsItem,
    Format,
    GbzItem,
    Originator,
    UseCase,
    by_code,
    with_meter_kind,
)


def command_content(
    use_case: UseCase,
    *,
    counter: int,
    originator: Eui64,
    recipient: Eui64,
    parameters: Mapping[str, object],
    now_ms: int,
    party: Eui64 | None = None,
) -> bytes:
    """The payload of the Command.

    ``parameters`` are the children of the DUIS body element as nested mappings (element name → text, mapping, or list of these
    where an element repeats; an empty element is ``""``), plus facts that the body does not hold, in lower case:
    ``other_device_type`` (a :class:`DeviceType` value: joining), ``other_device_certificate`` (DER of its key-agreement
    certificate: joining by method C), ``devices`` (list of ``{"device": EUI, "device_type": code}``: 8.12.2), ``esme_variant``
    (as in the inventory). Counter and titles are those of the grouping header, ``party`` the supplementary remote party.
    :class:`Malformed` names a parameter that is missing or cannot be written.
    """
    env = Environment(with_meter_kind(parameters), counter, originator, recipient, now_ms, party=party)
    match use_case.format:
        case Format.DLMS:
            accesses = tuple(_access(item, here) for item in _items(use_case, DlmsItem) for here in _uses(item, env))
            return AccessRequest(invoke_id(counter), accesses).encode()
        case Format.GBZ:
            uses = [(item, here) for item in _items(use_case, GbzItem) for here in _uses(item, env)]
            return encode_components([_component(n, item, here) for n, (item, here) in enumerate(uses)])
        case Format.ASN1:
            (payload,) = (item for item in use_case.request if isinstance(item, Asn1Item))
            return encode_shape(payload.shape, {name: value(env) for name, value in payload.values})


_Item = TypeVar("_Item", DlmsItem, GbzItem)


def _items(use_case: UseCase, kind: type[_Item]) -> Iterator[_Item]:
    for item in use_case.request:
        if not isinstance(item, kind):
            raise Broken(f"row {use_case.name} holds {item!r}")
        yield item


def _uses(item: DlmsItem | GbzItem, env: Environment) -> list[Environment]:
    """What the item sees each time it is used: once, never where its condition fails, or per element of its list."""
    chosen = [env] if item.each is None else elements(item.each(env), env)
    return chosen if item.only is None else [here for here in chosen if item.only(here)]


def _access(item: DlmsItem, env: Environment) -> Access:
    attribute = item.attribute if item.varying is None else _attribute(item.varying(env))
    if item.protected:
        period = None
        if item.period is not None:
            start, end = (octets_of(limit(env)) for limit in item.period)
            period = start, end
        wanted = [ProtectedAttribute(each, period) for each in item.protected]
        reader = env.originator if env.party is None else env.party
        parameter = protected_request(wanted, counter=env.counter, originator=reader, recipient=env.recipient)
        return Access(item.operation, attribute, parameter)
    selection = _data(item.selection, env)
    return Access(item.operation, attribute, _data(item.value, env), item.selector, selection)


def _attribute(value: object) -> Attribute:
    if not isinstance(value, str):
        raise Broken(f"a row gives {value!r} where a COSEM attribute belongs")
    return Attribute.parse(value)


def _data(expression: Expression | None, env: Environment) -> Data:
    value = NULL if expression is None else expression(env)
    if not isinstance(value, Data):
        raise Broken(f"a row gives {value!r} where a DLMS value belongs")
    return value


def _component(index: int, item: GbzItem, env: Environment) -> Component:
    if item.attributes:
        return read_request(item.cluster, index, item.attributes)
    payload = _joined(part(env) for part in item.payload)
    from_time = None if item.from_time is None else integer(item.from_time(env))
    return Component(item.cluster, item.frame_control, index, item.command, payload, from_time)


def _joined(parts: Iterable[object]) -> bytes:
    return b"".join(b"".join(map(octets_of, part)) if isinstance(part, list) else octets_of(part) for part in parts)


def build_command(
    use_case: UseCase,
    *,
    user: Eui64,
    user_counter: int,
    device: Eui64,
    acb_counter: int,
    parameters: Mapping[str, object],
    now_ms: int,
    certificate: bytes | None = None,
) -> GbcsMessage:
    """The Command without signature and MAC, with originator, counter and supplementary fields by the row's rule.

    Its signature is ``b""``: for ``use_case.needs_pre_command`` the encoded message is the Pre-Command as DUIS carries it.
    ``acb_counter`` is the counter of the DCC's own party (ACB or transitional CoS party) and used only when that originates.
    ``certificate`` is the user's key-agreement certificate, for sensitive data read by a party that the device does not know; the
    one in the body comes first.
    """
    supplementary = None
    originator, counter = user, user_counter
    if use_case.originator is not Originator.USER:
        originator, counter = _DCC_PARTIES[use_case.originator], acb_counter
        if use_case.originator is Originator.ACB:
            supplementary = Supplementary(user, user_counter, certificate=_certificate(use_case, parameters, certificate))
    content = command_content(
        use_case, counter=counter, originator=originator, recipient=device, parameters=parameters, now_ms=now_ms,
        party=None if supplementary is None else supplementary.party,
    )  # fmt: skip
    return GbcsMessage(Cra.COMMAND, counter, originator, device, use_case.code, content, supplementary)


_DCC_PARTIES = {
    Originator.ACB: ACCESS_CONTROL_BROKER,
    Originator.ACB_ALONE: ACCESS_CONTROL_BROKER,
    Originator.TRANSITIONAL_COS: TRANSITIONAL_COS,
}


def _certificate(use_case: UseCase, parameters: Mapping[str, object], known: bytes | None) -> bytes | None:
    """The certificate under which the answer is to be encrypted for someone whom the device does not know, or None."""
    given = parameters.get(UNKNOWN_PARTY)
    if given is None:
        return known if use_case.sensitive else None
    certificate = base64_octets(given)
    if decode_element(certificate).tag != SEQUENCE:
        raise Malformed("the octets are no certificate", where=UNKNOWN_PARTY, expected="a DER SEQUENCE")
    return certificate


def accept_signed(pre_command: GbcsMessage, signed: bytes) -> GbcsMessage:
    """The signed Pre-Command that came back, when it is the one that went out; :class:`Malformed` says what was altered.

    The signature itself is checked with :func:`emulator.gbcs.protect.verify_signature`.
    """
    message = decode_message(signed)
    if message.mac is not None or not message.signature:
        raise Malformed("the Pre-Command is not signed", expected="a general-signing structure with 64 signature octets")
    ours, theirs = pre_command.to_be_signed(), message.to_be_signed()
    if ours != theirs:
        at = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
        raise Malformed("the Pre-Command was altered", where=f"octet {at + 1}", expected=ours[at : at + 8].hex())
    return message


def finish_command(message: GbcsMessage, acb_private_ka: PrivateKey, device_public_ka: PublicKey) -> bytes:
    """The Command as it goes to the device: with the MAC of ACB x device, whoever the originator is."""
    return encode_with_mac(message, acb_private_ka, device_public_ka)


Payload = AccessRequest | tuple[Component, ...] | Mapping[str, object]
"""What a Command asks, by format: DLMS accesses, GBZ components, or the named values of an ASN.1 payload."""


@dataclass(frozen=True, slots=True)
class CommandView:
    """A Command as a device reads it.

    ASN.1 values have the names of :data:`emulator.gbcs.shapes.SHAPES`, for CS06 ``hash`` (32 octets), ``counter`` and
    ``execution_time_ms`` (milliseconds, None for now, :data:`emulator.gbcs.times.CANCEL` to cancel).
    """

    use_case: UseCase
    message: GbcsMessage
    payload: Payload

    @property
    def accesses(self) -> tuple[Access, ...]:
        """The accesses of a DLMS Command; empty for the other formats."""
        return self.payload.items if isinstance(self.payload, AccessRequest) else ()

    @property
    def components(self) -> tuple[Component, ...]:
        """The components of a GBZ Command; empty for the other formats."""
        return self.payload if isinstance(self.payload, tuple) else ()

    @property
    def values(self) -> Mapping[str, object]:
        """The values of an ASN.1 Command; empty for the other formats."""
        return self.payload if isinstance(self.payload, Mapping) else {}


def read_command(message: GbcsMessage) -> CommandView | None:
    """The typed Command; None when the table does not know its code, :class:`Malformed` when its payload cannot be read.

    Where a field repeats the header (invoke id, counter of CS06) it has to agree.
    """
    use_case = by_code(message.message_code)
    if message.cra is not Cra.COMMAND or use_case is None or not use_case.request:
        return None
    payload: Payload
    match use_case.format:
        case Format.DLMS:
            payload = decode_access_request(message.content)
            _agree("invoke id", payload.invoke_id, invoke_id(message.counter))
        case Format.GBZ:
            payload = decode_components(message.content)
        case Format.ASN1:
            (item,) = (item for item in use_case.request if isinstance(item, Asn1Item))
            payload = decode_shape(item.shape, message.content)
            if "counter" in payload:
                _agree("counter in the payload", payload["counter"], message.counter)
    return CommandView(use_case, message, payload)


def _agree(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Malformed(f"{what} is {found}", expected=f"{wanted}, as in the header")
