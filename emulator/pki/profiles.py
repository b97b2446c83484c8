"""Certificate profiles: what each kind of certificate contains, read from ``certs/profiles.toml``.

The file is the project's data, so anything wrong in it is :class:`Broken`. Every fact in it cites its source and how sure it is.
"""

import tomllib
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from emulator.domain.errors import Broken
from emulator.domain.tables import Confidence


class ProfileName(StrEnum):
    """The kinds of certificate. A member's position is part of every serial number: append, never reorder."""

    ROOT = "root"
    ORGANISATION_AUTHORITY = "organisation-authority"
    DEVICE_AUTHORITY = "device-authority"
    ORGANISATION_DS = "organisation-ds"
    ORGANISATION_KA = "organisation-ka"
    ORGANISATION_PP_KA = "organisation-pp-ka"
    ORGANISATION_XML_SIGN = "organisation-xml-sign"
    DSP_XML_SIGN = "dsp-xml-sign"
    DEVICE_DS = "device-ds"
    DEVICE_KA = "device-ka"


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of the file, kept so that documentation and tests can cite it."""

    profiles: tuple[ProfileName, ...]
    field: str
    value: str | int
    source: tuple[str, ...]
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of certificate."""

    name: ProfileName
    issuer: ProfileName
    key_usage: str
    """The one purpose of the key, by its X.509 name: ``digitalSignature``, ``keyAgreement`` or ``keyCertSign``."""
    extensions: tuple[tuple[str, bool], ...]
    """X.509 name and criticality, in the order in which they are written."""
    policy: str
    """Object identifier of the certificate policy."""
    validity_days: int
    """0: until 9999-12-31T23:59:59Z."""
    role: int = -1
    """Remote Party Role in the subject; -1: the holder's own, or none for devices."""
    common_name: str = ""
    """Of an authority."""
    hardware_type: str = ""
    """Object identifier in the hardwareModuleName of a device."""
    entry_name: str = ""
    """Pattern of the name in key stores; empty for none."""
    holders: frozenset[int] = frozenset()
    """Remote Party Roles whose parties hold such a certificate."""


def profiles_path() -> Path:
    """The profile file: packaged in a wheel, else that of the checkout."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "_certs" / "profiles.toml"
    return packaged if packaged.is_file() else package.parent / "certs" / "profiles.toml"


@cache
def facts() -> tuple[Fact, ...]:
    """All rows of the file, checked."""
    try:
        document = tomllib.loads(profiles_path().read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Broken(f"certificate profiles cannot be read: {error}") from error
    if document.keys() != {"columns", "rows", "sources"} or document["columns"] != [f.name for f in fields(Fact)]:
        raise Broken("profiles.toml: not the tables and columns that a Fact has")
    return tuple(_fact(row, document["sources"].keys()) for row in document["rows"])


@cache
def profile(name: ProfileName) -> Profile:
    """The profile of one kind of certificate."""
    found: dict[str, Any] = {"name": name}
    for fact in facts():
        if name in fact.profiles and found.setdefault(fact.field, fact.value) is not fact.value:
            raise Broken(f"profiles.toml: {name} has two values for {fact.field}")
    try:
        found["issuer"] = ProfileName(found["issuer"])
        found["extensions"] = tuple((text.removesuffix("!"), text.endswith("!")) for text in found["extensions"].split())
        found["holders"] = frozenset(int(role) for role in found.get("holders", "").split())
        return Profile(**found)
    except (KeyError, ValueError, TypeError) as error:
        raise Broken(f"profiles.toml: {name}: {error}") from error


def _fact(row: list[Any], known_sources: Any) -> Fact:
    try:
        names, field, value, source, confidence = row
        fact = Fact(
            profiles=tuple(ProfileName(name) for name in names.split()),
            field=field,
            value=value,
            source=tuple(source.split()),
            confidence=Confidence(confidence),
        )
    except ValueError as error:
        raise Broken(f"profiles.toml: row {row[:2]}: {error}") from error
    if not fact.source or not set(fact.source) <= set(known_sources):
        raise Broken(f"profiles.toml: row {row[:2]} cites a source that [sources] does not explain")
    return fact
