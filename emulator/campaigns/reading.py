"""A plan file to a :class:`Plan`. Whatever is wrong is :class:`Malformed` that names the file, the key and the remedy."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.campaigns.plan import Document, Gates, ReadAfter, RollbackWhen
from emulator.domain.errors import Malformed
from emulator.scenarios.names import suggest
from emulator.scenarios.validation import validated

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Longest plan."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan that was read, and where it came from."""

    path: Path
    document: Document

    @property
    def name(self) -> str:
        """The campaign's name."""
        return self.document.campaign.name

    @property
    def digest(self) -> str:
        """SHA-256 over every value of the plan, defaults included, so that two files that say the same agree."""
        plain = self.document.model_dump(mode="json")
        return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_plan(path: Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Plan:
    """Read and check a file; ``overrides`` are keys of its tables that the command line gives in place of its own. A
    ``population`` among them takes the place of the plan's ``[estate]``."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Malformed(f"cannot be read: {error.strerror}", where=str(path), expected="a campaign plan in TOML") from None
    if len(data) > MAX_FILE_BYTES:
        raise Malformed(f"{len(data)} octets", where=str(path), expected=f"at most {MAX_FILE_BYTES}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8: {error}", where=str(path), expected="a campaign plan in TOML") from None
    return parse_plan(text, path, overrides)


def parse_plan(text: str, path: Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Plan:
    """The same from text; ``path`` is what errors name, and files in it are relative to its folder."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Malformed(str(error), where=path.name, expected="TOML 1.0") from None
    return plan_of(raw, path, overrides)


def plan_of(raw: dict[str, Any], path: Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Plan:
    """The same from values."""
    file = path.name
    if "population" in (overrides or {}):
        raw.pop("estate", None)
    for table, values in (overrides or {}).items():
        held = raw.setdefault(table, {})
        if isinstance(held, dict):
            held.update(values)
    document = validated(Document, raw, file, "the plan")
    check_consistent(document, file)
    return Plan(path, document)


def check_consistent(document: Document, file: str) -> None:
    """What keys say together; raise :class:`Malformed` that names the key in `file`."""
    campaign, rollback = document.campaign, document.rollback
    if document.estate is not None and document.population is not None:
        detail = "a campaign runs in one place"
        raise Malformed(detail, where=f"{file}: population", expected="either [estate] or [population]")
    if rollback.when is not RollbackWhen.NEVER and rollback.version is None:
        raise Malformed("'version' is missing", where=f"{file}: rollback", expected="the version that devices are taken back to")
    if rollback.version is not None and rollback.version <= document.image.version:
        detail = f"{rollback.version} is not above {document.image.version}, and devices refuse to go down"
        raise Malformed(detail, where=f"{file}: rollback.version", expected="the old firmware under a higher version")
    if campaign.read_after is ReadAfter.NEVER:
        for name, limits in (("gates", document.gates), ("emergency", document.emergency)):
            if limits.max_contact_lost != Gates().max_contact_lost:
                detail = "contact loss is seen by reading devices, and read_after is 'never'"
                raise Malformed(detail, where=f"{file}: {name}.max_contact_lost", expected="read_after 'always' or 'on_doubt'")
    _check_activation(document, file)
    if document.image.file and document.image.size is not None:
        raise Malformed("a file has its own size", where=f"{file}: image.size", expected="file or size")
    names = [group.name for group in document.groups]
    for position, name in enumerate(names, 1):
        if names.index(name) != position - 1:
            raise Malformed(f"the name {name!r} is taken", where=f"{file}: groups.{position}", expected="a name not used before")
    for position, intervention in enumerate(document.operator, 1):
        if intervention.at.base == "now":
            detail = f"{intervention.at} has no meaning in a plan"
            raise Malformed(detail, where=f"{file}: operator.{position}.at", expected="a date and time, or 'start + 2 h'")
    if campaign.start is not None and campaign.start.base == "now":
        detail = f"{campaign.start} has no meaning in a plan"
        raise Malformed(detail, where=f"{file}: campaign.start", expected="a date and time, or 'start + 2 h'")


def _check_activation(document: Document, file: str) -> None:
    activation = document.activation
    where = f"{file}: activation"
    for name in ("at", "take_back_at"):
        moment = getattr(activation, name)
        if moment is not None and moment.base == "now":
            raise Malformed(
                f"{moment} has no meaning in a plan", where=f"{where}.{name}", expected="a date and time, or 'start + 2 h'"
            )
    if activation.at is not None and activation.delay:
        raise Malformed("a date needs no delay", where=f"{where}.delay", expected="at or delay")
    if activation.rule == "none" and (activation.at is not None or activation.unheard_after is not None):
        name = "at" if activation.at is not None else "unheard_after"
        raise Malformed("nobody is told to activate", where=f"{where}.{name}", expected="rule 'after_verified'")
    if bool(activation.take_back) != (activation.take_back_at is not None):
        name = "take_back_at" if activation.take_back else "take_back"
        raise Malformed(
            "a date is taken back from a share of the devices, at an instant", where=f"{where}.{name}", expected="both"
        )
    if activation.take_back and activation.at is None:
        raise Malformed("there is no date to take back", where=f"{where}.at", expected="the date of activation")
    date, back = activation.at, activation.take_back_at
    if date is not None and back is not None and date.base == back.base and back.offset_ms >= date.offset_ms:
        raise Malformed(
            f"{back} is too late", where=f"{where}.take_back_at", expected=f"an instant before {date}, the date itself"
        )


def known_kind(kind: str, kinds: Mapping[str, object], where: str) -> None:
    """Refuse an effect that the target cannot cause."""
    if kind not in kinds:
        raise Malformed(f"there is no fault {kind!r} here", where=where, expected=suggest(kind, kinds))
