"""Checking a Pre-Command before it is signed: is it what was asked for?

The interface leaves this correlation to the user (source: duis.md 1.7, certain). Our check derives the command once more
from the request and compares; where a command holds facts that the request does not, only its header can be compared.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.client.errors import BadAnswer
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.domain.tables import service_reference_variants
from emulator.domain.vocabulary import DeviceType
from emulator.dsp.commands import body_parameters
from emulator.duis.messages import Request, ServiceResponse
from emulator.gbcs.asn1 import decode_element
from emulator.gbcs.commands import command_content
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.usecases import UseCase, use_case_for
from emulator.pki.certificates import read_certificate


@dataclass(frozen=True, slots=True)
class PreCommandCheck:
    """What the comparison found."""

    problem: str | None
    """Why it must not be signed; None when nothing speaks against it."""
    content_compared: bool
    """Whether the payload was derived from the request and compared, not only the header."""


def pre_command_of(answer: ServiceResponse) -> GbcsMessage:
    """The GBCS message in the answer to a Transform; raises :class:`BadAnswer`."""
    encoded = answer.payload.value("GBCSPayload") if answer.payload is not None else None
    if answer.payload is None or answer.payload.name != "PreCommand" or encoded is None:
        raise BadAnswer("the answer to the Transform holds no PreCommand")
    try:
        return decode_message(base64.b64decode(encoded, validate=True))
    except (binascii.Error, Malformed) as error:
        raise BadAnswer(f"the Pre-Command cannot be read: {error}") from error


def check_pre_command(request: Request, message: GbcsMessage) -> PreCommandCheck:
    """Compare a Pre-Command with the Transform request that it answers."""
    identity = request.request_id
    expected: tuple[tuple[str, object, object], ...] = (
        ("is not a command but", Cra.COMMAND.name, message.cra.name),
        ("has originator", format_eui(identity.originator), format_eui(message.originator)),
        ("has recipient", format_eui(identity.target), format_eui(message.recipient)),
        ("has counter", identity.counter, message.counter),
        ("has supplementary fields", None, message.supplementary),
        ("has a MAC", None, message.mac),
        ("is already signed", b"", message.signature or b""),
    )
    for what, wanted, found in expected:
        if wanted != found:
            return PreCommandCheck(f"it {what} {found}, not {wanted}", content_compared=False)
    return _compare_content(request, message)


def _compare_content(request: Request, message: GbcsMessage) -> PreCommandCheck:
    variant = request.service_reference_variant
    candidates = [
        (use_case, facts)
        for facts in _possible_facts(request, message)
        if (use_case := use_case_for(variant, facts["device_type"], facts)) and use_case.code == message.message_code
    ]
    if not candidates:
        return PreCommandCheck(f"message code {message.message_code:04X} does not carry out {variant}", content_compared=False)
    derived = [content for use_case, facts in candidates if (content := _derive(use_case, facts, message)) is not None]
    if derived and message.content not in derived:
        return PreCommandCheck("its payload is not the one that the request asks for", content_compared=True)
    return PreCommandCheck(None, content_compared=bool(derived))


def _possible_facts(request: Request, message: GbcsMessage) -> Iterator[dict[str, Any]]:
    """The body with every type that the device, and the other one of a join, may have: the request does not say. The DCC adds the
    certificate of the other one where the two agree on a key."""
    parameters = body_parameters(request.body)
    others = tuple(DeviceType) if "OtherDeviceID" in parameters else (None,)
    if "OtherDeviceID" in parameters and (certificate := _certificate_of(str(parameters["OtherDeviceID"]), message.content)):
        parameters["other_device_certificate"] = certificate
    for device_type in service_reference_variants()[request.service_reference_variant].device_types:
        for other in others:
            yield {**parameters, "device_type": device_type, **({} if other is None else {"other_device_type": other})}


def _certificate_of(device: str, content: bytes) -> bytes | None:
    """The certificate of a device that is the last part of a payload, if one is."""
    try:
        *_, last = decode_element(content).children
        return last.raw if read_certificate(last.raw).eui == parse_eui(device) else None
    except (Malformed, ValueError):
        return None


def _derive(use_case: UseCase, facts: Mapping[str, object], message: GbcsMessage) -> bytes | None:
    """The payload as we would write it; None where a fact is missing that the request does not hold."""
    try:
        return command_content(
            use_case,
            counter=message.counter,
            originator=message.originator,
            recipient=message.recipient,
            parameters=facts,
            now_ms=0,
        )
    except Malformed:
        return None
