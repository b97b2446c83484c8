"""Verbs about users, registrations and the parties that devices trust."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from typing import Any

from emulator.controls.params import (
    MAX_URL,
    Params,
    audit,
    device_of,
    eui_of,
    instant,
    only,
    take,
    text,
    user_of,
    word,
)
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.domain.limits import MAX_REGISTRATION_CSV_CHARACTERS
from emulator.domain.vocabulary import RemotePartyRole, UserRole
from emulator.dsp.audit import Entry
from emulator.duis.datetimes import format_datetime
from emulator.engine import Engine
from emulator.estate.model import Registration
from emulator.estate.registration_csv import read_tenures, registrations_of
from emulator.estate.registrations import FOREVER_MS


def user_endpoint(engine: Engine, params: Params) -> dict[str, Any]:
    """Set where a user's pushes go; an empty ``url`` holds them back."""
    only(params, "user", "url")
    user = user_of(engine, params)
    url = take(params, "url", str)
    if not (url.isprintable() and len(url) <= MAX_URL):
        raise Malformed(f"url is {url[:60]!r}", where="url", expected=f"at most {MAX_URL} printable characters")
    user.endpoint = url
    return {"user": format_eui(user.eui), "url": user.endpoint}


def user_status(engine: Engine, params: Params) -> dict[str, Any]:
    """Suspend a user (E3) or make it active again."""
    only(params, "user", "active")
    user = user_of(engine, params)
    user.active = take(params, "active", bool)
    audit(engine, "control", "user active" if user.active else "user suspended", user.name, user=format_eui(user.eui))
    return {"user": format_eui(user.eui), "active": user.active}


def registration_put(engine: Engine, params: Params) -> dict[str, Any]:
    """Register a party for an MPxN and role from an instant on; whoever held it until then ends there.

    With ``to_ms`` nobody holds it from then on.
    """
    only(params, "mpxn", "role", "party", "from_ms", "to_ms")
    entry = Registration(
        mpxn=text(params, "mpxn"),
        role=word(params, "role", UserRole),
        party=text(params, "party"),
        from_ms=instant(params, "from_ms", engine.now_ms),
        to_ms=instant(params, "to_ms", None),
    )
    _register(engine, [entry], Entry("registration", "registered", mpxn=entry.mpxn, role=entry.role.value))
    return asdict(entry)


def registration_load(engine: Engine, params: Params) -> dict[str, Any]:
    """Register parties from the text of a CSV file, all or none (docs/reference/registration.md)."""
    only(params, "csv")
    text = take(params, "csv", str)
    if len(text) > MAX_REGISTRATION_CSV_CHARACTERS:
        limit = f"at most {MAX_REGISTRATION_CSV_CHARACTERS} characters; the registration_file of an estate has room for more"
        raise Malformed(f"csv has {len(text)} characters", where="csv", expected=limit)
    parties = engine.state.dsp.registrations.parties
    tenures = read_tenures(BytesIO(text.encode("utf-8", "replace")), parties, source="csv")
    entries = registrations_of(tenures, parties)
    record = Entry(
        kind="registration",
        outcome="loaded",
        reason=f"{len(entries)} registrations",
        file_hash=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(),
    )
    return {"registrations": len(entries), "mpxns": _register(engine, entries, record)}


def _register(engine: Engine, entries: Sequence[Registration], record: Entry) -> int:
    """Put registrations, with one record whatever their number, and have the DSP act on each change of party when it comes."""
    now_ms, store, agenda = engine.now_ms, engine.state.dsp.registrations, engine.state.agenda
    if record.mpxn:
        (only,) = entries
        held = store.party_for(only.mpxn, only.role, only.from_ms)
        before = "" if held is None else store.parties[held]
        record = record._replace(before=before, after=f"{only.party} {_span(only)}")
    count = store.put(entries)
    engine.context.audit(record)
    mpxns = sorted({entry.mpxn for entry in entries})
    for mpxn in mpxns:
        agenda.schedule(now_ms, "dsp.registration", mpxn)
    for at_ms, mpxn in sorted({(change.at_ms, change.mpxn) for change in store.changes(now_ms, FOREVER_MS, mpxns)}):
        agenda.schedule(at_ms, "dsp.registration", mpxn)
    return count


def _span(entry: Registration) -> str:
    until = "" if entry.to_ms is None else f" to {format_datetime(entry.to_ms)}"
    return f"from {format_datetime(entry.from_ms)}{until}"


def device_credentials(engine: Engine, params: Params) -> dict[str, Any]:
    """Put another supplier's certificates into a device, as a completed 6.23 would."""
    only(params, "device", "party")
    eui, party = device_of(engine, params), eui_of(params, "party")
    user = engine.state.dsp.users.get(party)
    if user is None or user.remote_party_role is not RemotePartyRole.SUPPLIER:
        raise Malformed(f"{format_eui(party)} is not a supplier", where="party", expected="the User ID of a supplier")
    entry = engine.state.dsp.inventory.get(eui)
    before = "" if entry is None or entry.supplier is None else format_eui(entry.supplier)
    engine.premises.set_credential(eui, RemotePartyRole.SUPPLIER, party, engine.now_ms)
    if entry is not None:
        entry.supplier = party
    engine.context.audit(
        Entry("control", "credentials", device=format_eui(eui), user=format_eui(party), before=before, after=format_eui(party))
    )
    return {"device": format_eui(eui), "party": format_eui(party)}
