"""What clients send in other forms than ours and must be taken: the stock client's own habits, and what XML leaves open."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from emulator.client.requests import activate_firmware, read_firmware_version, read_inventory
from emulator.duis.messages import Request
from tests.duis.parties import SR
from tests.http.side import ESME, SUPPLIER, Side

READ = read_firmware_version(SUPPLIER, ESME)


def lower(request: Request) -> Request:
    """With the RequestID in lower case, the rest as it is."""
    return replace(request, request_id=replace(request.request_id, text=str(request.request_id).lower()))


@pytest.mark.parametrize(
    ("given", "code"),
    [(read_inventory(SUPPLIER, ESME), "I0"), (READ, "I99"), (activate_firmware(SUPPLIER, ESME, bytes(32)), "I0")],
    ids=["8.2", "11.2", "11.3"],
)
async def test_lower_case_request_ids_are_taken_and_echoed_as_they_came(side: Side, given: Request, code: str) -> None:
    """Stock clients write the RequestID in lower case and EUIs in the body in upper case (wire_contract.md section 0 item 4)."""
    request = lower(side.stamped(given))
    answer = await side.ask(request)
    assert answer.code == code
    assert answer.request_id == str(request.request_id)
    assert answer.request_id == answer.request_id.lower()


async def test_pushes_echo_the_request_id_as_it_came(side: Side) -> None:
    request = lower(side.stamped(READ))
    assert (await side.ask(request)).code == "I99"
    assert await side.control.wait("messages", state="queued")
    (message,) = (await side.control.outbox())["messages"]
    assert message["request_id"] == str(request.request_id)
    assert f"<sr:RequestID>{request.request_id}</sr:RequestID>" in (await side.control.message(message["number"]))["xml"]


async def test_lower_case_in_the_body(side: Side) -> None:
    document = side.xml(read_inventory(SUPPLIER, ESME)).replace(
        b"00-DB-12-34-56-78-90-A0</sr:Dev", b"00-db-12-34-56-78-90-a0</sr:Dev"
    )
    assert (await side.ask(side.party().sign(document))).code == "I0"


@pytest.mark.parametrize("version", ["5.2", "5.1", "5.4", "5.40", "5", "99", "4.0"])
async def test_any_schema_version(side: Side, version: str) -> None:
    """Clients write 5.2 whatever the schema is (wire_contract.md section 0 item 4)."""
    document = side.xml(replace(READ, schema_version=version))
    assert f'schemaVersion="{version}"'.encode() in document
    assert (await side.ask(side.party().sign(document), "S")).code == "I99"


def unused_xsi(document: bytes) -> bytes:
    """As the stock tool has it; it counts in the digest."""
    return document.replace(b" schemaVersion=", b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" schemaVersion=')


def schema_location(document: bytes) -> bytes:
    """Where the schema lies is the reader's business."""
    location = f' xsi:schemaLocation="{SR} http://127.0.0.1:9/evil.xsd" schemaVersion='.encode()
    return unused_xsi(document).replace(b" schemaVersion=", location)


def default_namespace(document: bytes) -> bytes:
    """Without any prefix."""
    return document.replace(b"xmlns:sr=", b"xmlns=").replace(b"<sr:", b"<").replace(b"</sr:", b"</")


def another_prefix(document: bytes) -> bytes:
    """``x`` for ``sr``."""
    return document.replace(b"xmlns:sr=", b"xmlns:x=").replace(b"<sr:", b"<x:").replace(b"</sr:", b"</x:")


def pretty(document: bytes) -> bytes:
    """With white space between elements, signed as it is."""
    return re.sub(rb">(<(?!/sr:Read))", rb">\n  \1", document)


def short_tags(document: bytes) -> bytes:
    """``<a/>`` and ``<a></a>`` are the same."""
    return document.replace(b"<sr:ReadFirmwareVersion></sr:ReadFirmwareVersion>", b"<sr:ReadFirmwareVersion/>")


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "unused xmlns:xsi": unused_xsi,
    "schemaLocation": schema_location,
    "default namespace": default_namespace,
    "another prefix": another_prefix,
    "white space": pretty,
    "short tags": short_tags,
    "unused namespace": lambda document: document.replace(b" schemaVersion=", b' xmlns:a="urn:a" schemaVersion='),
    "single quotes": lambda document: document.replace(b'"', b"'"),
    "character references": lambda document: document.replace(b">11.2<", b">&#49;1.2<"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
async def test_forms_of_the_document(side: Side, form: Callable[[bytes], bytes]) -> None:
    document = form(side.xml(READ))
    assert document != side.xml(READ)
    assert (await side.ask(side.sign_otherwise(document), "S")).code == "I99"


@pytest.mark.parametrize("prefix", ["ds", "dsig", "ns3", ""])
async def test_prefixes_of_the_signature(side: Side, prefix: str) -> None:
    assert (await side.ask(side.sign_otherwise(side.xml(READ), prefix=prefix), "S")).code == "I99"


async def test_the_prefix_of_the_signature_declared_on_the_root(side: Side) -> None:
    document = side.xml(READ).replace(b" schemaVersion=", b' xmlns:ds="http://www.w3.org/2000/09/xmldsig#" schemaVersion=')
    assert (await side.ask(side.sign_otherwise(document), "S")).code == "I99"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"&#13;\n", b" ", b"\t"])
async def test_line_breaks_in_the_signature_value(side: Side, line_end: bytes) -> None:
    """The stock tool breaks after 76 characters and writes the carriage return as a reference (wire_contract.md 3.1)."""

    def broken(found: re.Match[bytes]) -> bytes:
        return found[1] + found[2][:76] + line_end + found[2][76:] + line_end

    document = re.sub(rb"(<ds:SignatureValue>)([^<]*)", broken, side.signed(READ))
    assert line_end + b"</ds:SignatureValue>" in document
    assert (await side.ask(document, "S")).code == "I99"


@pytest.mark.parametrize("issuer", [b"CN=Z1, OU=07", b" cn=Z1 , ou=07 "])
async def test_the_issuer_with_spaces(side: Side, issuer: bytes) -> None:
    """Templates have a space after the comma."""
    document = side.signed(READ)
    name = re.search(rb"<ds:X509IssuerName>([^<]*)", document)
    assert name
    written = issuer if name[1] == b"CN=Z1,OU=07" else name[1].replace(b",", b", ")
    assert (await side.ask(document.replace(name[0], b"<ds:X509IssuerName>" + written), "S")).code == "I99"


DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\xef\xbb\xbf" + DECLARATION,
        b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>',
        b"<?xml version='1.0' encoding='utf-8'?>\r\n",
        b'<?xml version="1.0"?>\n\n',
        DECLARATION + b"<!-- made by hand -->",
    ],
    ids=["nothing", "byte order mark", "standalone", "single quotes", "no encoding", "comment"],
)
async def test_beginnings(side: Side, start: bytes) -> None:
    document = side.signed(READ)
    assert document.startswith(DECLARATION)
    assert (await side.ask(document.replace(DECLARATION, start) + b"\r\n", "S")).code == "I99"
