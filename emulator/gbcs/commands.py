"""Commands: built by the DSP, read by the device."""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.gbcs.message import Cra, GbcsMessage, Supplementary, decode_message
from emulator.gbcs.protect import PrivateKey, PublicKey, add_mac
from emulator.gbcs.usecases import Originator, UseCase


def command_content(
    use_case: UseCase,
    *,
    counter: int,
    originator: Eui64,
    recipient: Eui64,
    parameters: Mapping[str, object],
    now_ms: int,
) -> bytes:
    """The payload of the Command.

    ``parameters`` are the DUIS body as nested mappings (element name → text, mapping, or list of these where an element
    repeats; an empty element is ``""``), plus facts that the body does not hold, in lower case: ``other_device_type`` (a
    :class:`DeviceType` value: joining), ``other_device_certificate`` (DER of its key-agreement certificate: method C),
    ``device_type``. Counter and titles are those of the grouping header. :class:`Malformed` names a parameter that is missing or
    cannot be written.
    """
    raise NotImplementedError


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
    ``acb_counter`` is used only when the ACB originates. ``certificate`` is the user's key-agreement certificate, for sensitive
    data read by a party that the device does not know.
    """
    supplementary = None
    originator, counter = user, user_counter
    if use_case.originator is not Originator.USER:
        originator, counter = ACCESS_CONTROL_BROKER, acb_counter
        if use_case.originator is Originator.ACB:
            supplementary = Supplementary(user, user_counter, certificate=certificate)
    content = command_content(
        use_case, counter=counter, originator=originator, recipient=device, parameters=parameters, now_ms=now_ms
    )
    return GbcsMessage(Cra.COMMAND, counter, originator, device, use_case.code, content, supplementary)


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
    return add_mac(message, acb_private_ka, device_public_ka).encode()


@dataclass(frozen=True, slots=True)
class CommandView:
    """A Command as a device reads it. Which of the payload fields is set follows ``use_case.format``."""

    use_case: UseCase
    message: GbcsMessage


def read_command(message: GbcsMessage) -> CommandView | None:
    """The typed Command; None when the table does not know its code, :class:`Malformed` when its payload cannot be read."""
    raise NotImplementedError
