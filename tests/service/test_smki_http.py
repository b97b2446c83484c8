"""The SMKI repository as the DCC's key store client meets it."""

import io

import aiohttp
import pytest

from emulator.client.smki import SmkiClient
from emulator.domain.identifiers import Eui64, format_eui
from emulator.pki.certificates import Usage
from emulator.pki.formats import read_crypto_zip
from emulator.pki.keystore import KeyStore
from emulator.pki.repository import parse_data_response, parse_search_response
from emulator.service.server import Server
from tests.service.conftest import ESME, SUPPLIER, ServerFactory

XML = {"Content-Type": "application/xml"}
KEY = "?apikey=u3bg9gt38htd0j2"


def search(subject: str, element: str = "CertificateSubjectAltName") -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><CertificateSearchRequest>'
        f"<{element}>{subject}</{element}></CertificateSearchRequest>"
    ).encode()


async def test_a_device_has_one_certificate_per_usage_and_each_can_be_retrieved(
    server: Server, http: aiohttp.ClientSession, world_keys: KeyStore
) -> None:
    url = server.url("smki")
    async with http.post(f"{url}/services/certificatesearch{KEY}", data=search("00-db-12-34-56-78-90-a0"), headers=XML) as answer:
        assert (answer.status, answer.content_type) == (200, "application/xml")
        found = parse_search_response(await answer.read())
    assert sorted(result.usage for result in found) == [Usage.DIGITAL_SIGNATURE, Usage.KEY_AGREEMENT]
    for result in found:
        body = f"<CertificateDataRequest><CertificateSerial>{result.serial:x}</CertificateSerial></CertificateDataRequest>"
        async with http.post(f"{url}/services/retrievecertificate{KEY}", data=body, headers=XML) as answer:
            assert answer.status == 200
            record = parse_data_response(await answer.read())
        assert record.der == (world_keys.device(ESME, result.usage) or record).der
        assert record.role is None


async def test_our_own_client_finds_devices_and_organisations(server: Server) -> None:
    async with SmkiClient(server.url("smki"), KeyStore()) as client:
        assert {record.usage for record in await client.fetch(ESME)} == set(Usage)
        report = read_crypto_zip(await client.organisations_zip())
    assert not report.skipped
    assert SUPPLIER in {record.eui for record in report.records}


async def test_the_archive_can_be_asked_for_its_length_first(server: Server, http: aiohttp.ClientSession) -> None:
    url = f"{server.url('smki')}/assets/crypto/org-crypto.zip"
    async with http.head(url) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
        length = int(answer.headers["Content-Length"])
    async with http.get(url, headers={"Accept-Encoding": "identity"}) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
        content = await answer.read()
    assert 0 < length == len(content)
    async with http.get(url.replace("/assets", "/worlds/default/assets")) as answer:
        assert await answer.read() == content


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("certificatesearch", search("00-db-12-34-56-78-90-ff"), 402),
        ("certificatesearch", search("90-b3-d5-1f-30-01-00-00"), 402),
        ("certificatesearch", search("nobody"), 401),
        ("certificatesearch", search(format_eui(SUPPLIER), "CertificateName"), 401),
        ("certificatesearch", b"<x/>", 401),
        ("certificatesearch", b"", 401),
        ("certificatesearch", b"<!DOCTYPE x><CertificateSearchRequest/>", 401),
        (
            "retrievecertificate",
            b"<CertificateDataRequest><CertificateSerial>1</CertificateSerial></CertificateDataRequest>",
            402,
        ),
        (
            "retrievecertificate",
            b"<CertificateDataRequest><CertificateSerial>z</CertificateSerial></CertificateDataRequest>",
            401,
        ),
        ("retrievecertificate", b"not XML", 401),
        ("certificatesearch", b" " * 100_000, 413),
    ],
)
async def test_statuses_tell_nothing_found_from_bad_parameters(
    server: Server, http: aiohttp.ClientSession, path: str, body: bytes, status: int
) -> None:
    async with http.post(f"{server.url('smki')}/services/{path}{KEY}", data=io.BytesIO(body), headers=XML) as answer:
        assert answer.status == status
        assert "Traceback" not in await answer.text()


async def test_organisations_are_found_by_their_name(server: Server, http: aiohttp.ClientSession) -> None:
    body = search("90-b3-d5-1f-30-01-00-00", "CertificateSubjectName")
    async with http.post(f"{server.url('smki')}/services/certificatesearch{KEY}", data=body, headers=XML) as answer:
        assert answer.status == 200
        assert {result.eui for result in parse_search_response(await answer.read())} == {SUPPLIER}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/services/certificatesearch", 405),
        ("POST", "/assets/crypto/org-crypto.zip", 405),
        ("GET", "/assets/crypto/org-certs.zip", 404),
        ("POST", "/worlds/none/services/certificatesearch", 404),
        ("GET", "/worlds/none/assets/crypto/org-crypto.zip", 404),
    ],
)
async def test_other_paths_and_methods(server: Server, http: aiohttp.ClientSession, method: str, path: str, status: int) -> None:
    async with http.request(method, server.url("smki") + path, data=b"<x/>", headers=XML) as answer:
        assert (answer.status, answer.content_type) == (status, "text/plain")


async def test_the_media_type_counts(server: Server, http: aiohttp.ClientSession) -> None:
    async with http.post(
        f"{server.url('smki')}/services/certificatesearch", data=b"{}", headers={"Content-Type": "a/b"}
    ) as answer:
        assert answer.status == 415


async def test_a_world_that_is_not_ready_says_so(server: Server, http: aiohttp.ClientSession) -> None:
    server.worlds["default"].drain()
    async with http.get(f"{server.url('smki')}/assets/crypto/org-crypto.zip") as answer:
        assert answer.status == 503


async def test_worlds_have_keys_of_their_own(servers: ServerFactory, http: aiohttp.ClientSession) -> None:
    server = await servers.start({})
    async with http.post(f"{server.url()}/control/v1/worlds", json={"name": "other", "seed": 99}) as answer:
        assert answer.status == 201
    archives = []
    for prefix in ("", "/worlds/other"):
        async with http.get(f"{server.url('smki')}{prefix}/assets/crypto/org-crypto.zip") as answer:
            archives.append(await answer.read())
    serials = [{record.serial for record in read_crypto_zip(archive).records} for archive in archives]
    assert not serials[0] & serials[1]


def test_the_device_of_these_tests_is_in_the_estate() -> None:
    assert Eui64(0x00DB1234567890A0) == ESME
