"""Certificates that a party renews, and those that devices take: which is live, which devices hold, and who may still sign."""

from dataclasses import replace

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.pki.certificates import CertificateStatus, Usage
from emulator.pki.keystore import KeyStore, seeded_key_store
from emulator.pki.smki import Organisation, TestSmki

SMKI = TestSmki(seed=7)
SUPPLIER, OPERATOR, DEVICE = Eui64(0x90B3D51F30010000), Eui64(0x90B3D51F30020000), Eui64(0x00DB1234567890A0)
DS, KA = Usage.DIGITAL_SIGNATURE, Usage.KEY_AGREEMENT
SLOTS = [(DS, False), (KA, False), (KA, True)]


@pytest.fixture
def store() -> KeyStore:
    supplier = SMKI.organisation_certificates(Organisation(SUPPLIER, 2, "supplier", xml_signing=True, prepayment=True))
    operator = SMKI.organisation_certificates(Organisation(OPERATOR, 3, "operator"))
    return seeded_key_store(SMKI, (*supplier, *operator))


def live(store: KeyStore, party: Eui64 = SUPPLIER) -> list[object]:
    return [store.live(party, usage, prepayment=prepayment) for usage, prepayment in SLOTS]


def anchors(store: KeyStore, party: Eui64 = SUPPLIER) -> list[object]:
    return [store.anchor(party, usage, prepayment=prepayment) for usage, prepayment in SLOTS]


def test_before_anything_is_renewed_devices_hold_what_is_live(store: KeyStore) -> None:
    assert anchors(store) == live(store)
    assert None not in live(store)


def test_what_is_renewed_is_live_and_devices_hold_what_was(store: KeyStore) -> None:
    before, xml, number = live(store), store.xml_signing(SUPPLIER), store.number
    renewed = store.renew(SUPPLIER, 1)
    assert live(store) == list(renewed)
    assert anchors(store) == before
    assert store.xml_signing(SUPPLIER) == xml, "requests are signed as before"
    assert store.number > number
    assert [record.public_key for record in store.signing_keys(SUPPLIER)] == [each.public_key for each in (renewed[0], before[0])]  # type: ignore[attr-defined]
    assert {record.status for record in store.by_serial(before[0].serial)} == {CertificateStatus.NOT_IN_USE}  # type: ignore[attr-defined]


def test_renewed_twice(store: KeyStore) -> None:
    before = live(store)
    store.renew(SUPPLIER, 1)
    again = store.renew(SUPPLIER, 2)
    assert (live(store), anchors(store)) == (list(again), before)
    assert len(store.signing_keys(SUPPLIER)) == 3
    assert store.generation(SUPPLIER) == 2


def test_others_are_not_touched(store: KeyStore) -> None:
    before = live(store, OPERATOR)
    store.renew(SUPPLIER, 1)
    assert live(store, OPERATOR) == anchors(store, OPERATOR) == before
    assert len(store.signing_keys(OPERATOR)) == 1
    assert store.generation(OPERATOR) == 0


def test_a_revoked_certificate_signs_nothing(store: KeyStore) -> None:
    old = store.live(SUPPLIER, DS)
    assert old is not None
    store.renew(SUPPLIER, 1)
    store.revoke(old.serial)
    assert len(store.signing_keys(SUPPLIER)) == 1


@pytest.mark.parametrize("party", [DEVICE, Eui64(1)])
def test_who_has_no_certificates_renews_none(store: KeyStore, party: Eui64) -> None:
    with pytest.raises(Malformed):
        store.renew(party, 1)


def test_a_device_uses_the_certificate_that_it_took(store: KeyStore) -> None:
    first = store.device(DEVICE, DS)
    assert first is not None
    taken = SMKI.issue_to_device(DEVICE, DS, SMKI.private_key(DEVICE, DS, 1, "made by the device").public_key(), 1)
    store.take_device_certificate(taken)
    assert store.device(DEVICE, DS) == taken
    assert store.by_serial(taken.serial) == [taken]
    assert store.device(DEVICE, KA) == SMKI.device_certificate(DEVICE, KA)
    store.take_device_certificate(replace(first))
    assert store.device(DEVICE, DS) == first


def test_a_copy_goes_its_own_way(store: KeyStore) -> None:
    store.renew(SUPPLIER, 1)
    other = store.copy()
    assert (live(other), anchors(other), other.number, len(other)) == (live(store), anchors(store), store.number, len(store))
    other.renew(SUPPLIER, 2)
    assert (store.generation(SUPPLIER), other.generation(SUPPLIER)) == (1, 2)
    assert live(other) != live(store)
