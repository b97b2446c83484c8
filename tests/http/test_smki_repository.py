"""The SMKI repository as the DCC's key store client calls it, and what it refuses (wire_contract.md section 5)."""

import base64
import io
import zipfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree

from emulator.client.smki import SmkiClient
from emulator.domain.identifiers import format_eui
from emulator.pki.keystore import KeyStore
from tests.http.conftest import MakeSide
from tests.http.running import Emulator
from tests.http.side import ESME, NOBODY, SUPPLIER, Answer, Side, assert_plain, take

API_KEY = "?apikey=u3bg9gt38htd0j2"
"""A constant of the stock client."""
ARCHIVE = "/assets/crypto/org-crypto.zip"


def search_for(eui: int, element: str = "CertificateSubjectAltName", more: str = "") -> bytes:
    """As the stock client writes it."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><CertificateSearchRequest>'
        f"<{element}>{format_eui(eui).lower()}</{element}>{more}</CertificateSearchRequest>"
    ).encode()


def retrieve(serial: str) -> bytes:
    """As the stock client writes it."""
    return f"<CertificateDataRequest><CertificateSerial>{serial}</CertificateSerial></CertificateDataRequest>".encode()


async def call(side: Side, path: str, body: bytes, media_type: str = "application/xml") -> Answer:
    url = f"{side.url('smki')}/services/{path}{API_KEY}"
    async with side.http.post(url, data=body, headers={"Content-Type": media_type}) as answer:
        return await take(answer)


async def refuses(side: Side, status: int, path: str, body: bytes, media_type: str = "application/xml") -> str:
    async with side.unchanged():
        answer = await call(side, path, body, media_type)
    assert_plain(answer)
    assert answer.status == status
    return answer.text


async def results(side: Side, body: bytes) -> list[dict[str, str]]:
    answer = await call(side, "certificatesearch", body)
    assert answer.status == 200
    assert answer.media_type == "application/xml"
    root = etree.fromstring(answer.body)
    assert root.tag == "CertificateSearchResponse", "the client takes no prefixed elements"
    return [{child.tag: child.text or "" for child in result} for result in root.findall("Result")]


async def test_a_device_has_one_certificate_in_use_per_usage(default: Side) -> None:
    """Two would leave the stock client without a key."""
    found = await results(default, search_for(ESME))
    assert sorted((each["CertificateUsage"], each["CertificateStatus"]) for each in found) == [("DS", "I"), ("KA", "I")]
    assert {each["CertificateSubjectAltName"] for each in found} == {format_eui(ESME)}
    for each in found:
        serial = each["CertificateSerial"]
        assert serial == serial.lower().lstrip("0")
        answer = await call(default, "retrievecertificate", retrieve(serial))
        assert answer.status == 200
        content = etree.fromstring(answer.body).find("CertificateResponse")
        assert content is not None
        assert content.find("CertificateSubjectAltName") is not None
        assert content.find("CertificateSubjectName") is None
        certificate = x509.load_der_x509_certificate(base64.b64decode(content.findtext("CertificateBody", ""), validate=True))
        assert certificate.serial_number == int(serial, 16)
        assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert usage.digital_signature is (each["CertificateUsage"] == "DS")
        assert usage.key_agreement is (each["CertificateUsage"] == "KA")


async def test_organisations_by_subject_name(default: Side) -> None:
    found = await results(default, search_for(SUPPLIER, "CertificateSubjectName"))
    assert {each["CertificateRole"] for each in found} == {"2", "135"}
    assert all("CertificateSubjectAltName" not in each for each in found)
    narrow = search_for(
        SUPPLIER, "CertificateSubjectName", "<CertificateUsage>KA</CertificateUsage><CertificateRole>2</CertificateRole>"
    )
    assert {each["CertificateUsage"] for each in await results(default, narrow)} == {"KA"}


async def test_serials_with_leading_zeros_and_in_upper_case(default: Side) -> None:
    serial = (await results(default, search_for(ESME)))[0]["CertificateSerial"]
    for written in (serial.upper(), serial.rjust(40, "0")):
        assert (await call(default, "retrievecertificate", retrieve(written))).status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("certificatesearch", search_for(NOBODY)),
        ("certificatesearch", search_for(ESME, "CertificateSubjectName")),
        ("certificatesearch", search_for(SUPPLIER)),
        ("certificatesearch", search_for(ESME, more="<CertificateStatus>R</CertificateStatus>")),
        ("retrievecertificate", retrieve("4711")),
        ("retrievecertificate", retrieve("0")),
        ("retrievecertificate", retrieve("f" * 40)),
    ],
    ids=["unknown device", "device as organisation", "organisation as device", "revoked", "serial", "zero", "largest"],
)
async def test_nothing_found_is_402(default: Side, path: str, body: bytes) -> None:
    assert await refuses(default, 402, path, body) == "there is no such certificate\n"


BAD: dict[str, tuple[str, bytes, str]] = {
    "not XML": ("certificatesearch", b"hello", "the body is not XML"),
    "empty": ("certificatesearch", b"", "the body is empty"),
    "DOCTYPE": ("certificatesearch", b'<!DOCTYPE a SYSTEM "x">' + search_for(ESME).partition(b"?>")[2], "document type"),
    "another root": ("certificatesearch", retrieve("4711"), "the root element is 'CertificateDataRequest'"),
    "a namespace": (
        "certificatesearch",
        search_for(ESME).replace(b"Request>", b'Request xmlns="urn:x">', 1),
        "the root element is",
    ),
    "no subject": ("certificatesearch", b"<CertificateSearchRequest/>", "0 subjects"),
    "two subjects": (
        "certificatesearch",
        search_for(ESME, more="<CertificateSubjectName>x</CertificateSubjectName>"),
        "2 subjects",
    ),
    "twice": (
        "certificatesearch",
        search_for(ESME, more=f"<CertificateSubjectAltName>{format_eui(ESME)}</CertificateSubjectAltName>"),
        "is repeated",
    ),
    "unknown element": ("certificatesearch", search_for(ESME, more="<Colour>red</Colour>"), "unknown element 'Colour'"),
    "unknown usage": (
        "certificatesearch",
        search_for(ESME, more="<CertificateUsage>XX</CertificateUsage>"),
        "'XX' is not a Usage",
    ),
    "role in words": (
        "certificatesearch",
        search_for(ESME, more="<CertificateRole>all</CertificateRole>"),
        "'all' is not a role",
    ),
    "no EUI": ("certificatesearch", search_for(ESME).replace(b"00-db", b"00"), "is not an EUI-64"),
    "serial in words": ("retrievecertificate", retrieve("../../etc/passwd"), "is not a serial number"),
    "no serial": ("retrievecertificate", b"<CertificateDataRequest/>", "0 elements"),
    "serial too long": ("retrievecertificate", retrieve("1" * 41), "is not a serial number"),
}


@pytest.mark.parametrize(("path", "body", "says"), BAD.values(), ids=BAD.keys())
async def test_bad_parameters_are_401(default: Side, path: str, body: bytes, says: str) -> None:
    text = await refuses(default, 401, path, body)
    assert says in text
    assert "expected" in text


async def test_wrong_media_type_and_size(default: Side) -> None:
    assert "application/xml or text/xml" in await refuses(default, 415, "certificatesearch", search_for(ESME), "application/json")
    assert "at most 65536 are taken" in await refuses(default, 413, "certificatesearch", bytes(70_000))


@pytest.mark.parametrize("path", ["/services/certificatesearch", "/services/retrievecertificate"])
async def test_other_methods(default: Side, path: str) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        async with default.http.request(method, default.url("smki") + path) as found:
            answer = await take(found)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/", "/services", "/services/x", "/assets/crypto/", "/assets/crypto/../../etc/passwd", "/api/v1/serviceS"]
)
async def test_other_paths(default: Side, path: str) -> None:
    async with default.http.get(default.url("smki") + path) as found:
        answer = await take(found)
    assert_plain(answer)
    assert answer.status == 404
    assert "/services/certificatesearch" in answer.text


# the archive


async def archive_of(side: Side) -> zipfile.ZipFile:
    """By HEAD and GET, as the stock script fetches it."""
    url = side.url("smki") + ARCHIVE
    async with side.http.head(url) as head:
        assert head.status == 200
        assert head.headers["Content-Type"] == "application/zip"
        assert int(head.headers["Content-Length"]) > 0
    async with side.http.get(url, headers={"Accept-Encoding": "identity"}) as answer:
        content = await answer.read()
    assert len(content) == int(answer.headers["Content-Length"]) == int(head.headers["Content-Length"])
    assert answer.headers["Content-Type"] == "application/zip"
    return zipfile.ZipFile(io.BytesIO(content))


async def test_the_archive_has_pairs_of_pem(default: Side) -> None:
    archive = await archive_of(default)
    names = archive.namelist()
    certificates = [name for name in names if "/cert/" in name]
    assert certificates
    for name in certificates:
        assert name.endswith(".pem")
        partner = name.replace("/cert/", "/key/").removesuffix(".pem") + ".key"
        key = load_pem_private_key(archive.read(partner), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        certificate = x509.load_pem_x509_certificate(archive.read(name))
        assert certificate.public_key() == key.public_key()
    assert not [name for name in names if name.startswith("/") or ".." in name]


async def test_other_methods_on_the_archive(default: Side) -> None:
    async with default.http.post(default.url("smki") + ARCHIVE) as found:
        answer = await take(found)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_another_world_has_its_own_repository(emulator: Emulator, default: Side, sides: MakeSide) -> None:
    other = await sides(emulator, "other-keys", seed=4)
    (one, _), (two, _) = await results(default, search_for(ESME)), await results(other, search_for(ESME))
    assert one["CertificateSerial"] != two["CertificateSerial"]
    assert (await call(other, "retrievecertificate", retrieve(one["CertificateSerial"]))).status == 402
    names = (await archive_of(default)).namelist()
    assert names == (await archive_of(other)).namelist()
    assert (await archive_of(default)).read(names[0]) != (await archive_of(other)).read(names[0])
    for path in ("/worlds/nowhere/services/certificatesearch", f"/worlds/nowhere{ARCHIVE}"):
        async with default.http.request("POST" if "search" in path else "GET", emulator.url("smki") + path) as found:
            assert (await take(found)).text == "there is no world 'nowhere'\n"


async def test_our_client_finds_a_device(default: Side) -> None:
    async with SmkiClient(default.url("smki"), KeyStore()) as client:
        assert {record.usage.value for record in await client.fetch(ESME)} == {"DS", "KA"}
        assert await client.fetch(NOBODY) == []
