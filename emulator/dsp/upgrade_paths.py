"""In which order the firmware versions of a model may follow each other (reference ota/ota.md F45 citing MP231; S-42).

A row says for a version of a model from which versions it may be reached. A version without a row may be reached from any.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.domain.vocabulary import DeviceType

PathKey = tuple[DeviceType, str, str, str]
"""Device type, manufacturer, model and the version that is to be reached."""

MAX_PATHS = 10_000
"""Rows that a world may have; ours."""

_DIGITS = {"manufacturer": 4, "model": 8, "firmware_version": 8}
_HEX = frozenset("0123456789ABCDEF")


@dataclass(frozen=True, slots=True)
class UpgradePath:
    """From which versions one version of a model may be reached."""

    device_type: DeviceType
    manufacturer: str
    model: str
    firmware_version: str
    from_versions: tuple[str, ...]
    """None at all means that there is no rule any more."""

    @property
    def key(self) -> PathKey:
        """What the row is about."""
        return self.device_type, self.manufacturer, self.model, self.firmware_version


def read_path(values: Mapping[str, object], where: str) -> UpgradePath:
    """A row from plain values; raise :class:`Malformed` naming what is wrong."""
    known = {"type", *_DIGITS, "from_versions"}
    for name in values:
        if name not in known:
            raise Malformed(f"there is no {str(name)[:40]!r} in an upgrade path", where=where, expected=", ".join(sorted(known)))
    try:
        device_type = DeviceType(str(values.get("type")))
    except ValueError:
        detail = f"there is no device type {str(values.get('type'))[:40]!r}"
        raise Malformed(detail, where=f"{where}.type", expected=", ".join(DeviceType)) from None
    texts = {name: _hexadecimal(values.get(name), digits, f"{where}.{name}") for name, digits in _DIGITS.items()}
    listed = values.get("from_versions")
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise Malformed("not a list of versions", where=f"{where}.from_versions", expected='such as ["00010000"]')
    versions = tuple(dict.fromkeys(_hexadecimal(each, 8, f"{where}.from_versions") for each in listed))
    return UpgradePath(device_type, **texts, from_versions=versions)


def _hexadecimal(value: object, digits: int, where: str) -> str:
    text = value.upper() if isinstance(value, str) else ""
    if len(text) != digits or not set(text) <= _HEX:
        raise Malformed(f"{str(value)[:40]!r} is not right", where=where, expected=f"{digits} hexadecimal digits")
    return text


def read_paths(values: Mapping[str, object], where: str) -> tuple[UpgradePath, ...]:
    """The ``rows`` list of an estate's ``[settings.upgrade_paths]``."""
    listed = values.get("rows", [])
    if set(values) - {"rows"} or not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise Malformed("not a list of upgrade paths", where=where, expected="[[settings.upgrade_paths.rows]] tables")
    return tuple(read_path(each, f"{where}.rows[{position}]") for position, each in enumerate(listed))


def put_path(paths: MutableMapping[PathKey, tuple[str, ...]], path: UpgradePath) -> None:
    """Set a row in place of an earlier one, or take it away; raise :class:`Malformed` for one too many."""
    paths.pop(path.key, None)
    if path.from_versions:
        if len(paths) >= MAX_PATHS:
            raise Malformed("there are too many upgrade paths", where="upgrade_path", expected=f"at most {MAX_PATHS}")
        paths[path.key] = path.from_versions


def permits(paths: Mapping[PathKey, tuple[str, ...]], key: PathKey, runs: str) -> bool:
    """Whether a device that runs a version may be given the one of ``key``; the one it runs it may have again."""
    return runs == key[3] or key not in paths or runs in paths[key]
