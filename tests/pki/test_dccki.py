"""The test DCCKI: repeatable from a secret, and nothing that a certificate cannot be."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.pki.dccki import Dccki, secret_of_seed

NOW_MS = 1_795_218_231_160
AUTHORITY = Dccki.make(secret_of_seed(7), NOW_MS)


def test_the_same_secret_gives_the_same_octets_and_another_others() -> None:
    again, other = Dccki.make(secret_of_seed(7), NOW_MS), Dccki.make(secret_of_seed(8), NOW_MS)
    assert again.pem == AUTHORITY.pem
    assert again.private_key_pem == AUTHORITY.private_key_pem != other.private_key_pem
    one, two = (AUTHORITY.issue_client(b"x", name, NOW_MS) for name in ("one", "two"))
    assert AUTHORITY.issue_client(b"x", "one", NOW_MS) == one
    assert one.private_key != two.private_key


def test_what_is_in_a_certificate() -> None:
    issued = AUTHORITY.issue_server(b"x", ("dcc.test", "192.0.2.1", "::1"), NOW_MS)
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    certificate.verify_directly_issued_by(AUTHORITY.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["dcc.test"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1", "::1"]
    key = load_pem_private_key(issued.private_key, None)
    assert key.public_key() == certificate.public_key()
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 366


def test_an_authority_comes_back_from_its_files() -> None:
    again = Dccki.read(AUTHORITY.pem, AUTHORITY.private_key_pem)
    assert again.issue_client(b"x", "one", NOW_MS) == AUTHORITY.issue_client(b"x", "one", NOW_MS)
    other = Dccki.make(secret_of_seed(8), NOW_MS)
    for certificate, key in ((AUTHORITY.pem, other.private_key_pem), (b"", b""), (AUTHORITY.pem, b"no key"), (b"x", b"y")):
        with pytest.raises(Malformed):
            Dccki.read(certificate, key)


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "a\0b"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(Malformed):
        AUTHORITY.issue_client(b"x", name, NOW_MS)


@pytest.mark.parametrize("names", [(), ("é.test",), ("x" * 65,)])
def test_servers_that_cannot_be(names: tuple[str, ...]) -> None:
    with pytest.raises(Malformed):
        AUTHORITY.issue_server(b"x", names, NOW_MS)


@given(st.binary(min_size=1, max_size=40), st.integers(0, 253_000_000_000))
def test_any_secret_makes_an_authority(secret: bytes, now_s: int) -> None:
    made = Dccki.make(secret, min(now_s, 4_000_000_000) * 1000 + 86_400_000)
    assert 0 < made.certificate.serial_number < 2**159
