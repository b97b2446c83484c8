"""The journal as an HTTP Archive (HAR 1.2): what went in at the DUIS services and what was pushed out, as HTTP exchanges.

Times are simulated, for a replay must not differ. An attempt at an endpoint that nobody answered has status 0, as HAR readers
expect it. ``_kind`` and ``_requestId`` are fields of our own, as HAR allows them: kind of the entry, and what it belongs to.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from emulator import __version__
from emulator.domain.tables import WEB_SERVICE
from emulator.duis.datetimes import format_datetime

_TYPE = "application/xml"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


async def har_pieces(pages: AsyncIterator[Iterable[Mapping[str, Any]]]) -> AsyncIterator[bytes]:
    """A HAR document, piece by piece, of the journal entries that carry a request or a push; others are left out."""
    log = {"version": "1.2", "creator": {"name": "dcc-csp-emulator", "version": __version__}, "entries": []}
    yield json.dumps({"log": log}).removesuffix("]}}").encode()
    comma = ""
    async for page in pages:
        for exchange in filter(None, map(_exchange, page)):
            yield (comma + json.dumps(exchange)).encode()
            comma = ","
    yield b"]}}"


def _exchange(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    if "request_xml" in entry:
        data = entry["data"]
        answered = str(entry.get("answer_xml", ""))
        url, status = f"http://duis.invalid/{_service(data)}", 200 if answered else 500
        return _entry(entry, url, str(entry["request_xml"]), status, answered)
    if "push_xml" in entry and str(entry["kind"]).startswith("push.") and entry["kind"] != "push.queued":
        data = entry["data"]
        return _entry(
            entry, str(data.get("url") or "http://endpoint.invalid/"), str(entry["push_xml"]), int(data.get("status") or 0), ""
        )
    return None


def _service(data: Mapping[str, Any]) -> str:
    named = str(data.get("service", ""))
    known = {str(service) for service in WEB_SERVICE.values()}
    return named if named in known else next(iter(sorted(known)))


def _entry(entry: Mapping[str, Any], url: str, sent: str, status: int, answered: str) -> dict[str, Any]:
    """One exchange with every field that HAR 1.2 requires."""
    return {
        "startedDateTime": format_datetime(int(entry["at_ms"])),
        "time": 0,
        "request": {
            "method": "POST", "url": url, "httpVersion": "HTTP/1.1", "cookies": [], "queryString": [],
            "headers": [{"name": "Content-Type", "value": _TYPE}], "headersSize": -1, "bodySize": len(sent.encode()),
            "postData": {"mimeType": _TYPE, "text": sent},
        },
        "response": {
            "status": status, "statusText": _REASONS.get(status, ""), "httpVersion": "HTTP/1.1", "cookies": [], "headers": [],
            "redirectURL": "", "headersSize": -1, "bodySize": len(answered.encode()),
            "content": {"size": len(answered.encode()), "mimeType": _TYPE, "text": answered},
        },
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "comment": str(entry["summary"]),
        "_requestId": entry["request_id"],
        "_kind": entry["kind"],
    }  # fmt: skip
