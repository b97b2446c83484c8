"""What reports must say (:data:`emulator.reports.registry.REPORTS`)."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.reports.registry import REPORTS
from emulator.reports.report import Report, Unit
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.wanted import NONE, Count, Expected, check_values, plain, value_of
from emulator.simulation.durations import duration_ms, read_instant

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage

PAGE = 10_000
"""Rows taken at a time."""
SHOWN = 8
"""How many other rows a failure shows."""


class ExpectReport(Step):
    """A report has such rows."""

    report: str
    """Its name."""
    filters: dict[str, Any] = {}
    """What it is limited by, by name."""
    where: dict[str, Expected] = {}
    """Only rows with these values, by column; `none` where there is none."""
    count: Count | None = None
    """How many rows those are, exactly."""
    values: dict[str, Expected] = {}
    """What each of them holds, by column; then there must be one at least. Users, devices, companies, requests and grants are
    named as everywhere, instants and durations are written with units."""

    def check(self, names: Names) -> None:
        """Report, filters, columns and what they name."""
        if self.report not in REPORTS:
            raise Malformed(f"there is no report {self.report!r}", where="report", expected=suggest(self.report, REPORTS))
        if self.count is None and not self.values:
            raise Malformed("nothing is expected", where="count", expected="count or values")
        for part, name, unit, value in self._parts(REPORTS[self.report]):
            if value != NONE:
                _CHECKS.get(unit, _check_plain)(names, value, f"{part}.{name}")

    def _parts(self, report: Report) -> Iterator[tuple[str, str, Unit, Any]]:
        """Every value of the step with the part and name under which it stands and its unit."""
        filters = {each.name: each.unit for each in report.filters}
        columns = {each.name: each.unit for each in report.columns}
        for part, given, known in (
            ("filters", self.filters, filters),
            ("where", self.where, columns),
            ("values", self.values, columns),
        ):
            for name, value in given.items():
                if name not in known:
                    raise Malformed(f"{self.report} has no {name!r}", where=part, expected=", ".join(known))
                yield part, name, known[name], value

    def title(self, names: Names) -> str:
        """Which."""
        return self.name or f"expect of {self.report}"

    async def run(self, stage: "Stage") -> None:
        """Ask for it and compare."""
        meant: dict[str, dict[str, Any]] = {"filters": {}, "where": {}, "values": {}}
        for part, name, unit, value in self._parts(REPORTS[self.report]):
            meant[part][name] = value if value == NONE else _VALUES.get(unit, value_of)(stage, value)
        rows = await self._rows(stage, meant["filters"])
        chosen = [row for row in rows if _seen(row, meant["where"]) == meant["where"]]
        what = f"rows of {self.report}" + (f" where {meant['where']}" if meant["where"] else "")
        if self.count is not None and len(chosen) != self.count:
            others = [_seen(row, meant["where"]) for row in rows if row not in chosen]
            stage.fail(what, {"count": self.count}, {"count": len(chosen), "others": others[-SHOWN:]})
        if self.values and not chosen:
            stage.fail(what, "at least one", [_seen(row, {**meant["where"], **meant["values"]}) for row in rows[-SHOWN:]])
        for row in chosen if self.values else ():
            stage.verify(what, meant["values"], _seen(row, meant["values"]))

    async def _rows(self, stage: "Stage", filters: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            page = await stage.look(f"reports/{self.report}", **filters, offset=len(rows), limit=PAGE)
            rows += page["rows"]
            if not page["rows"] or len(rows) >= page["count"]:
                return rows


def _seen(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Of a row, the columns that are wanted."""
    return {name: plain(row[name]) for name in wanted}


def _check_plain(names: Names, value: Expected, where: str) -> None:
    check_values(names, [value], where)


def _check_request(names: Names, value: Any, where: str) -> None:
    names.known("request", str(value), names.requests, where)


def _check_grant(names: Names, value: Any, where: str) -> None:
    names.known("grant", str(value), names.grants, where)


def _check_time(read: Callable[[object], object]) -> Callable[[Names, Any, str], None]:
    def check(names: Names, value: Any, where: str) -> None:
        try:
            read(value)
        except Malformed as error:
            raise Malformed(error.detail, where=where, expected=error.expected) from None

    return check


_CHECKS: Mapping[Unit, Callable[[Names, Any, str], object]] = {
    Unit.USER: lambda names, value, where: names.user(str(value), where),
    Unit.DEVICE: lambda names, value, where: names.device(str(value), where),
    Unit.COMPANY: lambda names, value, where: names.company(str(value), where),
    Unit.REQUEST: _check_request,
    Unit.GRANT: _check_grant,
    Unit.INSTANT: _check_time(read_instant),
    Unit.DURATION: _check_time(duration_ms),
}
"""What a value may be, by its unit; all others are as they stand."""

_VALUES: Mapping[Unit, Callable[["Stage", Any], object]] = {
    Unit.USER: lambda stage, value: format_eui(stage.names.user(value, "user")),
    Unit.DEVICE: lambda stage, value: format_eui(stage.names.device(value, "device")),
    Unit.COMPANY: lambda stage, value: stage.names.company(value, "company"),
    Unit.REQUEST: lambda stage, value: str(stage.sent[value][-1].request_id) if stage.sent.get(value) else NONE,
    Unit.GRANT: lambda stage, value: stage.grants.get(value, NONE),
    Unit.INSTANT: lambda stage, value: read_instant(value).at_ms(stage.start_ms, stage.now_ms),
    Unit.DURATION: lambda stage, value: duration_ms(value),
}
"""What a value of a file means."""

STEPS: Mapping[str, type[Step]] = {"expect-report": ExpectReport}
"""Steps that look at reports."""
