"""Whether a certificate leads to an authority that a device trusts."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.identifiers import Eui64
from emulator.pki.paths import path_is_trusted
from emulator.pki.smki import Authority, Organisation, TestSmki

SMKI, STRANGER = TestSmki(seed=7), TestSmki(seed=8)
PARTY = Organisation(Eui64(0x90B3D51F30010000), 2, "party")


def der(authority: Authority) -> bytes:
    return authority.certificate.public_bytes(Encoding.DER)


OWN = SMKI.organisation_certificates(PARTY)[0].der
OTHER = STRANGER.organisation_certificates(PARTY)[0].der
ROOT, ISSUER = der(SMKI.root), der(SMKI.organisation_authority)
OTHER_ROOT, OTHER_ISSUER = der(STRANGER.root), der(STRANGER.organisation_authority)
DEVICES = der(SMKI.device_authority)


@pytest.mark.parametrize("path", [[ISSUER], [DEVICES, ISSUER], [ISSUER, ROOT], [ROOT, OTHER_ISSUER, ISSUER]])
def test_by_its_issuer_to_the_root(path: list[bytes]) -> None:
    assert path_is_trusted(OWN, path, ROOT, [])


@pytest.mark.parametrize("path", [[], [OWN], [DEVICES], [OTHER_ISSUER], [ROOT], [b""], [ISSUER[:-1]], [b"\x30\x00"]])
def test_a_path_without_its_issuer_leads_nowhere(path: list[bytes]) -> None:
    assert not path_is_trusted(OWN, path, ROOT, [OWN])


def test_another_infrastructure_is_not_trusted_whatever_comes_with_it() -> None:
    path = [OTHER_ISSUER, OTHER_ROOT]
    assert not path_is_trusted(OTHER, path, ROOT, [OWN])
    assert path_is_trusted(OTHER, path, OTHER_ROOT, [])


def test_an_authority_that_issued_what_is_held_is_trusted() -> None:
    """The root of an imported key store is not at hand."""
    held = STRANGER.organisation_certificates(PARTY)[1].der
    assert path_is_trusted(OTHER, [OTHER_ISSUER], ROOT, [OWN, held])
    assert path_is_trusted(OTHER, [OTHER_ISSUER], None, [held])
    assert not path_is_trusted(OTHER, [OTHER_ISSUER], None, [OWN, b"", held[:-3]])


def test_a_certificate_for_signing_messages_issues_nothing() -> None:
    assert not path_is_trusted(OTHER, [OWN], ROOT, [])


def test_without_a_root_and_anything_held_nothing_is_trusted() -> None:
    assert not path_is_trusted(OWN, [ISSUER], None, [])


@given(st.integers(0, len(OWN) - 1), st.integers(1, 255))
def test_a_changed_certificate_is_not_trusted(place: int, change: int) -> None:
    changed = bytearray(OWN)
    changed[place] ^= change
    assert not path_is_trusted(bytes(changed), [ISSUER], ROOT, [])


@given(st.binary(max_size=60), st.lists(st.binary(max_size=60), max_size=4))
def test_any_octets_are_judged(octets: bytes, path: list[bytes]) -> None:
    assert not path_is_trusted(octets, path, ROOT, path)
