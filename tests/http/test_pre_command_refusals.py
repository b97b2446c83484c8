"""Signed Pre-Commands that are not the one handed out, or not signed by whom they must be."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from emulator.client.precommand import pre_command_of
from emulator.client.requests import activate_firmware, signed_pre_command
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.duis.messages import Request
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protect import sign
from tests.http.side import ESME, GSME, RECOVERY, SUPPLIER, SUPPLIER_TWO, Refused, Side, device

HASH = bytes(range(32))


@dataclass(frozen=True)
class Critical:
    """A critical request between Transform and signature."""

    side: Side
    request: Request
    message: GbcsMessage

    def signed(self, message: GbcsMessage | None = None, by: Eui64 = SUPPLIER) -> bytes:
        """The Pre-Command, or another message, with a party's GBCS signature."""
        return sign(message or self.message, self.side.gbcs_party(by).private_key).encode()

    def around(self, octets: bytes, **parts: object) -> Request:
        """The request that carries it; ``parts`` are other parts of the RequestID."""
        request = signed_pre_command(self.request, octets)
        return replace(request, request_id=replace(request.request_id, text="", **parts))  # type: ignore[arg-type]


async def transformed(side: Side, request: Request | None = None) -> Critical:
    """Ask for a Pre-Command."""
    request = side.stamped(request or activate_firmware(SUPPLIER, ESME, HASH))
    answer = await side.ask(request)
    assert answer.code == "I0"
    return Critical(side, request, pre_command_of(answer))


async def test_the_one_handed_out_is_taken_once(side: Side) -> None:
    """Transform and Signed Pre-Command share a RequestID, each may use it once (wire_contract.md section 0 item 5)."""
    critical = await transformed(side)
    whole = critical.around(critical.signed())
    assert (await side.ask(whole)).code == "I99"
    assert len(await side.control.transactions()) == 1
    assert (await side.refused(whole)).words == f"request_id_used: RequestID {whole.request_id} was used before at stage command"
    again = await side.refused(critical.request)
    assert again == Refused("E44", f"request_id_used: RequestID {whole.request_id} was used before at stage transform")


MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "words": lambda octets: b"hello",
    "nothing": lambda octets: b"",
    "cut off": lambda octets: octets[:-1],
    "cut in the header": lambda octets: octets[:20],
    "more behind": lambda octets: octets + b"\x00",
    "another tag": lambda octets: b"\x00" + octets[1:],
    "zeros": lambda octets: bytes(len(octets)),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed(side: Side, change: Callable[[bytes], bytes]) -> None:
    critical = await transformed(side)
    refused = await side.refused(critical.around(change(critical.signed())))
    assert refused.code == "E47"
    assert refused.words.startswith("pre_command_malformed: the Signed Pre-Command cannot be read: ")


async def test_not_base64(default: Side) -> None:
    request = signed_pre_command(default.stamped(activate_firmware(SUPPLIER, ESME, HASH)), b"hello")
    document = default.xml(request).replace(base64.b64encode(b"hello"), b"#ello###")
    answer = await default.refuses(default.party().sign(document), "S")
    assert answer.status == 400
    assert "where: Request/Body/SignedPreCommand/GBCSPayload\nexpected: base64" in answer.text


ALTERED: dict[str, Callable[[GbcsMessage], GbcsMessage]] = {
    "content": lambda message: replace(message, content=message.content.replace(HASH, bytes(32))),
    "content, one bit": lambda message: replace(message, content=message.content[:-1] + bytes([message.content[-1] ^ 1])),
    "content, shorter": lambda message: replace(message, content=message.content[:-1]),
    "counter": lambda message: replace(message, counter=message.counter + 1),
    "originator": lambda message: replace(message, originator=SUPPLIER_TWO),
    "recipient": lambda message: replace(message, recipient=device(1, "A0")),
    "message code": lambda message: replace(message, message_code=message.message_code + 1),
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED.keys())
async def test_altered_after_transform(side: Side, change: Callable[[GbcsMessage], GbcsMessage]) -> None:
    """Signed properly, by the right party, and not what the DCC handed out."""
    critical = await transformed(side)
    altered = change(critical.message)
    assert altered != critical.message
    refused = await side.refused(critical.around(critical.signed(altered)))
    assert refused.code == "E49"
    assert refused.words.startswith("pre_command_altered: ")


@pytest.mark.parametrize("signer", [SUPPLIER_TWO, RECOVERY, ACCESS_CONTROL_BROKER], ids=["supplier", "recovery", "ACB"])
async def test_signed_by_another_party(side: Side, signer: Eui64) -> None:
    critical = await transformed(side)
    refused = await side.refused(critical.around(critical.signed(by=signer)))
    words = f"gbcs_signature_invalid: the signature is not by the digital signing key of {format_eui(SUPPLIER)}"
    assert refused == Refused("E50", words)


async def test_signed_with_the_key_for_xml(side: Side) -> None:
    critical = await transformed(side)
    octets = sign(critical.message, side.party().private_key).encode()
    assert (await side.refused(critical.around(octets))).code == "E50"


async def test_not_signed(side: Side) -> None:
    critical = await transformed(side)
    refused = await side.refused(critical.around(critical.message.encode()))
    assert refused.code == "E50"
    assert "not signed" in refused.words


async def test_a_signature_with_one_bit_turned(side: Side) -> None:
    critical = await transformed(side)
    octets = critical.signed()
    assert (await side.refused(critical.around(octets[:-1] + bytes([octets[-1] ^ 1])))).code == "E50"


async def test_no_transform_came_before(side: Side) -> None:
    critical = await transformed(side)
    other = critical.around(critical.signed(), counter=critical.request.request_id.counter + 1)
    refused = await side.refused(other)
    assert refused == Refused(
        "E48", f"pre_command_unknown: no Pre-Command for 11.3 was handed out under RequestID {other.request_id}"
    )
    elsewhere = critical.around(critical.signed(), target=GSME)
    assert (await side.refused(elsewhere)).code == "E48"


async def test_a_refused_transform_hands_out_nothing(side: Side) -> None:
    request = side.stamped(activate_firmware(SUPPLIER_TWO, ESME, HASH))
    assert (await side.refused(request)).code == "E4"
    known = await transformed(side)
    borrowed = signed_pre_command(request, known.signed(by=SUPPLIER_TWO))
    assert (await side.refused(borrowed)).code == "E4"


async def test_a_pre_command_of_another_request(side: Side) -> None:
    """Two Transforms; the Pre-Command of one comes back under the RequestID of the other."""
    first, second = await transformed(side), await transformed(side)
    refused = await side.refused(second.around(first.signed()))
    assert refused.code == "E49"
    assert (await side.ask(first.around(first.signed()))).code == "I99"


async def test_too_late(side: Side) -> None:
    critical = await transformed(side)
    await side.control.advance(by_ms=86_400_001)
    refused = await side.refused(critical.around(critical.signed()))
    assert refused == Refused("E48", "pre_command_unknown: the Pre-Command was handed out too long ago")


async def test_a_signed_pre_command_goes_to_its_own_service(side: Side) -> None:
    critical = await transformed(side)
    for service in "TD":
        assert (await side.refused(critical.around(critical.signed()), service)).code == ("E13" if service == "T" else "E44")
