"""Verbs about what stands in homes and between them: products, power, hubs, networks, faults."""

import base64
from dataclasses import replace
from typing import Any

from emulator.controls.params import (
    Params,
    device_of,
    eui_of,
    hexadecimal,
    instant,
    only,
    take,
    text,
    word,
)
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui
from emulator.domain.settings import DAY_MS
from emulator.domain.vocabulary import CplStatus, CspRegion, DeviceType, RemotePartyRole
from emulator.dsp.audit import Entry
from emulator.dsp.state import Premises as Place
from emulator.dsp.versions import product_changed
from emulator.engine import Engine
from emulator.estate.model import CplEntry
from emulator.gbcs.usecases import parse_version
from emulator.simulation.faults import KINDS, read_fault

MAX_GBCS_BYTES = 65_535
"""Longest Command that can be delivered by hand; ours, far above every use case."""
MAX_ADDRESS = 30
"""Characters of an AddressIdentifier (duis.md 7.3, certain)."""
MAX_CHANNELS = 1_000_000
"""Most images that a pool may send at a time; ours."""


def cpl_put(engine: Engine, params: Params) -> dict[str, Any]:
    """Add a row to the Central Products List or change its status; devices are suspended or restored accordingly."""
    only(params, "type", "manufacturer", "model", "firmware_version", "status", "image_hash", "gbcs_version")
    entry = CplEntry(
        device_type=word(params, "type", DeviceType),
        manufacturer=hexadecimal(params, "manufacturer", 4).upper(),
        model=hexadecimal(params, "model", 8).upper(),
        firmware_version=hexadecimal(params, "firmware_version", 8).upper(),
        status=word(params, "status", CplStatus, CplStatus.ACTIVE.value),
        image_hash=hexadecimal(params, "image_hash", 64, "").lower(),
        gbcs_version=_gbcs_version(params),
    )
    for name in ("manufacturer", "model", "firmware_version"):
        if not params[name]:
            raise Malformed(f"{name} is empty", where=name, expected="hexadecimal digits")
    known = engine.state.dsp.cpl.get((entry.device_type, entry.manufacturer, entry.model, entry.firmware_version))
    if known is not None:
        entry = replace(
            known,
            status=entry.status,
            image_hash=entry.image_hash or known.image_hash,
            gbcs_version=entry.gbcs_version if params.get("gbcs_version") else known.gbcs_version,
        )
    engine.context.lookup.put_product(entry)
    engine.context.audit(
        Entry(
            kind="control",
            outcome="product listed",
            reason=f"{entry.device_type} {entry.manufacturer}/{entry.model}",
            version=entry.firmware_version,
            image_hash=entry.image_hash,
            before="" if known is None else f"status {known.status}",
            after=f"status {entry.status}",
        )
    )
    product_changed(engine.context, entry)
    return {"firmware_version": entry.firmware_version, "status": entry.status.value}


def _gbcs_version(params: Params) -> str:
    value = text(params, "gbcs_version", "4.2")
    if not parse_version(value):
        raise Malformed(f"gbcs_version is {value!r}", where="gbcs_version", expected="numbers and dots such as 4.2")
    return str(value)


def device_power(engine: Engine, params: Params) -> dict[str, Any]:
    """Switch a device or hub on or off."""
    only(params, "device", "on")
    eui = device_of(engine, params)
    on = take(params, "on", bool)
    engine.premises.power(eui, on, engine.now_ms)
    return {"device": format_eui(eui), "on": on}


def device_deliver(engine: Engine, params: Params) -> dict[str, Any]:
    """Hand a device a Command on the spot, as an installer's terminal does with one that was handed out for local delivery."""
    only(params, "device", "gbcs")
    eui, given = eui_of(params, "device"), take(params, "gbcs", str)
    try:
        octets = base64.b64decode("".join(given.split()), validate=True)
    except ValueError:
        raise Malformed("gbcs is not base64", where="gbcs", expected="the GBCSPayload of a LocalCommand") from None
    if not 0 < len(octets) <= MAX_GBCS_BYTES:
        raise Malformed(f"gbcs has {len(octets)} octets", where="gbcs", expected=f"1 to {MAX_GBCS_BYTES} octets")
    answer = engine.premises.deliver(eui, octets, engine.now_ms)
    return {"device": format_eui(eui), "response": None if answer is None else base64.b64encode(answer).decode()}


