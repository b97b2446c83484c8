"""UTRNs: made, read, checked."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.conformance.keys import PREPAYMENT, FolderKeys
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.gbcs import utrn
from emulator.gbcs.dlms import decode_access_request
from emulator.gbcs.gbz import decode_components
from emulator.gbcs.message import decode_message
from emulator.gbcs.protect import shared_secret

SUPPLIER, METER = Eui64(0x90B3D51F30010000), Eui64(0x00DB1234567890A0)
SECRET = bytes(range(32))


@given(
    pence=st.one_of(st.integers(1, 8191), st.integers(82, 8191).map(lambda pounds: 100 * pounds)),
    counter=st.integers(0, 2**31),
)
def test_a_token_says_what_was_put_in(pence: int, counter: int) -> None:
    text = utrn.make(pence, SECRET, SUPPLIER, METER, counter)
    token = utrn.read(text)
    assert (token.pence, token.counter_low) == (pence, counter % 1024)
    assert utrn.is_authentic(token, SECRET, SUPPLIER, METER, counter)
    assert not utrn.is_authentic(token, SECRET, SUPPLIER, METER, counter + 1)
    assert not utrn.is_authentic(token, SECRET, SUPPLIER, METER, counter + 1024)
    assert not utrn.is_authentic(token, SECRET, SUPPLIER, Eui64(METER + 1), counter)


@given(place=st.integers(0, 19), by=st.integers(1, 9))
def test_one_wrong_digit_is_noticed(place: int, by: int) -> None:
    text = utrn.make(1250, SECRET, SUPPLIER, METER, 7)
    wrong = text[:place] + str((int(text[place]) + by) % 10) + text[place + 1 :]
    with pytest.raises(Malformed, match="check digit"):
        utrn.read(wrong)


@given(place=st.integers(0, 18))
def test_neighbours_that_changed_places_are_noticed(place: int) -> None:
    text = utrn.make(1250, SECRET, SUPPLIER, METER, 7)
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if swapped != text:
        with pytest.raises(Malformed, match="check digit"):
            utrn.read(swapped)


@pytest.mark.parametrize("text", ["", "123", "x" * 20, "٣" * 20, "12345678901234567890"])
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(Malformed):
        utrn.read(text)


@pytest.mark.parametrize("pence", [0, -5, 8192, 819_200, 10_001])
def test_amounts_that_no_token_holds(pence: int) -> None:
    with pytest.raises(Malformed):
        utrn.make(pence, SECRET, SUPPLIER, METER, 1)


@pytest.mark.parametrize(
    ("case", "pence"), [("CS01a_2.2_SUCCESS", 1_000), ("CS01a_2.2_ERROR", 1_000), ("CS01b_2.2_SUCCESS", 1_250)]
)
def test_published_tokens(reference: Path, case: str, pence: int) -> None:
    """Whatever its case is called, each was made for its counter."""
    path = next(reference.glob(f"gbcs/rtds/messages/*/{case}_COMMAND*"))
    message = decode_message(bytes.fromhex(path.read_text()))
    if case.startswith("CS01a"):
        text = decode_access_request(message.content).items[0].data.octets.decode()
    else:
        text = decode_components(message.content)[0].payload[2:].decode()
    keys = FolderKeys(reference / "gbcs/rtds/keystore")
    supplier, device = keys.private_key(message.originator, PREPAYMENT), keys.public_key(message.recipient, "KA")
    assert supplier is not None
    assert device is not None
    secret = shared_secret(supplier, device)
    token = utrn.read(text)
    assert token.pence == pence
    assert utrn.is_authentic(token, secret, message.originator, message.recipient, message.counter >> utrn.COUNTER_SHIFT)
