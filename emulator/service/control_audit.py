"""Control operations on the audit trail: questions, verification, export."""

from emulator.domain.identifiers import format_eui
from emulator.dsp.audit import Query
from emulator.service.audit_trail import export_lines, verify_trail
from emulator.service.control_models import AuditParameters
from emulator.service.persistence.contract import AuditQuery
from emulator.service.persistence.device_lists import unpack
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route
from emulator.service.streaming import streamed


def audit_routes() -> list[Route]:
    """The table."""
    audit, tag = f"{WORLD}/audit", "audit"
    return [
        Route("GET", audit, _audit, "Who did what, for whom, with what outcome", tag, query=AuditParameters),
        Route("GET", f"{audit}/verify", _verify, "Whether the chain of records is whole; the first broken one", tag),
        Route(
            *("GET", f"{audit}/export", _export, "The whole trail, one JSON object a line, to be verified elsewhere", tag),
            media_type="application/x-ndjson",
        ),
        Route("GET", f"{audit}/lists/{{digest}}", _list, "The devices that a record names by a digest", tag),
    ]


def _audit_query(wanted: AuditParameters) -> AuditQuery:
    return AuditQuery(
        Query(
            device="" if wanted.device is None else format_eui(wanted.device),
            user="" if wanted.user is None else format_eui(wanted.user),
            request_id=wanted.request_id or "",
            kind=wanted.kind or "",
            variant=wanted.variant or "",
            image_hash=(wanted.image_hash or "").lower(),
            from_ms=wanted.from_ms,
            to_ms=wanted.to_ms,
        ),
        after=wanted.after,
        before=wanted.before,
        limit=wanted.limit,
        newest_first=wanted.newest_first,
    )


async def _audit(call: Call) -> Answer:
    wanted = call.given(AuditParameters)
    records = await call.hosted.log.trail.records(_audit_query(wanted))
    last = records[-1].number if records else None
    return {
        "records": [record.as_json() for record in records],
        "next_after": None if wanted.newest_first else last,
        "next_before": last if wanted.newest_first else None,
    }


async def _verify(call: Call) -> Answer:
    end = await call.hosted.audit_end()
    return (await verify_trail(call.hosted.log.trail, end=end)).as_json()


async def _export(call: Call) -> Answer:
    end = await call.hosted.audit_end()
    async with streamed(call.request, "application/x-ndjson") as response:
        async for line in export_lines(call.hosted.log.trail, end):
            await response.write(line)
    return response


async def _list(call: Call) -> Answer:
    digest = call.path["digest"].lower()
    octets = await call.hosted.log.trail.device_list(digest)
    if octets is None:
        raise ControlRefused(404, f"there is no list {digest[:80]!r}", where="digest", expected="devices_digest of a record")
    return {"devices_digest": digest, "devices": unpack(octets)}