def device_credit(engine: Engine, params: Params) -> dict[str, Any]:
    """What a customer does at a meter or its display: type a UTRN in, or buy one for some pence first; with neither, take the
    emergency credit."""
    only(params, "device", "utrn", "pence")
    eui, digits = device_of(engine, params), text(params, "utrn", "")
    pence = take(params, "pence", int, 0)
    if digits and pence:
        raise Malformed("there are both utrn and pence", where="utrn", expected="one of them")
    if pence:
        digits = engine.premises.issue_token(eui, pence)
    taken = engine.premises.customer(eui, digits or None, engine.now_ms)
    return {"device": format_eui(eui), "utrn": digits or None, "taken": taken}


def device_event(engine: Engine, params: Params) -> dict[str, Any]:
    """Let something happen at a device that has an alert code: tampering, a flat battery, a lost message."""
    only(params, "device", "code")
    eui, code = device_of(engine, params), hexadecimal(params, "code", 4)
    engine.premises.happens(eui, int(code, 16), engine.now_ms)
    return {"device": format_eui(eui), "code": code.upper()}


def device_boost(engine: Engine, params: Params) -> dict[str, Any]:
    """The customer presses the boost button of an electricity meter for some minutes."""
    only(params, "device", "minutes")
    eui, minutes = device_of(engine, params), take(params, "minutes", int)
    engine.premises.boost(eui, minutes, engine.now_ms)
    return {"device": format_eui(eui), "minutes": minutes}


def hub_update(engine: Engine, params: Params) -> dict[str, Any]:
    """Send a hub firmware of its own, as its CSP does; the HAN is down while it restarts (ota.md 9). Where ``duration_ms`` is not
    given, it takes as long to come as the hub's technology says."""
    only(params, "hub", "version", "gbcs_version", "duration_ms")
    hub, version = eui_of(params, "hub"), hexadecimal(params, "version", 8)
    gbcs_version = text(params, "gbcs_version", "")
    duration_ms = take(params, "duration_ms", int, engine.csp.hub_update_ms(hub))
    if not 1_000 <= duration_ms <= 31 * DAY_MS:
        raise Malformed(f"duration_ms is {duration_ms}", where="duration_ms", expected="one second to 31 days, in milliseconds")
    if gbcs_version and not parse_version(gbcs_version):
        raise Malformed(f"gbcs_version is {gbcs_version!r}", where="gbcs_version", expected="numbers and dots such as 4.2")
    if not engine.premises.update_hub(hub, int(version, 16), gbcs_version, duration_ms, engine.now_ms):
        raise Malformed(f"{format_eui(hub)} is not a hub", where="hub", expected="the EUI of a CHF that is there")
    return {"hub": format_eui(hub), "version": version.upper()}


def network_capacity(engine: Engine, params: Params) -> dict[str, Any]:
    """Change how many images a pool sends at a time: sessions, or channels of a radio cell or of all cells."""
    only(params, "pool", "channels", "cell")
    pool, cell = text(params, "pool"), take(params, "cell", int, -1)
    channels = take(params, "channels", int)
    if not 0 <= channels <= MAX_CHANNELS:
        raise Malformed(f"channels is {channels}", where="channels", expected=f"0 to {MAX_CHANNELS}")
    engine.premises.set_capacity(pool, channels, cell, engine.now_ms)
    return {"pool": pool, "channels": channels}


def network_outage(engine: Engine, params: Params) -> dict[str, Any]:
    """Let no image through in a pool, or in one of its cells, until an instant; one that is past ends that."""
    only(params, "pool", "until_ms", "cell")
    pool, cell = text(params, "pool"), take(params, "cell", int, -1)
    until_ms = instant(params, "until_ms")
    engine.premises.set_outage(pool, until_ms, cell, engine.now_ms)
    return {"pool": pool, "until_ms": until_ms}


