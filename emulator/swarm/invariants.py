"""What must be true of every world, whatever happens in it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from emulator.client import requests
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import DeviceType, UserRole
from emulator.dsp.audit import verify
from emulator.duis.messages import ServiceResponse
from emulator.estate.model import DeviceDefinition
from emulator.swarm.play import Asked, Play, calm_down, numbered

ANSWERED_LATER = ("11.2", "11.3")
"""Services whose acknowledgement promises a result."""
DISTRIBUTIONS = ("11.1", "11.4")
LOSSES = ("dsp.loses_message",)
"""Faults that take a result from its user, as they are told to."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that does not hold."""

    invariant: str
    detail: str


def store_within_capacity(play: Play) -> Iterator[Broken]:
    """No hub holds more than it can."""
    for home in play.estate.homes:
        state = play.world.engine.premises.describe(home.hub, play.now_ms) or {}
        store = state.get("image_store", {})
        for unit in ("bytes", "images"):
            used, capacity = store.get(f"used_{unit}"), store.get(f"capacity_{unit}")
            if used is not None and capacity is not None and used > capacity:
                yield Broken("store within capacity", f"hub {format_eui(home.hub)} holds {used} of {capacity} {unit}")


def jobs_are_authorised(play: Play, asked: Asked) -> Iterator[Broken]:
    """A distribution makes jobs only for devices of which its sender is the responsible supplier at that moment."""
    request = asked.request
    if request.service_reference_variant not in DISTRIBUTIONS:
        return
    party = next(each.party for each in play.estate.parties if each.eui == asked.sender)
    jobs = play.world.views.jobs(request_id=str(request.request_id)).items
    for job in (job for entry in jobs for job in entry["jobs"]):
        device = next(each for each in play.devices() if each.eui == parse_eui(job["device"]))
        if party not in responsible(play, device):
            yield Broken("jobs are authorised", f"{party} started a job for {job['device']}, which is not its device")
        if asked.answer.code.startswith("E"):
            yield Broken("jobs are authorised", f"a request refused with {asked.answer.code} started a job for {job['device']}")


def responsible(play: Play, device: DeviceDefinition) -> set[str | None]:
    """The companies that may update a device now: its meter's supplier; for a PPMID of any meter of the home."""
    home = next(home for home in play.estate.homes if home.hub == device.hub)
    mpxns = {each.device_type: each.import_mpxn for each in home.devices}
    electricity = play.registered.get((mpxns.get(DeviceType.ESME, ""), UserRole.IS.value))
    gas = play.registered.get((mpxns.get(DeviceType.GSME) or mpxns.get(DeviceType.GPF, ""), UserRole.GS.value))
    if device.device_type is DeviceType.PPMID:
        return {electricity, gas} - {None}
    if device.device_type is DeviceType.GSME:
        return {gas} - {None}
    if device.device_type is DeviceType.HCALCS and play.world.engine.context.settings.hcalcs_responsible == "meters":
        return {electricity, gas} - {None}
    return {electricity} - {None}


def nothing_acknowledged_is_lost(play: Play) -> Iterator[Broken]:
    """Every acknowledged request to a device has exactly one result by the end, or says what it waits for."""
    results = Counter(
        str(delivery.message.request_id).lower() for delivery in play.deliveries if isinstance(delivery.message, ServiceResponse)
    )
    lost = {entry.device for entry in play.journal if entry.kind == "fault" and any(kind in entry.summary for kind in LOSSES)}
    repeated = {entry.device for entry in play.journal if entry.kind == "fault" and "repeats_message" in entry.summary}
    for asked in play.asked:
        request = asked.request
        if asked.answer.code != "I99" or request.service_reference_variant not in ANSWERED_LATER:
            continue
        count, target = results[str(request.request_id).lower()], request.request_id.target
        if count == 0 and target not in lost and not _waits(play, request.request_id):
            yield Broken(
                "nothing acknowledged is lost", f"{request.service_reference_variant} {request.request_id} has no result"
            )
        if count > 1 and target not in repeated:
            yield Broken(
                "nothing acknowledged is lost", f"{request.service_reference_variant} {request.request_id}: {count} results"
            )


def _waits(play: Play, request_id: object) -> bool:
    open_ = play.world.views.transactions(request_id=str(request_id)).items
    return any(each["waiting_for"] for each in open_)


def jobs_end_or_say_what_they_wait_for(play: Play) -> Iterator[Broken]:
    """By the end every firmware job is over, or says what it waits for."""
    for entry in play.world.views.jobs().items:
        for job in entry["jobs"]:
            if job["open"] and not job["waiting_for"]:
                yield Broken(
                    "jobs end or say what they wait for", f"job of {job['device']} is {job['state']} and waits for nothing"
                )


def inventory_agrees_after_reads(play: Play) -> Iterator[Broken]:
    """Once nothing goes wrong any more, a read of every sound device gives the version that it runs, to the inventory too."""
    calm_down(play)
    wanted: list[tuple[Eui64, str]] = []
    for device in play.devices():
        parties = sorted(str(party) for party in responsible(play, device))
        senders = [each.eui for each in play.estate.parties if each.party in parties and UserRole.IS in each.roles]
        if senders and _sound(play, device.eui):
            request = numbered(play, requests.read_firmware_version(senders[0], device.eui))
            if play.submit(request).code == "I99":
                wanted.append((device.eui, str(request.request_id)))
    play.settle()
    results = {
        str(each.message.request_id).lower(): each.message.code
        for each in play.deliveries
        if isinstance(each.message, ServiceResponse)
    }
    for eui, request_id in wanted:
        code, found = results.get(request_id.lower()), play.world.views.device(eui)
        assert found is not None
        running, listed = found["state"]["running_version"], found["inventory"]["firmware_version"]
        if code != "I0":
            yield Broken("inventory agrees after reads", f"{format_eui(eui)} is sound and answered {code or 'nothing'}")
        elif running.upper() != listed.upper():
            yield Broken("inventory agrees after reads", f"{format_eui(eui)} runs {running}, the inventory has {listed}")


def _sound(play: Play, eui: Eui64) -> bool:
    """Whether a device can be expected to answer: powered, on the HAN, alive, and nothing has silenced it."""
    rows = play.world.engine.premises.rows
    home = next(home for home in play.estate.homes if any(device.eui == eui for device in home.devices))
    up = rows.powered(eui) and rows.on_han(eui) and rows.hub_powered(home.hub)
    return up and not rows.dead(eui) and not rows.silent(eui) and not rows.restarting(eui)


def audit_is_whole(play: Play) -> Iterator[Broken]:
    """The chain of audit records is whole and ends where the world says."""
    audit = play.world.engine.state.dsp.audit
    found = verify(play.audit, expected_end=(audit.number, audit.digest))
    if found is not None:
        yield Broken("audit is whole", str(found))
