"""All reports."""

from collections.abc import Mapping

from emulator.domain.errors import Malformed
from emulator.reports import access, ages, census, devices, firmware, outages, stock
from emulator.reports.report import Report

REPORTS: Mapping[str, Report] = {
    report.name: report
    for report in (
        firmware.FUNNEL,
        devices.VERSION_DISAGREEMENT,
        devices.HELD_IMAGES,
        devices.NEVER_READ,
        access.RSA_ACTIVITY,
        access.EXPIRING_GRANTS,
        access.OTHER_SUPPLIER_ACTIONS,
        firmware.TRANSFER_TIME,
        firmware.BUFFER_CONTENTION,
        census.UPDATE_CENSUS,
        census.VISITS_AVOIDED,
        *stock.REPORTS,
        ages.AGES,
        outages.POWER_OUTAGES,
    )
}
"""Each report by its name (access.md section 8)."""


def report_named(name: str) -> Report:
    """A report; raise :class:`Malformed` naming those there are."""
    report = REPORTS.get(name)
    if report is None:
        raise Malformed(f"there is no report {name[:60]!r}", where="report", expected=", ".join(REPORTS))
    return report
