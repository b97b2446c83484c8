"""Certificate signing requests of devices: PKCS#10 (RFC 2986) as the test message of CS02c has it.

Subject empty; the requested extensions are keyUsage and the subjectAltName with the device's EUI, both critical (test message
CS02c, proven).
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.pki.certificates import MAX_CERTIFICATE_BYTES, UNREADABLE, Usage, device_eui, usage_of
from emulator.pki.profiles import ProfileName, profile
from emulator.pki.smki import hardware_module_name, key_usage

_PROFILE = {Usage.DIGITAL_SIGNATURE: ProfileName.DEVICE_DS, Usage.KEY_AGREEMENT: ProfileName.DEVICE_KA}


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """What a request asks for."""

    eui: Eui64
    usage: Usage
    public_key: ec.EllipticCurvePublicKey


def make_signing_request(eui: int, usage: Usage, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """DER of the request by which a device asks for a certificate of its new key."""
    chosen = profile(_PROFILE[usage])
    builder = x509.CertificateSigningRequestBuilder(subject_name=x509.Name([]))
    builder = builder.add_extension(key_usage(chosen.key_usage), critical=True)
    builder = builder.add_extension(hardware_module_name(chosen.hardware_type, eui), critical=True)
    return builder.sign(private_key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def read_signing_request(der: bytes) -> SigningRequest:
    """Read a device's request; raise :class:`Malformed` when it is none, or is not signed with the key that it names."""
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise Malformed(f"a signing request of {len(der)} octets", expected=f"at most {MAX_CERTIFICATE_BYTES}")
    try:
        request = x509.load_der_x509_csr(der)
        public_key, extensions = request.public_key(), request.extensions
        valid = request.is_signature_valid
    except (*UNREADABLE, InvalidSignature) as error:
        raise Malformed(f"not a readable signing request: {str(error)[:120]}", expected="PKCS#10") from None
    if not valid:
        raise Malformed("the signing request is not signed with its own key")
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
        raise Malformed("the key of the signing request is not on P-256", expected="an elliptic curve key on P-256")
    return SigningRequest(device_eui(extensions), usage_of(extensions), public_key)
