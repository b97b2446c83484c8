"""Firmware campaigns within a scenario: a supplier's tool follows a plan in the scenario's world, and its result is judged."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from emulator.campaigns.conduct import Run, conduct
from emulator.campaigns.duis_target import DuisTarget
from emulator.campaigns.network_target import NetworkTarget
from emulator.campaigns.plan import Document
from emulator.campaigns.reading import Plan, check_consistent
from emulator.campaigns.result import result_of
from emulator.campaigns.site import Site
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.wanted import Count, Expected, check_values, plain, value_of
from emulator.scenarios.values import Reference
from emulator.simulation.durations import HOUR_MS

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage

SHOWN = 10
"""Decisions that a failure shows."""


class RunCampaign(Step):
    """Run a campaign to its end, in the scenario's world or, with `plan.population`, over a generated estate beside it.

    In the scenario's world it is the tool of the supplier `plan.campaign.by`: requests, answers, alerts and simulated time are
    those of the scenario, and later steps see every message. Over a generated estate no messages are made and the scenario's time
    stands.
    """

    plan: Document
    """The tables of a [campaign plan](campaign.md), without `[estate]`. `[[groups]]` may name devices as the scenario does."""

    def check(self, names: Names) -> None:
        """What the plan's keys say together, its supplier and its devices; a generated estate is looked at when it runs."""
        if self.plan.estate is not None:
            remedy = "no such table: the estate is the scenario's"
            raise Malformed("the campaign runs in the scenario's world", where="plan.estate", expected=remedy)
        check_consistent(self.plan, "plan")
        if self.plan.population is None:
            names.user(self.plan.campaign.by, "plan.campaign.by")
            for number, group in enumerate(self.plan.groups, 1):
                names.devices_of(group.devices, f"plan.groups.{number}.devices")

    def title(self, names: Names) -> str:
        """Which."""
        return self.name or f"campaign {self.plan.campaign.name}"

    async def run(self, stage: "Stage") -> None:
        """Conduct it."""
        plan = Plan(stage.folder / "plan", self.plan)
        if self.plan.population is not None:
            network = NetworkTarget(plan, 1)
            stage.campaigns[self.name] = result_of(plan, await conduct(self.plan, network), "over a generated estate")
            return
        names = stage.names
        groups = [
            group.model_copy(update={"devices": [format_eui(eui) for eui in names.devices_of(group.devices, "devices")]})
            for group in self.plan.groups
        ]
        plan = Plan(plan.path, self.plan.model_copy(update={"groups": groups}))
        actor = stage.actors[names.user(self.plan.campaign.by, "plan.campaign.by")]
        receiver = actor.receiver
        site = Site(stage.control, actor.client, receiver, stage.keys, actor.eui, taken=len(receiver.received))
        await site.settle()

        def observe(run: Run) -> None:
            stage.now_ms = site.now_ms  # counters of its requests follow from simulated time

        run = await conduct(plan.document, await DuisTarget.opened(plan, site), observe)
        stage.campaigns[self.name] = result_of(plan, run, "in the scenario's world")
        await stage.settle()


class DecisionRow(BaseModel):
    """What the campaign's runner decided."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    what: str
    """`started`, `passed`, `halted`, `retried`, `paused`, `resumed`, `stopped`, `rolled back`, `taken back`, `given up`,
    `deadline missed` or `finished`."""
    wave: Annotated[int, Field(ge=1)] | None = None
    """About this wave alone."""
    count: Count = 1
    """How often, exactly."""


class ExpectCampaign(Step):
    """A campaign came out so. A path leads into its [result](campaign.md): `verdict`, `total.activated`, `waves.2.contact_lost`,
    `regions.North.at_hub`, `deadline.met`, `hours.North.activated.90` (hours until so many per cent were there)."""

    campaign: Reference
    """Name of its step."""
    values: dict[str, Expected] = {}
    """What stands at paths, exactly."""
    at_least: dict[str, float] = {}
    """Numbers at paths that are no less."""
    at_most: dict[str, float] = {}
    """Numbers at paths that are no more."""
    decisions: list[DecisionRow] = []
    """What was decided, and how often."""

    def check(self, names: Names) -> None:
        """The campaign, and that something is expected of it."""
        names.known("campaign", self.campaign, names.steps, "campaign")
        if not (self.values or self.at_least or self.at_most or self.decisions):
            raise Malformed("nothing is expected of it", where="values", expected="values, at_least, at_most or decisions")
        check_values(names, self.values.values(), "values")

    async def run(self, stage: "Stage") -> None:
        """Compare."""
        result = stage.campaigns.get(self.campaign)
        if result is None:
            raise Malformed(
                f"{self.campaign!r} is no campaign", where="campaign", expected=suggest(self.campaign, stage.campaigns)
            )
        what = f"campaign {self.campaign!r}"
        if self.values:
            wanted = {path: value_of(stage, value) for path, value in self.values.items()}
            stage.verify(what, wanted, {path: plain(_at(result, path)) for path in wanted})
        for words, bounds, sign in (("at least", self.at_least, 1), ("at most", self.at_most, -1)):
            for path, bound in bounds.items():
                seen = _at(result, path)
                if not isinstance(seen, int | float) or seen * sign < bound * sign:
                    stage.fail(f"{path} of {what}", f"{words} {bound:g}", seen)
        for row in self.decisions:
            seen = [each for each in result["decisions"] if each["what"] == row.what and row.wave in (None, each["wave"])]
            if len(seen) != row.count:
                where = f" about wave {row.wave}" if row.wave is not None else ""
                stage.fail(
                    f"{row.what!r}{where} of {what}", row.count, [_decided(result, each) for each in result["decisions"][-SHOWN:]]
                )


def _decided(result: Mapping[str, Any], each: Mapping[str, Any]) -> str:
    hours = round((each["at_ms"] - result["began_ms"]) / HOUR_MS, 2)
    wave = f" wave {each['wave']}" if each["wave"] is not None else ""
    return f"{each['what']}{wave} after {hours:g} h" + (f": {each['why']}" if each["why"] else "")


def _at(result: Any, path: str) -> Any:
    """What stands at a path; positions in lists count from 1."""
    here = result
    for name in path.split("."):
        if isinstance(here, list) and name.isdecimal():
            here = here[int(name) - 1] if 0 < int(name) <= len(here) else None
        elif isinstance(here, dict) and name in here:
            here = here[name]
        elif here is None or (isinstance(here, dict) and path.startswith(SPARSE)):
            return None
        else:
            remedy = suggest(name, here) if isinstance(here, dict) else "a shorter path"
            raise Malformed(f"there is no {path!r} in the result", where="values", expected=remedy)
    return here


SPARSE = ("total.failures", "regions", "technologies", "hours", "deadline.missed")
"""Where a result has only what there was."""

STEPS: Mapping[str, type[Step]] = {"campaign": RunCampaign, "expect-campaign": ExpectCampaign}
"""Running campaigns and looking at them."""
