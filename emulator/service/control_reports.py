"""Control operations on reports."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from emulator.reports.registry import REPORTS
from emulator.reports.report import Gathering, Unit
from emulator.service.control_models import Page
from emulator.service.persistence.contract import AuditQuery, Trail
from emulator.service.persistence.device_lists import unpack
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route

RECORDS_AT_ONCE = 1_000
"""Records of the audit trail read at a time."""


class ReportPage(Page):
    """A portion of the rows. A report names the filters that it has when it is given another."""

    model_config = ConfigDict(extra="allow", frozen=True)

    offset: int = Field(0, ge=0, description="rows to leave out, the first ones")


def _report_query() -> type[BaseModel]:
    """The filters of all reports, each with what it means where."""
    meanings: dict[str, list[str]] = {}
    for report in REPORTS.values():
        for each in report.filters:
            meanings.setdefault(each.name, []).append(f"{report.name}: {each.says}")
    fields: dict[str, Any] = {
        name: (str | None, Field(None, description="; ".join(texts))) for name, texts in sorted(meanings.items())
    }
    return create_model("ReportQuery", __base__=ReportPage, **fields)


REPORT_QUERY = _report_query()
"""Filters of a report."""


def report_routes() -> list[Route]:
    """The table."""
    reports = f"{WORLD}/reports"
    return [
        Route("GET", reports, _reports, "The reports that there are, with columns and filters", "reports"),
        Route("GET", f"{reports}/{{name}}", _report, "One report: rows of a table", "reports", query=REPORT_QUERY),
    ]


async def _reports(call: Call) -> Answer:
    return {"reports": call.hosted.world.views.reports()}


async def _report(call: Call) -> Answer:
    name, query = call.path["name"], call.given(ReportPage)
    if name not in REPORTS:
        raise ControlRefused(404, f"there is no report {name[:60]!r}", where="report", expected=f"one of {', '.join(REPORTS)}")
    filters = query.model_dump(exclude={"limit", "offset"})
    views = call.hosted.world.views
    for each in REPORTS[name].filters:
        said, companies = filters.get(each.name), views.companies()
        if each.unit is Unit.COMPANY and said is not None and said not in companies:
            detail = f"{str(said)[:40]!r} is not a company"
            raise ControlRefused(400, detail, where=each.name, expected=f"one of {', '.join(companies)}")
    gathering = views.gathering(name, filters)
    if gathering is not None:
        await gather(call.hosted.log.trail, gathering)
    return views.report(name, filters, gathering, offset=query.offset, limit=query.limit)


async def gather(trail: Trail, gathering: Gathering) -> None:
    """Let a report see the records of the trail that it asks for."""
    for wanted in gathering.queries():
        after: int | None = 0
        while after is not None:
            page = await trail.records(AuditQuery(wanted, after=after, limit=RECORDS_AT_ONCE))
            for record in page:
                octets = None
                if record.entry.devices_digest and gathering.wants_list(record.entry):
                    octets = await trail.device_list(record.entry.devices_digest)
                gathering.take(record, () if octets is None else unpack(octets))
            after = page[-1].number if len(page) == RECORDS_AT_ONCE else None
