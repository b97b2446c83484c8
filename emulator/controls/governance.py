"""Verbs about who may do how much: jobs, grants, thresholds, quarantine."""

from typing import Any

from emulator.controls.params import Params, audit, device_of, only, take
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.dsp import anomaly, grants
from emulator.dsp.audit import Entry
from emulator.dsp.device_lists import listing
from emulator.dsp.jobs import cancel_jobs, is_open
from emulator.engine import Engine


def job_cancel(engine: Engine, params: Params) -> dict[str, Any]:
    """Give up the firmware job that is open for a device."""
    only(params, "device")
    eui = device_of(engine, params)
    if not any(is_open(job) for job in engine.context.lookup.jobs_of(eui)):
        raise Malformed(f"{format_eui(eui)} has no open firmware job", where="device", expected="a device with an open job")
    cancel_jobs(engine.context, eui, "given up by the operator")
    engine.context.audit(Entry("control", "job cancelled", device=format_eui(eui)))
    return {"device": format_eui(eui)}


def grant_put(engine: Engine, params: Params) -> dict[str, Any]:
    """Let an agent distribute firmware for a supplier."""
    values = {name: value for name, value in params.items() if value is not None}
    grant = grants.put_grant(engine.state.dsp.grants, values, engine.now_ms)
    _audit_grant(engine, "granted", grant)
    return {"grant": grant.number}


def grant_revoke(engine: Engine, params: Params) -> dict[str, Any]:
    """End a grant now."""
    only(params, "grant")
    grant = grants.revoke(engine.state.dsp.grants, take(params, "grant", int), engine.now_ms)
    _audit_grant(engine, "revoked", grant)
    return {"grant": grant.number}


def grant_approve(engine: Engine, params: Params) -> dict[str, Any]:
    """Approve an image under a grant, for any list of devices or for one."""
    token = grants.approve(engine.state.dsp.grants, params)
    devices = listing(parse_eui(text) for text in params.get("devices") or ()).names
    engine.context.audit(
        Entry(
            kind="grant",
            outcome="approved",
            reason=f"approval {token.number} of {'one list of devices' if token.devices_digest else 'a version'}",
            acting_for=engine.state.dsp.grants.grants[token.grant].supplier,
            grant=str(token.grant),
            devices=len(devices),
            devices_digest=token.devices_digest,
            version=token.version,
            image_hash=token.image_hash,
        ),
        devices,
    )
    return {"approval": token.number}


def _audit_grant(engine: Engine, outcome: str, grant: grants.Grant) -> None:
    text = f"grant {grant.number} of {grant.supplier}"
    entry = Entry("grant", outcome, text, user=format_eui(grant.agent), acting_for=grant.supplier, grant=str(grant.number))
    engine.context.audit(entry._replace(after=grants.written(grant)) if outcome == "granted" else entry)


def anomaly_threshold(engine: Engine, params: Params) -> dict[str, Any]:
    """Set how much a user may send of a service in a day."""
    threshold = anomaly.read_threshold(params, "threshold")
    anomaly.put_threshold(engine.state.dsp.anomaly, threshold)
    audit(engine, "control", "threshold set", f"{threshold.variant}: {threshold.requests} requests, {threshold.devices} devices")
    return {"variant": threshold.variant}


def quarantine_release(engine: Engine, params: Params) -> dict[str, Any]:
    """Let a quarantined request go on."""
    only(params, "reference")
    reference = take(params, "reference", int)
    return {"reference": reference, "code": engine.dsp.release(reference)}


def quarantine_delete(engine: Engine, params: Params) -> dict[str, Any]:
    """Delete a quarantined request."""
    only(params, "reference")
    reference = take(params, "reference", int)
    engine.dsp.discard(reference)
    return {"reference": reference}
