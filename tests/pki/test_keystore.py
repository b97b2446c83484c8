"""The key store: look-ups, its number, imports that take the place of seeded certificates, revocation."""

from dataclasses import replace

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.pki.certificates import CertificateRecord, CertificateStatus, Usage
from emulator.pki.keystore import PREFERRED_DSP_SERIAL, KeyStore
from emulator.pki.reports import ImportEntry, ImportReport
from emulator.pki.smki import TestSmki
from tests.pki.parties import ESME, NETWORK_OPERATOR, ORGANISATIONS, OTHER_USER, SUPPLIER, SUPPLIER_2, organisation_certificates

DS, KA = Usage.DIGITAL_SIGNATURE, Usage.KEY_AGREEMENT


def report(*records: CertificateRecord) -> ImportReport:
    return ImportReport(tuple(ImportEntry(f"entry {number}", record) for number, record in enumerate(records)))


def found(record: CertificateRecord | None) -> CertificateRecord:
    assert record is not None
    return record


def test_live_certificates_of_all_parties(store: KeyStore) -> None:
    for party in ORGANISATIONS:
        assert found(store.live(party.eui, DS)).name.startswith(("Z1-", "otherUser-"))
    assert found(store.live(SUPPLIER, KA)).name == "Z1-supplier-ka"
    assert found(store.live(SUPPLIER, KA, prepayment=True)).name == "Z1-supplierPP-ka"
    assert found(store.live(ACCESS_CONTROL_BROKER, KA)).private_key is not None
    assert store.live(NETWORK_OPERATOR, KA, prepayment=True) is None
    assert "dropped: Z1-networkOperator-ka" in store.explain_live(NETWORK_OPERATOR, KA, prepayment=True).reason
    assert store.live(Eui64(1), DS) is None


def test_xml_signing_certificates(store: KeyStore) -> None:
    assert found(store.xml_signing(SUPPLIER)).role == 135
    assert found(store.xml_signing(SUPPLIER_2)).name == "Z1-supplier2-ds"
    assert found(store.xml_signing(ACCESS_CONTROL_BROKER)).role == 137
    assert store.dsp_signing() == store.xml_signing(ACCESS_CONTROL_BROKER)
    assert KeyStore().dsp_signing() is None


def test_find_signing(store: KeyStore) -> None:
    record = found(store.xml_signing(SUPPLIER))
    certificate = store.find_signing("CN=Z1, OU=07", record.serial)
    assert certificate is not None
    assert (certificate.eui, certificate.role, certificate.serial, certificate.issuer) == (
        SUPPLIER,
        135,
        record.serial,
        "CN=Z1,OU=07",
    )
    assert certificate.public_key == record.public_key
    assert (certificate.revoked, certificate.chain_trusted) == (False, True)
    assert store.find_signing("CN=Z1,OU=07", record.serial) is certificate
    assert store.find_signing("OU=07,CN=Z1", record.serial) is None
    assert store.find_signing("CN=Z2,OU=07", record.serial) is None
    assert store.find_signing("CN=Z1,OU=07", record.serial + 1) is None


def test_only_signing_certificates_of_organisations_sign(store: KeyStore, smki: TestSmki) -> None:
    agreement = found(store.live(SUPPLIER, KA))
    assert store.find_signing(agreement.issuer, agreement.serial) is None
    device = smki.device_certificate(ESME, DS)
    store.add(device)
    assert store.find_signing(device.issuer, device.serial) is None


def test_revocation(store: KeyStore) -> None:
    record = found(store.xml_signing(SUPPLIER))
    before = store.number
    assert [r.status for r in store.revoke(record.serial)] == [CertificateStatus.REVOKED]
    assert store.number > before
    certificate = store.find_signing(record.issuer, record.serial)
    assert certificate is not None
    assert certificate.revoked
    assert found(store.xml_signing(SUPPLIER)).role == 2
    number = store.number
    assert store.revoke(12345) == ()
    assert store.revoke(record.serial, "CN=other") == ()
    assert store.number == number


def test_revocation_of_a_device_that_nobody_asked_for_yet(store: KeyStore, smki: TestSmki) -> None:
    made = smki.device_certificate(ESME, KA)
    (revoked,) = store.revoke(made.serial)
    assert store.device(ESME, KA) == revoked
    assert revoked.status == CertificateStatus.REVOKED
    assert found(store.device(ESME, DS)).status == CertificateStatus.IN_USE


def test_number_follows_the_content(store: KeyStore) -> None:
    number, record = store.number, store.records()[0]
    store.add(record)
    store.live(SUPPLIER, DS)
    store.device(ESME, DS)
    assert store.number == number
    store.add(TestSmki(8).device_certificate(ESME, DS))
    assert store.number == number + 1


