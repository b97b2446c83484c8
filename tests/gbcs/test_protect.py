"""Key derivation, MACs and encryption against worked vectors with every intermediate value."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.protect import (
    KeyUsage,
    add_mac,
    compute_mac,
    derive_key,
    seal,
    sign,
    unseal,
    verify_mac,
    verify_signature,
)

ONE, OTHER = (ec.derive_private_key(number, ec.SECP256R1()) for number in (7, 11))
MESSAGE = GbcsMessage(Cra.COMMAND, 1, Eui64(2), Eui64(3), 0x59, b"\x05\x00")


@pytest.mark.reference
def test_worked_vectors(reference: Path) -> None:
    vectors = json.loads((reference / "gbcs" / "test_vectors.json").read_text())["rtds"]
    seen = 0
    for vector in vectors:
        if "z" not in vector or "aes_key" not in vector:
            continue
        z, info = bytes.fromhex(vector["z"]), bytes.fromhex(vector["other_info"])
        originator, usage = Eui64(int.from_bytes(info[7:15], "big")), KeyUsage(info[16])
        counter, recipient = int.from_bytes(info[17:25], "big"), Eui64(int.from_bytes(info[25:33], "big"))
        key = derive_key(z, originator, recipient, counter, usage)
        assert key.hex() == vector["aes_key"], vector["name"]
        assert key == hashlib.sha256(b"\0\0\0\1" + z + info).digest()[:16]
        if usage is KeyUsage.ENCRYPTION:
            plain = bytes.fromhex(vector["plaintext"])
            sealed = seal(plain, key, originator)
            assert sealed.endswith(bytes.fromhex(vector["tag"]))
            assert unseal(sealed, key, originator) == plain
        elif "message" in vector:
            assert compute_mac(decode_message(bytes.fromhex(vector["message"])), z).hex() == vector["tag"], vector["name"]
        seen += 1
    assert seen >= 8


def test_signatures_are_deterministic_and_bound_to_every_octet() -> None:
    signed = sign(MESSAGE, ONE)
    assert signed == sign(MESSAGE, ONE)
    assert verify_signature(signed, ONE.public_key())
    assert not verify_signature(signed, OTHER.public_key())
    assert not verify_signature(MESSAGE, ONE.public_key())
    octets = signed.encode()
    for place in range(2, len(octets)):
        changed = octets[:place] + bytes((octets[place] ^ 1,)) + octets[place + 1 :]
        try:
            again = decode_message(changed)
        except Malformed:
            continue
        assert not verify_signature(again, ONE.public_key()), place


@pytest.mark.parametrize("raw", [bytes(64), b"\xff" * 64, bytes(32) + b"\x01" * 32, b"\x01" * 32 + bytes(32)])
def test_impossible_signatures_are_refused(raw: bytes) -> None:
    signed = decode_message(sign(MESSAGE, ONE).encode()[:-64] + raw)
    assert not verify_signature(signed, ONE.public_key())


def test_a_mac_is_of_two_keys_whichever_side_makes_it() -> None:
    sealed = add_mac(MESSAGE, ONE, OTHER.public_key())
    assert sealed == add_mac(MESSAGE, OTHER, ONE.public_key())
    assert verify_mac(sealed, OTHER, ONE.public_key())
    assert not verify_mac(sealed, ONE, ONE.public_key())
    assert not verify_mac(MESSAGE, ONE, OTHER.public_key())


def test_encrypted_data_of_another_key_is_refused() -> None:
    sealed = seal(b"secret", bytes(16), Eui64(1))
    assert unseal(sealed, bytes(16), Eui64(1)) == b"secret"
    for octets, key, title in (
        (sealed, b"\1" * 16, 1),
        (sealed, bytes(16), 2),
        (sealed[:-1] + b"\0", bytes(16), 1),
        (sealed[:10], bytes(16), 1),
        (b"", bytes(16), 1),
    ):
        with pytest.raises(Malformed):
            unseal(octets, key, Eui64(title))
