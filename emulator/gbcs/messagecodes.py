"""Message codes of GBCS by name, from ``data/message_codes.toml``."""

import tomllib
from collections.abc import Mapping
from importlib import resources

_CODES = tomllib.loads(resources.files("emulator.gbcs").joinpath("data/message_codes.toml").read_text("utf-8"))

MESSAGE_NAMES: Mapping[int, str] = {int(code, 16): name for code, name in _CODES["codes"].items()}
"""Message code → identifier of its use case."""

BETWEEN_DEVICES = frozenset(_CODES["between_devices"])
"""Codes of Commands that one device sends another."""
