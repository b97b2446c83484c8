"""The SMKI repository: what is found, and the XML of questions and answers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.pki.certificates import CertificateStatus, Usage
from emulator.pki.keystore import KeyStore
from emulator.pki.repository import (
    Repository,
    SearchRequest,
    SearchResult,
    encode_data_request,
    encode_data_response,
    encode_search_request,
    encode_search_response,
    parse_data_request,
    parse_data_response,
    parse_search_request,
    parse_search_response,
)
from emulator.pki.smki import TestSmki
from tests.pki.parties import ESME, SUPPLIER

HEAD = b'<?xml version="1.0" encoding="utf-8"?>'
SEARCH = b"<CertificateSearchRequest><CertificateSubjectAltName>%s</CertificateSubjectAltName></CertificateSearchRequest>"
RETRIEVE = b"<CertificateDataRequest><CertificateSerial>%s</CertificateSerial></CertificateDataRequest>"


@pytest.fixture
def repository(store: KeyStore) -> Repository:
    return Repository(store, lambda eui: ESME <= eui < ESME + 7)


def of_device(eui: Eui64) -> SearchRequest:
    return SearchRequest(eui, organisation=False)


def test_device_search_finds_one_certificate_per_usage(repository: Repository) -> None:
    found = repository.search(of_device(ESME))
    assert [(record.usage, record.status, record.role) for record in found] == [("DS", "I", None), ("KA", "I", None)]
    assert repository.search(of_device(Eui64(ESME + 7))) == ()
    assert repository.search(of_device(SUPPLIER)) == ()


def test_device_is_retrieved_by_serial_without_a_search(repository: Repository, store: KeyStore) -> None:
    serial = TestSmki(7).device_certificate(ESME, Usage.KEY_AGREEMENT).serial
    size = len(store)
    record = repository.retrieve(serial)
    assert record is not None
    assert (record.eui, record.usage) == (ESME, Usage.KEY_AGREEMENT)
    assert len(store) == size
    assert repository.retrieve(TestSmki(7).device_certificate(Eui64(1), Usage.KEY_AGREEMENT).serial) is None
    assert repository.retrieve(17) is None


def test_imported_device_outside_the_estate(repository: Repository, store: KeyStore) -> None:
    stranger = replace(TestSmki(8).device_certificate(Eui64(1), Usage.KEY_AGREEMENT), private_key=None)
    store.add(stranger)
    assert repository.search(of_device(Eui64(1))) == (stranger,)
    assert repository.retrieve(stranger.serial) == stranger


def test_public_certificate_of_an_emulated_device_is_not_offered(repository: Repository, store: KeyStore) -> None:
    store.add(replace(TestSmki(8).device_certificate(ESME, Usage.KEY_AGREEMENT), private_key=None))
    assert [record.issuer for record in repository.search(of_device(ESME))] == ["CN=Z1DV", "CN=Z1DV"]


def test_revoked_device_certificate_is_shown_as_such(repository: Repository, store: KeyStore) -> None:
    store.revoke(TestSmki(7).device_certificate(ESME, Usage.KEY_AGREEMENT).serial)
    assert [record.status for record in repository.search(of_device(ESME))] == ["I", "R"]


def test_organisation_search_finds_everything(repository: Repository) -> None:
    found = repository.search(SearchRequest(SUPPLIER, organisation=True))
    assert sorted((record.usage, record.role) for record in found) == [("DS", 2), ("DS", 135), ("KA", 2), ("KA", 2)]
    signing = SearchRequest(SUPPLIER, organisation=True, usage=Usage.DIGITAL_SIGNATURE, status=CertificateStatus.IN_USE, role=135)
    assert [record.role for record in repository.search(signing)] == [135]
    assert repository.search(SearchRequest(ESME, organisation=True)) == ()


@pytest.mark.parametrize("eui", [b"00-db-12-34-56-78-90-a0", b"00-DB-12-34-56-78-90-A0", b" 00db1234567890A0\n"])
def test_search_request_as_clients_write_it(eui: bytes) -> None:
    assert parse_search_request(HEAD + SEARCH % eui) == of_device(ESME)


def test_search_request_with_every_parameter() -> None:
    body = b"""<CertificateSearchRequest>
    <CertificateSubjectName>90-b3-d5-1f-30-01-00-00</CertificateSubjectName>
    <CertificateRole>2</CertificateRole><CertificateUsage> DS </CertificateUsage><!-- -->
    <CertificateStatus>I</CertificateStatus></CertificateSearchRequest>"""
    expected = SearchRequest(SUPPLIER, True, Usage.DIGITAL_SIGNATURE, CertificateStatus.IN_USE, 2)
    assert parse_search_request(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not XML",
        b"<CertificateDataRequest/>",
        b"<CertificateSearchRequest/>",
        SEARCH % b"",
        SEARCH % b"supplier",
        b'<CertificateSearchRequest xmlns="urn:x"><CertificateSubjectAltName>00db1234567890a0</CertificateSubjectAltName>'
        b"</CertificateSearchRequest>",
        b"<CertificateSearchRequest><CertificateSubjectAltName>00db1234567890a0</CertificateSubjectAltName>"
        b"<CertificateSubjectName>00db1234567890a0</CertificateSubjectName></CertificateSearchRequest>",
        b"<CertificateSearchRequest><CertificateSubjectAltName>00db1234567890a0</CertificateSubjectAltName><Other/>"
        b"</CertificateSearchRequest>",
        b"<CertificateSearchRequest><CertificateSubjectAltName><a/></CertificateSubjectAltName></CertificateSearchRequest>",
        b"<CertificateSearchRequest><CertificateSubjectAltName>00db1234567890a0</CertificateSubjectAltName>"
        b"<CertificateUsage>XX</CertificateUsage></CertificateSearchRequest>",
        b'<!DOCTYPE a [<!ENTITY e "00db1234567890a0">]>' + SEARCH % b"&e;",
        SEARCH % (b"0" * 70_000),
    ],
)
def test_bad_search_parameters(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_search_request(body)


@pytest.mark.parametrize("text", [b"1ABC", b"1abc", b"0001abc", b" 1aBc "])
def test_serials_compare_as_numbers(text: bytes) -> None:
    assert parse_data_request(RETRIEVE % text) == 0x1ABC


@pytest.mark.parametrize("text", [b"", b"-1", b"xyz", b"0x1abc", b"1" * 41, b"1 2"])
def test_bad_serials(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_data_request(RETRIEVE % text)
    with pytest.raises(Malformed):
        parse_data_request(b"<CertificateDataRequest/>")


def test_answers_have_the_published_form(repository: Repository) -> None:
    found = repository.search(of_device(ESME))
    root = etree.fromstring(encode_search_response(found, "1234567890-abc123456"))
    assert [child.tag for child in root] == ["ResponseCode", "ResponseMessage", "AuditReference", "Result", "Result"]
    fields = {child.tag: child.text for child in root[3]}
    assert fields == {
        "CertificateSerial": f"{found[0].serial:x}",
        "CertificateSubjectAltName": "00-DB-12-34-56-78-90-A0",
        "CertificateStatus": "I",
        "CertificateUsage": "DS",
        "ManufacturingFlag": "false",
    }
    (supplier, *_) = repository.search(SearchRequest(SUPPLIER, organisation=True))
    data = etree.fromstring(encode_data_response(supplier, "ref"))
    assert [child.tag for child in data] == ["ResponseCode", "ResponseMessage", "AuditReference", "CertificateResponse"]
    assert [child.tag for child in data[3]] == [
        "CertificateSubjectName",
        "CertificateSerial",
        "CertificateStatus",
        "CertificateBody",
        "CertificateRole",
        "CertificateUsage",
        "ManufacturingFlag",
    ]


def test_answers_there_and_back(repository: Repository, store: KeyStore) -> None:
    for request in (of_device(ESME), SearchRequest(SUPPLIER, organisation=True)):
        found = repository.search(request)
        expected = tuple(SearchResult(r.eui, r.serial, r.usage, r.status, r.role) for r in found)
        assert parse_search_response(encode_search_response(found, "ref")) == expected
        for record in found:
            assert parse_data_response(encode_data_response(record, "ref")).der == record.der
    assert parse_search_response(encode_search_response((), "ref")) == ()
    with pytest.raises(Malformed):
        parse_data_response(b"<CertificateDataResponse/>")
    with pytest.raises(Malformed):
        parse_search_response(b"<CertificateSearchResponse><Result/></CertificateSearchResponse>")


REQUESTS = st.builds(
    SearchRequest,
    st.integers(0, 2**64 - 1),
    st.booleans(),
    st.none() | st.sampled_from(Usage),
    st.none() | st.sampled_from(CertificateStatus),
    st.none() | st.integers(0, 255),
)


@given(REQUESTS, st.integers(0, 2**160 - 1))
def test_questions_there_and_back(request: SearchRequest, serial: int) -> None:
    assert parse_search_request(encode_search_request(request)) == request
    assert parse_data_request(encode_data_request(serial)) == serial


@given(st.binary(max_size=200))
def test_any_octets_are_refused(octets: bytes) -> None:
    for parse in (parse_search_request, parse_data_request, parse_search_response, parse_data_response):
        with pytest.raises(Malformed):
            parse(octets)
