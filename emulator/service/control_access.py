"""Control operations on who may do what: grants, approvals, quarantine, thresholds; and on why something was decided."""

from emulator.domain.identifiers import format_eui
from emulator.service.control_models import ExplainQuery, NewApproval, NewGrant, NewThreshold
from emulator.service.explanation import explain
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route


def access_routes() -> list[Route]:
    """The table."""
    grants, quarantine, anomaly = f"{WORLD}/grants", f"{WORLD}/quarantine", f"{WORLD}/anomaly"
    held = f"{quarantine}/{{reference}}"
    return [
        Route(
            "GET",
            f"{WORLD}/explain",
            _explain,
            "Why a request was decided so, and what it waits for",
            "journal",
            query=ExplainQuery,
        ),
        Route("GET", grants, _grants, "What suppliers let agents do, and approvals", "access"),
        Route("PUT", grants, _put_grant, "Let an agent distribute firmware for a supplier", "access", body=NewGrant),
        Route("DELETE", f"{grants}/{{grant}}", _revoke, "End a grant now", "access"),
        Route("POST", f"{WORLD}/approvals", _approve, "Approve an image under a grant", "access", body=NewApproval, status=201),
        Route("GET", quarantine, _quarantine, "Requests that wait for an operator", "access"),
        Route("POST", f"{held}/release", _release, "Let a quarantined request go on", "access"),
        Route("DELETE", held, _delete, "Delete a quarantined request", "access"),
        Route("GET", anomaly, _anomaly, "Thresholds and what users have sent today", "access"),
        Route("PUT", anomaly, _put_threshold, "Set a threshold", "access", body=NewThreshold),
    ]


async def _explain(call: Call) -> Answer:
    request_id = call.given(ExplainQuery).request_id
    found = await explain(call.hosted, request_id)
    if found is None:
        raise ControlRefused(404, f"nothing is known of request {request_id[:100]!r}", where="request_id")
    return found


async def _grants(call: Call) -> Answer:
    return call.hosted.world.views.grants()


async def _put_grant(call: Call) -> Answer:
    values = call.given(NewGrant).model_dump(mode="json")
    return await call.carry_out("grant.put", **{**values, "agent": format_eui(values["agent"])})


async def _revoke(call: Call) -> Answer:
    return await call.carry_out("grant.revoke", grant=call.number("grant", "the number of a grant"))


async def _approve(call: Call) -> Answer:
    values = call.given(NewApproval).model_dump(mode="json")
    return await call.carry_out("grant.approve", **{**values, "devices": [format_eui(eui) for eui in values["devices"]]})


async def _quarantine(call: Call) -> Answer:
    return {"requests": call.hosted.world.views.quarantine()}


async def _release(call: Call) -> Answer:
    return await call.carry_out("quarantine.release", reference=_reference(call))


async def _delete(call: Call) -> Answer:
    return await call.carry_out("quarantine.delete", reference=_reference(call))


def _reference(call: Call) -> int:
    return call.number("reference", "the reference of a quarantined request")


async def _anomaly(call: Call) -> Answer:
    return call.hosted.world.views.anomaly()


async def _put_threshold(call: Call) -> Answer:
    return await call.carry_out("anomaly.threshold", **call.given(NewThreshold).model_dump())