def test_two_certificates_cannot_have_one_identity(store: KeyStore) -> None:
    record = store.records()[0]
    with pytest.raises(Malformed, match="another certificate"):
        store.add(replace(record, der=store.records()[1].der))
    adopted = store.adopt(report(replace(record, der=store.records()[1].der)))
    assert "another certificate" in adopted.skipped[0].reason


def test_adding_again_learns_the_private_key(smki: TestSmki) -> None:
    record = smki.organisation_certificates(ORGANISATIONS[4])[0]
    store = KeyStore()
    store.add(replace(record, private_key=None, name=""))
    store.add(record)
    store.add(replace(record, private_key=None))
    assert found(store.live(SUPPLIER, DS)).private_key is record.private_key
    assert len(store) == 1


def test_imported_certificates_take_the_place_of_seeded_ones(store: KeyStore) -> None:
    seeded = found(store.live(SUPPLIER, DS))
    others = {(r.name, r.status) for r in store.records() if r.eui != SUPPLIER}
    foreign = TestSmki(8).organisation_certificates(ORGANISATIONS[4])
    adopted = store.adopt(report(*foreign))
    assert not adopted.skipped
    assert found(store.live(SUPPLIER, DS)) == foreign[0]
    assert found(store.live(SUPPLIER, KA, prepayment=True)).serial == foreign[2].serial
    assert found(store.xml_signing(SUPPLIER)) == foreign[3]
    assert found(store.by_serial(seeded.serial)[0]).status == CertificateStatus.NOT_IN_USE
    assert {(r.name, r.status) for r in store.records() if r.eui != SUPPLIER} == others
    certificate = store.find_signing(foreign[3].issuer, foreign[3].serial)
    assert certificate is not None
    assert not certificate.chain_trusted


def test_a_second_generation_takes_no_place(store: KeyStore) -> None:
    seeded = found(store.live(SUPPLIER, DS))
    store.adopt(report(*TestSmki(8).organisation_certificates(ORGANISATIONS[4], 1)[:3]))
    assert store.live(SUPPLIER, DS) == seeded


def test_a_public_certificate_is_enough_for_a_user_but_not_for_our_own_roles(store: KeyStore) -> None:
    foreign = organisation_certificates(TestSmki(8))
    public = [replace(record, private_key=None) for record in foreign if record.eui in (OTHER_USER, ACCESS_CONTROL_BROKER)]
    adopted = store.adopt(report(*public))
    assert {record.eui for record in adopted.records} == {OTHER_USER}
    assert all("needs its private key" in entry.reason for entry in adopted.skipped)
    assert found(store.live(ACCESS_CONTROL_BROKER, KA)).private_key is not None
    assert found(store.live(OTHER_USER, DS)).private_key is None


def test_devices_keep_keys_they_can_use(store: KeyStore, smki: TestSmki) -> None:
    foreign = TestSmki(8).device_certificate(ESME, KA)
    store.adopt(report(replace(foreign, private_key=None)))
    assert store.device(ESME, KA) == smki.device_certificate(ESME, KA)
    store.adopt(report(foreign))
    assert store.device(ESME, KA) == foreign
    assert store.device(ESME, DS) == smki.device_certificate(ESME, DS)
    assert KeyStore().device(ESME, DS) is None


def test_dsp_prefers_the_certificate_that_every_client_knows(smki: TestSmki) -> None:
    template = next(record for record in organisation_certificates(smki) if record.role == 137)
    store = KeyStore()
    for serial, key in ((3, template.private_key), (PREFERRED_DSP_SERIAL, template.private_key), (4, template.private_key)):
        store.add(replace(template, serial=serial, private_key=key))
    assert found(store.dsp_signing()).serial == PREFERRED_DSP_SERIAL
    assert found(store.xml_signing(ACCESS_CONTROL_BROKER)).serial == PREFERRED_DSP_SERIAL
    without = KeyStore()
    without.add(replace(template, serial=PREFERRED_DSP_SERIAL, private_key=None))
    without.add(replace(template, serial=9))
    assert found(without.dsp_signing()).serial == 9


def test_by_serial_and_records(store: KeyStore) -> None:
    record = found(store.live(SUPPLIER, KA))
    assert store.by_serial(record.serial) == [record]
    assert store.by_serial(1) == []
    assert len(store.records(SUPPLIER)) == 4
    assert len(store.records(SUPPLIER, KA)) == 2
    assert [r.role for r in store.records(SUPPLIER, DS, 135)] == [135]
    assert len(store.records(role=2)) == 6
    assert len(store.records()) == len(store)
