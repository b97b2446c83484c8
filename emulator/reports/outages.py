"""Report on hubs that have no power now: which of them went dark together, and whether that counts as a mass outage."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import CspRegion
from emulator.engine import Engine
from emulator.reports.report import Column, Filter, Filters, Report, Row, Unit

MASS_OUTAGE_HUBS = 50
"""More hubs than these are a mass outage (limits.csv L044, high; a cluster of 51 counts as one: scenarios.md S-37)."""


@dataclass(slots=True)
class _Outage:
    """Hubs of a region that went dark one after the other, each within the time after which a CSP reports one."""

    region: CspRegion
    dark_ms: list[int] = field(default_factory=list)
    """Since when each of them is without power, in order."""


def _select(engine: Engine, filters: Filters) -> Sequence[_Outage]:
    wanted, together_ms = filters.get("region"), engine.csp.power_alert_ms
    dark = sorted((way.dark_since_ms, hub) for hub, way in engine.state.csp.hubs.items() if way.dark_since_ms)
    found: list[_Outage] = []
    last: dict[CspRegion, _Outage] = {}
    for since_ms, hub in dark:
        region = engine.context.region(Eui64(hub))
        if wanted not in (None, region):
            continue
        outage = last.get(region)
        if outage is None or since_ms - outage.dark_ms[-1] > together_ms:
            outage = last[region] = _Outage(region)
            found.append(outage)
        outage.dark_ms.append(since_ms)
    return found


def _row(engine: Engine, outage: _Outage) -> Row:
    told_ms = engine.now_ms - engine.csp.power_alert_ms
    return {
        "region": outage.region.value,
        "since_ms": outage.dark_ms[0],
        "last_ms": outage.dark_ms[-1],
        "hubs": len(outage.dark_ms),
        "reported": sum(since_ms <= told_ms for since_ms in outage.dark_ms),
        "mass": len(outage.dark_ms) > MASS_OUTAGE_HUBS,
    }


POWER_OUTAGES = Report(
    "power-outages",
    "Outages that last: how many hubs of a region went dark together and have no power yet. More than 50 are a mass outage. Of "
    "each that stays dark the CSP tells the DSP after three minutes, which tells suppliers and network operator (AD1).",
    (
        Column("region", "region of the hubs", Unit.REGION),
        Column("since_ms", "when the first of them went dark", Unit.INSTANT),
        Column("last_ms", "when the last of them did", Unit.INSTANT),
        Column("hubs", "hubs without power", Unit.NUMBER),
        Column("reported", "of those: hubs dark for so long that the CSP has reported them", Unit.NUMBER),
        Column("mass", "whether it counts as a mass outage", Unit.FLAG),
    ),
    (Filter("region", "outages of this region", Unit.REGION),),
    row=_row,
    select=_select,
)
