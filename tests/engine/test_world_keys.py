"""A world needs keys that hold together before it takes its first request."""

from dataclasses import replace

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER
from emulator.pki.certificates import Usage
from emulator.pki.reports import ImportEntry, ImportReport
from emulator.world import create_world


@pytest.mark.parametrize("usage", list(Usage))
def test_imported_keys_among_which_none_is_the_brokers_are_refused(usage: Usage) -> None:
    record = create_world().keys.live(ACCESS_CONTROL_BROKER, usage)
    assert record is not None
    two = (ImportEntry(f"{number}.pem", replace(record, serial=record.serial + number)) for number in (1, 2))
    with pytest.raises(Malformed, match="with its private key"):
        create_world(imported=ImportReport(tuple(two)))