def device_fit(engine: Engine, params: Params) -> dict[str, Any]:
    """Fit a pre-notified device in the home of a hub, as an installer would; it joins once the hub's log lists it.

    A pre-notified hub, with its GPF, takes the place of the one that is named, which loses its power; with ``home`` it begins a
    home where none was.
    """
    only(params, "device", "hub", "home", "supplier", "network_operator")
    eui, hub = eui_of(params, "device"), eui_of(params, "hub", None)
    holders = {
        "supplier": _party(engine, params, "supplier", RemotePartyRole.SUPPLIER),
        "network_operator": _party(engine, params, "network_operator", RemotePartyRole.NETWORK_OPERATOR),
    }
    begun = take(params, "home", dict, None)
    if (begun is None) == (hub is None):
        raise Malformed("it is not said where", where="hub", expected="one of hub, in whose home, and home, for a new one")
    entry = engine.logistics.entries.entry(eui)
    if entry is None:
        raise Malformed(f"{format_eui(eui)} is not in the inventory", where="device", expected="a device notified by 12.2")
    if entry.device_type is DeviceType.GPF:
        raise Malformed("a GPF is not fitted by itself", where="device", expected="its hub, or another device")
    if begun is not None:
        if entry.device_type is not DeviceType.CHF:
            raise Malformed(f"{format_eui(eui)} is a {entry.device_type}", where="device", expected="a hub, which begins a home")
        engine.logistics.homes.begin(entry, read_place(engine, begun, eui), **holders)
        return {"device": format_eui(eui), "hub": format_eui(eui)}
    home = engine.state.dsp.premises.get(hub)
    if home is None:
        raise Malformed(f"{format_eui(hub)} is not a hub", where="hub", expected="the EUI of a CHF of the estate")
    engine.logistics.homes.fit(entry, home, **holders)
    return {"device": format_eui(eui), "hub": format_eui(hub)}


def _party(engine: Engine, params: Params, name: str, role: RemotePartyRole) -> Eui64 | None:
    """A party whose certificates a device holds."""
    eui: Eui64 | None = eui_of(params, name, None)
    if eui is not None and eui not in {p.eui for p in engine.state.estate.parties if p.remote_party_role is role}:
        called = name.replace("_", " ")
        raise Malformed(f"{format_eui(eui)} is not a {called}", where=name, expected=f"the EUI of a {called}")
    return eui


def read_place(engine: Engine, params: Params, hub: Eui64) -> tuple[Place, str]:
    """Where a home begins, and the WAN technology that reaches it, empty where that follows from the hub."""
    only(params, "region", "technology", "connectivity", "uprn", "post_code", "address_identifier")
    technology = text(params, "technology", "")
    if technology and technology not in engine.csp.technologies:
        known = ", ".join(engine.csp.technologies)
        raise Malformed(f"there is no WAN technology {technology!r}", where="technology", expected=f"one of {known}")
    uprn, post_code = take(params, "uprn", int, None), text(params, "post_code", "")
    if uprn is not None and not 0 < uprn < 10**12:
        raise Malformed(f"uprn is {uprn}", where="uprn", expected="1 to 12 digits")
    if post_code and not 6 <= len(post_code) <= 8:
        raise Malformed(f"post_code is {post_code[:20]!r}", where="post_code", expected="6 to 8 characters")
    address, connectivity = text(params, "address_identifier", ""), text(params, "connectivity", "Cellular")
    if len(address) > MAX_ADDRESS:
        raise Malformed(
            "address_identifier is too long", where="address_identifier", expected=f"at most {MAX_ADDRESS} characters"
        )
    region = word(params, "region", CspRegion)
    return Place(hub, region, uprn, post_code, address, connectivity=connectivity), technology


def fault_add(engine: Engine, params: Params) -> dict[str, Any]:
    """Plan a fault (docs/reference/faults.md); ``matches`` says how many hubs, devices or users it can hit as things stand."""
    entry = read_fault(params, engine.now_ms)
    engine.entities.check(entry)
    matches = engine.faults.selected(entry, engine.entities.population(KINDS[entry.kind].subject))
    if not matches and entry.who.share is not None and entry.who == entry.who.lasting(share=True):
        detail = f"with this seed the share takes nobody: {entry.who}"
        raise Malformed(detail, where="who.share", expected="a larger share, or more to take it of")
    return {"fault": engine.faults.put(entry), "matches": matches}


def fault_remove(engine: Engine, params: Params) -> dict[str, Any]:
    """Take a fault back; without ``fault`` all of them."""
    only(params, "fault")
    number = take(params, "fault", int, None)
    if number is None:
        engine.faults.clear()
    elif not engine.faults.remove(number):
        raise Malformed(f"there is no fault {number}", where="fault", expected="the number of a planned fault")
    return {"fault": number}
