"""What an operator says of firmware over the air: a feature is released or backed out with jobs on their way (reference S-20,
Q7-71), versions have an order (S-42)."""

from collections.abc import Mapping
from typing import Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.dsp.audit import Entry
from emulator.dsp.context import Context
from emulator.dsp.job_states import BEFORE_HUB
from emulator.dsp.jobs import delivered, is_open
from emulator.dsp.releases import RELEASED_TYPES, Feature
from emulator.dsp.state import Job
from emulator.dsp.upgrade_paths import put_path, read_path

JOBS = ("cancel", "let_run")
"""What becomes of jobs whose image is not at its hub yet when their feature is backed out."""


def switch(context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """Release a feature or back it out; raise :class:`Malformed` naming the parameter that is wrong.

    ``feature`` and ``on``; for that of hubs also ``firmware_version``; ``jobs`` in place of the setting ``on_back_out``.
    """
    known = ("feature", "on", "firmware_version", "jobs")
    for name in params:
        if name not in known:
            raise Malformed(f"{str(name)[:40]!r} is not a parameter", where=str(name)[:40], expected=f"one of {', '.join(known)}")
    feature, on, version = _feature(params.get("feature")), params.get("on"), params.get("firmware_version")
    if not isinstance(on, bool):
        raise Malformed(f"on is {str(on)[:40]!r}", where="on", expected="true or false")
    jobs = params.get("jobs") or context.settings.on_back_out
    if jobs not in JOBS:
        raise Malformed(f"jobs is {str(jobs)[:40]!r}", where="jobs", expected=" or ".join(JOBS))
    state = context.state.releases
    if feature is Feature.HUB:
        state.hub_versions[_version(version)] = on
    elif version:
        raise Malformed(f"{feature} has no versions", where="firmware_version", expected=f"nothing, or feature {Feature.HUB}")
    else:
        state.switched[feature.value] = on
    context.audit(
        Entry("control", "released" if on else "backed out", reason=feature.value, version=str(version or ""), after=jobs)
    )
    ended = 0 if on or jobs == "let_run" else _end_jobs(context, feature, str(version or "").upper())
    return {"feature": feature.value, "on": on, "ended_jobs": ended}


def put_upgrade_path(context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """Say from which versions one of a model may be reached; from none takes the rule away."""
    path = read_path(params, "upgrade_path")
    put_path(context.state.upgrade_paths, path)
    reached = f"from {' '.join(path.from_versions) or 'any'}"
    context.audit(Entry("control", "upgrade path", reason="/".join(path.key), version=path.firmware_version, after=reached))
    return {"firmware_version": path.firmware_version, "from_versions": list(path.from_versions)}


def _feature(value: object) -> Feature:
    try:
        return Feature(str(value))
    except ValueError:
        detail = f"there is no feature {str(value)[:40]!r}"
        raise Malformed(detail, where="feature", expected=", ".join(Feature)) from None


def _version(value: object) -> str:
    if isinstance(value, str) and len(value) == 8 and set(value) <= set("0123456789ABCDEFabcdef"):
        return value.upper()
    raise Malformed(f"{str(value)[:40]!r} is no version", where="firmware_version", expected="eight hexadecimal digits")


def _end_jobs(context: Context, feature: Feature, version: str) -> int:
    """Images that are not at their hub do not get there any more, and their requesters hear so; the others run on, and end at
    last by silence. Returns how many jobs ended."""
    concerned = [
        job for job in context.state.jobs.values() if job.state in BEFORE_HUB and _concerns(context, job, feature, version)
    ]
    for job in concerned:
        context.csp.cancel(str(job.key), context.now_ms)
        delivered(context, str(job.key), False, f"{feature} was backed out")
    return sum(not is_open(job) for job in concerned)


def _concerns(context: Context, job: Job, feature: Feature, version: str) -> bool:
    device = context.state.inventory.get(job.device)
    if feature is Feature.SERVICE:
        return context.state.firmware_requests[job.request].service_reference_variant == "11.4"
    if device is None or device.device_type not in RELEASED_TYPES:
        return False
    hub = context.state.inventory.get(Eui64(job.hub))
    return feature is not Feature.HUB or (hub is not None and hub.firmware_version == version)
