"""What the books of hubs and meters outside homes must say."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.logistics.reflash import RESULTS
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.steps.network import Version
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.wanted import Expected, plain
from emulator.scenarios.values import Reference, References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class ExpectUnit(Step):
    """What the books have of units."""

    unit: References
    """Which."""
    values: dict[str, Expected]
    """By name, as `GET …/stock/units/{unit}` has them."""

    def check(self, names: Names) -> None:
        """The units."""
        names.devices_of(self.unit, "unit")
        if not self.values:
            raise Malformed("nothing is expected", where="values", expected="at least one value")

    async def run(self, stage: "Stage") -> None:
        """Look at them."""
        for eui in stage.names.devices_of(self.unit, "unit"):
            try:
                found = await stage.look(f"stock/units/{format_eui(eui)}")
            except Malformed as error:
                stage.fail(f"unit {stage.names.shown(eui)}", self.values, str(error), about=eui)
                continue
            seen = {name: plain(found.get(name)) for name in self.values}
            stage.verify(f"unit {stage.names.shown(eui)}", self.values, seen, about=eui)


class ExpectStock(Step):
    """How many units there are."""

    state: str = ""
    """In this state."""
    company: Reference = ""
    """Of this company."""
    variant: str = ""
    """Of this variant."""
    version: Version | None = None
    """With this firmware."""
    count: int
    """So many, exactly."""

    def check(self, names: Names) -> None:
        """The company."""
        if self.company:
            names.company(self.company, "company")

    async def run(self, stage: "Stage") -> None:
        """Count them."""
        company = stage.names.company(self.company, "company") if self.company else None
        wanted = {"state": self.state or None, "company": company, "variant": self.variant or None, "version": self.version}
        query = {name: value for name, value in wanted.items() if value is not None}
        found = await stage.look("stock/units", **query, limit=1)
        stage.verify(f"units with {query}" if query else "units", self.count, found["count"])


class ExpectOrder(Step):
    """What became of an order to re-flash."""

    order: int
    """Its number: the first of the world is 1."""
    values: dict[str, Expected] = {}
    """By name, as `GET …/stock/orders` has them."""
    results: dict[str, int] = {}
    """How many of its units had which result; others had none."""

    def check(self, names: Names) -> None:
        """The results."""
        for each in self.results:
            if each not in RESULTS:
                raise Malformed(f"no unit ever {each!r}", where="results", expected=suggest(each, RESULTS))
        if not self.values and not self.results:
            raise Malformed("nothing is expected", where="values", expected="values or results")

    async def run(self, stage: "Stage") -> None:
        """Look at it."""
        orders = {each["order"]: each for each in (await stage.look("stock/orders"))["orders"]}
        found = orders.get(self.order)
        if found is None:
            stage.fail(f"order {self.order}", "there is one", sorted(orders))
            return
        stage.verify(f"order {self.order}", self.values, {name: plain(found.get(name)) for name in self.values})
        if self.results:
            stage.verify(f"results of order {self.order}", self.results, found["results"])


EXPECTATIONS: Mapping[str, type[Step]] = {"expect-unit": ExpectUnit, "expect-stock": ExpectStock, "expect-order": ExpectOrder}
"""What the books must say."""
