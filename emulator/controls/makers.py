"""Verbs about what makers of devices do beside the DCC, and what they may tell it (reference ota.md 15; Q7-02, Q7-31, Q7-62)."""

from enum import StrEnum
from typing import Any

from emulator.controls.params import Params, device_of, hexadecimal, only, take, word
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.dsp.audit import Entry
from emulator.dsp.inventory import cpl_entry
from emulator.dsp.versions import version_announced
from emulator.engine import Engine
from emulator.premises.profiles import device_kind


class Way(StrEnum):
    """How a maker reaches a device."""

    INTERNET = "internet"
    LOCAL = "local"
    """At the device itself, with a cable or an application."""


class Outcome(StrEnum):
    """What came of a maker's update."""

    TAKEN = "taken"
    """The device runs it."""
    BANNED = "banned"
    """The policy ``local_upgrade`` does not let the maker, which obeyed."""
    SWITCHED_OFF = "switched off"
    """The firmware of the device does not take it any more (``local_upgrade_ends_at``)."""


_ALLOWED = {"allowed": frozenset(Way), "internet_only": frozenset({Way.INTERNET}), "banned": frozenset[Way]()}


def device_side_channel(engine: Engine, params: Params) -> dict[str, Any]:
    """Change what a combined PPMID/CAD runs, as its maker does over the internet or at the device: the DCC hears nothing of it.
    ``outcome`` says what came of it; a maker that goes ``against_policy`` does not ask whether it may."""
    only(params, "device", "version", "way", "against_policy")
    eui, version = device_of(engine, params), hexadecimal(params, "version", 8)
    way, against_policy = word(params, "way", Way, Way.INTERNET.value), take(params, "against_policy", bool, False)
    definition = engine.state.premises.devices[eui].definition
    if not device_kind(definition.profile, definition.device_type).side_channel:
        raise Malformed(f"{format_eui(eui)} has no side channel", where="device", expected="a device of profile PPMID-CAD or CAD")
    if way not in _ALLOWED[engine.context.settings.local_upgrade] and not against_policy:
        outcome = Outcome.BANNED
    elif engine.premises.makers_way_closed(eui):
        outcome = Outcome.SWITCHED_OFF
    else:
        engine.premises.side_channel(eui, int(version, 16), engine.now_ms)
        outcome = Outcome.TAKEN
    return {"device": format_eui(eui), "version": version.upper(), "outcome": outcome.value}


def device_announce_version(engine: Engine, params: Params) -> dict[str, Any]:
    """A maker tells the DCC which version a device runs now; the inventory follows a version on the firmware list."""
    only(params, "device", "version")
    eui, version = device_of(engine, params), hexadecimal(params, "version", 8).upper()
    entry = engine.state.dsp.inventory.get(eui)
    if entry is None:
        raise Malformed(f"{format_eui(eui)} is not in the inventory", where="device", expected="a device of the inventory")
    if not engine.context.settings.maker_announcements:
        raise Malformed("the DCC takes no announcements", where="device", expected="the setting dsp.maker_announcements")
    if cpl_entry(engine.context, entry, version) is None:
        detail = f"{version} of {entry.manufacturer}/{entry.model} is not on the firmware list"
        raise Malformed(detail, where="version", expected="a version of its model that is listed")
    before = entry.firmware_version
    version_announced(engine.context, entry, version)
    engine.context.audit(
        Entry(
            kind="control",
            outcome="version announced",
            device=format_eui(eui),
            version=version,
            before=f"version {before}",
            after=f"version {entry.firmware_version}",
        )
    )
    return {"device": format_eui(eui), "version": entry.firmware_version}
