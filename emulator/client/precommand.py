"""Checking a Pre-Command before it is signed: is it what was asked for?

The interface leaves this correlation to the user (source: duis.md 1.7, certain). Our check derives the command once more
from the request and compares; where a command holds facts that the request does not, only its header can be compared.
"""

import base64
import binascii
from dataclasses import dataclass

from emulator.client.errors import BadAnswer
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.domain.tables import service_reference_variants
from emulator.dsp.commands import body_parameters
from emulator.duis.messages import Request, ServiceResponse
from emulator.gbcs.commands import command_content
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.usecases import UseCase, use_case_for


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
    parameters = body_parameters(request.body)
    candidates: dict[str, tuple[UseCase, dict[str, object]]] = {}
    for device_type in service_reference_variants()[request.service_reference_variant].device_types:
        facts = {**parameters, "device_type": device_type}
        use_case = use_case_for(request.service_reference_variant, device_type, facts)
        if use_case is not None and use_case.code == message.message_code:
            candidates[use_case.name] = (use_case, facts)
    if not candidates:
        problem = f"message code {message.message_code:04X} does not carry out {request.service_reference_variant}"
        return PreCommandCheck(problem, content_compared=False)
    derived = 0
    for use_case, facts in candidates.values():
        try:
            content = command_content(
                use_case,
                counter=message.counter,
                originator=message.originator,
                recipient=message.recipient,
                parameters=facts,
                now_ms=0,
            )
        except Malformed:
            continue
        derived += 1
        if content == message.content:
            return PreCommandCheck(None, content_compared=True)
    if derived:
        return PreCommandCheck("its payload is not the one that the request asks for", content_compared=True)
    return PreCommandCheck(None, content_compared=False)
