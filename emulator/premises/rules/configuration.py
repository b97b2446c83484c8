"""Rules of what a meter is set up with: meter points."""

from collections.abc import Mapping

from emulator.premises.readings import Reading, Rule


def _import_mpans(reading: Reading) -> bytes:
    """Both MPANs of a twin-element meter, one after the other (test messages ECS40)."""
    definition = reading.device.definition
    return (definition.import_mpxn + definition.secondary_import_mpan).encode("ascii")


RULES: Mapping[str, Rule] = {
    "import_mpans": _import_mpans,
    "export_mpan": lambda reading: reading.device.definition.export_mpan.encode("ascii"),
    "mprn": lambda reading: reading.device.definition.import_mpxn.encode("ascii"),
}
