"""Asking the SMKI repository for certificates (source of paths, elements and statuses: wire_contract.md section 5, measured)."""

import base64
import binascii
import ssl
from types import TracebackType

import aiohttp
from lxml import etree

from emulator.client.errors import BadAnswer, Rejected, Unreachable
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.duis.parse import parse_document
from emulator.pki.certificates import CertificateRecord, CertificateStatus, read_certificate
from emulator.pki.keystore import KeyStore

TIMEOUT_S = 4.0
"""What the stock client allows for one call."""

NOTHING_FOUND = 402
"""The HTTP status that stands for an empty result."""

BULK_PATH = "/assets/crypto/org-crypto.zip"
"""The organisations' certificates with their test keys."""


class SmkiClient:
    """A client of one SMKI repository. What it fetches goes into ``keys``."""

    def __init__(self, url: str, keys: KeyStore, *, timeout_s: float = TIMEOUT_S, tls: ssl.SSLContext | None = None) -> None:
        """``url`` is the root of the service; ``tls`` as :func:`emulator.client.tls.client_tls` makes it."""
        self._tls = tls
        self.url = url.rstrip("/")
        self.keys = keys
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._http: aiohttp.ClientSession | None = None
        self._asked: set[Eui64] = set()

    async def __aenter__(self) -> "SmkiClient":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def fetch(self, eui: Eui64) -> list[CertificateRecord]:
        """The certificates in use of a device; asked for once, then taken from the key store. An empty list when it has none."""
        if eui not in self._asked:
            for serial in await self.search(eui):
                record = await self.retrieve(serial)
                if record is not None:
                    self.keys.add(record)
            self._asked.add(eui)
        return self.keys.records(eui)

    async def search(self, eui: Eui64, *, organisation: bool = False) -> list[str]:
        """Serials, as the service writes them, of the certificates in use of a device or organisation."""
        name = "CertificateSubjectName" if organisation else "CertificateSubjectAltName"
        root = await self._call("certificatesearch", "CertificateSearchRequest", name, format_eui(eui).lower())
        if root is None:
            return []
        return [
            result.findtext("CertificateSerial", "")
            for result in root.findall("Result")
            if result.findtext("CertificateStatus") == CertificateStatus.IN_USE
        ]

    async def retrieve(self, serial: str) -> CertificateRecord | None:
        """The certificate with this serial (hexadecimal), or None."""
        root = await self._call("retrievecertificate", "CertificateDataRequest", "CertificateSerial", serial)
        body = None if root is None else root.findtext("CertificateResponse/CertificateBody")
        if body is None:
            return None
        try:
            return read_certificate(base64.b64decode("".join(body.split()), validate=True))
        except (binascii.Error, Malformed) as error:
            raise BadAnswer(f"the certificate with serial {serial} cannot be read: {error}") from error

    async def organisations_zip(self) -> bytes:
        """The archive of all organisations' certificates and test keys."""
        status, _, content = await self._http_call("GET", BULK_PATH, None)
        if status != 200:
            raise Rejected(status, content.decode("utf-8", "replace").strip()[:300])
        return content

    async def _call(self, path: str, root_name: str, field: str, value: str) -> etree._Element | None:
        question = etree.Element(root_name)
        etree.SubElement(question, field).text = value
        document = etree.tostring(question, encoding="utf-8", xml_declaration=True)
        status, media_type, content = await self._http_call("POST", f"/services/{path}", document)
        if status == NOTHING_FOUND:
            return None
        if status != 200:
            raise Rejected(status, content.decode("utf-8", "replace").strip()[:300])
        if media_type != "application/xml":
            raise BadAnswer(f"the SMKI service answered with media type {media_type!r}; expected 'application/xml'")
        try:
            return parse_document(content)
        except Malformed as error:
            raise BadAnswer(f"the SMKI service's answer cannot be read: {error}") from error

    async def _http_call(self, method: str, path: str, document: bytes | None) -> tuple[int, str, bytes]:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=self._timeout, connector=aiohttp.TCPConnector(ssl=self._tls or True))
        headers = {} if document is None else {"Content-Type": "application/xml"}
        try:
            async with self._http.request(method, self.url + path, data=document, headers=headers) as answer:
                return answer.status, answer.content_type, await answer.read()
        except TimeoutError as late:
            raise Unreachable(f"{self.url} did not answer within {self._timeout.total} s") from late
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{self.url}: {error}") from error
