"""Alerts: built and protected by the device."""

from collections.abc import Mapping

from emulator.domain.identifiers import Eui64
from emulator.gbcs.message import Cra, GbcsMessage, Supplementary
from emulator.gbcs.protect import PrivateKey, PublicKey, add_mac, sign
from emulator.gbcs.usecases import UseCase


def alert_content(
    use_case: UseCase, *, counter: int, alert_code: int, time_ms: int, values: Mapping[str, object] | None = None
) -> bytes:
    """The payload of an Alert; ``values`` are what the row needs beside code and time.

    00CE/00CF ``hash`` (32 octets); 00CA ``originator_counter``, ``code``, ``version`` (4 octets); 0128 ``device`` (EUI),
    ``version``, ``code``; 012B ``version``, ``code``; 0018 ``hub`` (EUI), ``devices`` (list of (EUI, 16 octets)).
    """
    raise NotImplementedError


def build_alert(
    use_case: UseCase,
    *,
    device: Eui64,
    recipient: Eui64,
    counter: int,
    content: bytes,
    supplementary: Supplementary | None = None,
) -> GbcsMessage:
    """The Alert without protection; ``counter`` is the device's own and grows with every alert."""
    return GbcsMessage(Cra.ALERT, counter, device, recipient, use_case.code, content, supplementary)


def protect_alert(
    message: GbcsMessage,
    use_case: UseCase,
    *,
    device_private_ds: PrivateKey,
    device_private_ka: PrivateKey,
    recipient_public_ka: PublicKey,
) -> GbcsMessage:
    """Sign a critical Alert, give any other one the MAC of device x recipient."""
    if use_case.critical:
        return sign(message, device_private_ds)
    return add_mac(message, device_private_ka, recipient_public_ka)
