"""The profile file is complete and says what the published certificates are."""

from pathlib import Path

import pytest
from cryptography import x509

from emulator.domain.tables import Confidence
from emulator.pki.profiles import ProfileName, facts, profile, profiles_path
from emulator.pki.smki import key_identifier

EXTENSION_NAMES = {
    "keyUsage": x509.KeyUsage,
    "subjectKeyIdentifier": x509.SubjectKeyIdentifier,
    "subjectAltName": x509.SubjectAlternativeName,
    "certificatePolicies": x509.CertificatePolicies,
    "authorityKeyIdentifier": x509.AuthorityKeyIdentifier,
}


def test_every_kind_has_a_profile() -> None:
    for name in ProfileName:
        found = profile(name)
        assert found.key_usage in ("digitalSignature", "keyAgreement", "keyCertSign")
        assert ("keyUsage", True) in found.extensions
        assert found.policy.startswith("1.2.826.0.1.")


def test_every_fact_is_for_something_and_cited() -> None:
    for fact in facts():
        assert fact.profiles
        assert fact.source
        assert (fact.confidence == Confidence.NONE) == (fact.source == ("own",)) or fact.source[-1] == "own", fact
    assert profiles_path().name == "profiles.toml"


@pytest.mark.reference
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("00db1234567890a0-ds", ProfileName.DEVICE_DS),
        ("00db1234567890a0-ka", ProfileName.DEVICE_KA),
        ("90b3d51f30020000-ds", ProfileName.ORGANISATION_DS),
        ("90b3d51f30020000-ka", ProfileName.ORGANISATION_KA),
        ("90b3d51f30010000-pp-ka", ProfileName.ORGANISATION_PP_KA),
    ],
)
def test_profiles_match_the_published_certificates(reference: Path, file: str, name: ProfileName) -> None:
    pem = (reference / "gbcs" / "rtds" / "keystore" / f"{file}.pem").read_bytes()
    published, own = x509.load_pem_x509_certificate(pem), profile(name)
    kinds = [(type(extension.value), extension.critical) for extension in published.extensions]
    assert kinds == [(EXTENSION_NAMES[text], critical) for text, critical in own.extensions]
    (policy,) = published.extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert policy.policy_identifier.dotted_string == own.policy
    usage = published.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_agreement) == (
        own.key_usage == "digitalSignature",
        own.key_usage == "keyAgreement",
    )
    identifier = published.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier.digest == key_identifier(published.public_key())  # type: ignore[arg-type]
