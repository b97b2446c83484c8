"""What is fuzzed: each target takes any octets, and raises where a promise of the project is broken.

A refusal (:class:`Malformed`, a ``Refusal``) is an answer, whatever the octets; any other exception is a fault of ours. What is
accepted is held against a second promise: that it re-encodes to the same octets, or that nobody else's document verifies.
"""

import io
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from lxml import etree

from emulator.domain.errors import Malformed
from emulator.duis.decode import decode_message, decode_request
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet
from emulator.duis.signature import SignaturePolicy, strip_signature, verify_document
from emulator.gbcs import utrn
from emulator.gbcs.asn1 import decode_element
from emulator.gbcs.commands import read_command
from emulator.gbcs.dlms import decode_data
from emulator.gbcs.explain import explain
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.message import decode_message as decode_gbcs
from emulator.gbcs.results import read_result
from emulator.ota.image import parse_image
from emulator.pki.formats import read_crypto_zip, read_files, read_keystore_json
from emulator.pki.repository import parse_data_request, parse_search_request
from emulator.scenarios.evidence import read_bundle
from tests.duis.parties import NOW_MS, READ_FIRMWARE, SR, registry

Target = Callable[[bytes], None]

RESPONSE = (
    f'<sr:Response xmlns:sr="{SR}" schemaVersion="5.4"><sr:Header><sr:RequestID>90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0'
    ":1000</sr:RequestID><sr:ResponseCode>I99</sr:ResponseCode><sr:ResponseDateTime>2026-11-21T10:00:00.000Z"
    "</sr:ResponseDateTime></sr:Header><sr:Body><sr:ResponseMessage><sr:ServiceReference>11.2</sr:ServiceReference>"
    "<sr:ServiceReferenceVariant>11.2</sr:ServiceReferenceVariant></sr:ResponseMessage></sr:Body></sr:Response>"
).encode()
SIGNED = (READ_FIRMWARE, RESPONSE)
"""The documents that the supplier of the tests ever signed, in canonical form."""


@cache
def _schemas() -> SchemaSet:
    found = SchemaSet()
    found.warm()
    return found


def duis(data: bytes) -> None:
    """Parse, schema, signature and decoding; a document that verifies must be one that was signed."""
    with suppress(Malformed):
        parse_search_request(data)
    with suppress(Malformed):
        parse_data_request(data)
    try:
        root = parse_document(data)
    except Malformed:
        return
    odd = next((node for node in root.iter() if not isinstance(node.tag, str)), None)
    assert odd is None, f"{odd!r} is left in the tree"
    _schemas().validate(root)
    signer = verify_document(root, registry(), SignaturePolicy(), NOW_MS)
    for decode in (decode_request, decode_message):
        with suppress(Malformed):
            decode(root)
    if not hasattr(signer, "code"):
        strip_signature(root)
        assert etree.tostring(root, method="c14n", with_comments=False) in SIGNED, "nobody signed this"


def gbcs(data: bytes) -> None:
    """A message with everything that reads its payload; what is read re-encodes to the same octets."""
    for decode in (decode_element, decode_data):
        with suppress(Malformed):
            decode(data)
    with suppress(Malformed, UnicodeDecodeError):
        utrn.read(data.decode("ascii"))
    try:
        message = decode_gbcs(data)
    except Malformed:
        return
    assert message.encode() == data
    _read(message)
    explain(data)


def _read(message: GbcsMessage) -> None:
    with suppress(Malformed):
        read_command(message)
    with suppress(Malformed):
        read_result(message)


def ota(data: bytes) -> None:
    """An image with, without and perhaps with a trailer; what is read re-encodes to the same octets."""
    for trailer in (None, True, False):
        with suppress(Malformed):
            assert parse_image(data, trailer=trailer).encode() == data


def archive(data: bytes) -> None:
    """Key stores and evidence bundles. After ``F`` come name and content in turn, each behind its length, for an archive of them:
    so that the fuzzer need not find checksums.
    """
    if data[:1] == b"F":
        files = _pieces(data[1:])
        read_files(files)
        data = _packed(files)
    if data[:2] != b"PK":
        with suppress(Malformed):
            read_keystore_json(data)
        return
    with suppress(Malformed):
        read_crypto_zip(data)
    with tempfile.TemporaryDirectory() as outside:
        folder = Path(outside) / "inside"
        folder.mkdir()
        path = Path(outside) / "bundle.zip"
        path.write_bytes(data)
        with suppress(Malformed):
            read_bundle(path, folder)
        assert {each.name for each in Path(outside).iterdir()} == {"inside", "bundle.zip"}, "something was written elsewhere"


def _pieces(data: bytes) -> dict[str, bytes]:
    pieces = []
    while data and len(pieces) < 40:
        count = int.from_bytes(data[:2], "big")
        pieces.append(data[2 : 2 + count])
        data = data[2 + count :]
    return {name.decode("utf-8", "replace"): content for name, content in zip(pieces[::2], pieces[1::2], strict=False) if name}


def _packed(files: dict[str, bytes]) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return output.getvalue()


TARGETS: dict[str, Target] = {"duis": duis, "gbcs": gbcs, "ota": ota, "archive": archive}
