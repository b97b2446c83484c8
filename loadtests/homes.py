"""An estate with many homes like the first of the default one, so that load is spread over devices."""

import copy
import tomllib
from dataclasses import dataclass
from typing import Any

from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.estate.declaration import default_estate_toml
from emulator.scenarios.toml_text import to_toml

SUPPLIER = parse_eui("90-B3-D5-1F-30-01-00-00")
NETWORK_OPERATOR = parse_eui("90-B3-D5-1F-30-02-00-00")
HUB, GPF, ESME, GSME = (parse_eui(f"00-DB-12-34-56-78-90-{last}") for last in ("A2", "A3", "A0", "A1"))
"""Those of the first home of the default estate."""
COPIED = ("CHF", "GPF", "ESME", "GSME")
STEP = 1 << 24
"""Between the EUIs of one home and the next."""


@dataclass(frozen=True, slots=True)
class Home:
    """The devices of one home that load goes to."""

    hub: Eui64
    esme: Eui64
    gsme: Eui64


def home(number: int) -> Home:
    """Home ``number``, from 0 for the first of the default estate."""
    return Home(*(Eui64(eui + number * STEP) for eui in (HUB, ESME, GSME)))


def estate(homes: int) -> str:
    """The default estate with copies of its first home, so that there are ``homes`` like that one."""
    document = tomllib.loads(default_estate_toml())
    first = document["homes"][0]
    kept = [device for device in first["devices"] if device["type"] in COPIED]
    held = {device[name] for device in kept for name in ("import_mpxn", "export_mpan") if name in device}
    registered = [row for row in document["registrations"] if row["mpxn"] in held]
    for number in range(1, homes):
        another: dict[str, Any] = {key: value for key, value in first.items() if key not in ("devices", "uprn")}
        another |= {"name": f"{first['name']}-{number}", "devices": copy.deepcopy(kept)}
        for device in another["devices"]:
            device["eui"] = _eui(device["eui"], number)
            device["joined_to"] = [_eui(each, number) for each in device.get("joined_to", [])]
            for name in ("import_mpxn", "export_mpan"):
                if name in device:
                    device[name] = _mpxn(device[name], number)
        document["homes"].append(another)
        document["registrations"] += [{**row, "mpxn": _mpxn(row["mpxn"], number)} for row in registered]
    return to_toml(document)


def _eui(text: str, number: int) -> str:
    return format_eui(parse_eui(text) + number * STEP)


def _mpxn(text: str, number: int) -> str:
    """Another one of the same length that no home of the default estate has."""
    return f"{int(text) + 10_000 * number:0{len(text)}d}"
