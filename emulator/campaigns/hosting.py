"""Campaigns that a server runs in its own worlds, by calls of the control API.

Such a campaign is what ``campaign run`` is to a running server, only that it lives in the server: a supplier's tool that posts
DUIS, takes pushes and decides. It is no part of the world's state. It follows the world's clock, which others move, takes part in
time so that a jump never passes it by, and ends with the world, with a reset or restore of it, and with the process.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from aiohttp import web
from pydantic import Field

from emulator.campaigns.conduct import Run, conduct
from emulator.campaigns.duis_target import DuisTarget
from emulator.campaigns.pages import report_page
from emulator.campaigns.plan import Act
from emulator.campaigns.reading import Plan, parse_plan, plan_of
from emulator.campaigns.result import result_of
from emulator.campaigns.runner import Phase
from emulator.campaigns.site import at_world
from emulator.domain.errors import EmulatorError, Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.scenarios.address import Address
from emulator.scenarios.names import suggest
from emulator.service.control_models import Model, WallMs
from emulator.service.control_worlds import WorldHost
from emulator.service.hosted import HostedWorld
from emulator.service.pump import Participant, Pump
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route

_log = structlog.get_logger("campaigns")

MOST_CAMPAIGNS = 100
"""Campaigns of one world, those that are over among them."""
PLAN = Path("plan")
"""What mistakes in a plan that came with a call name in place of a file."""
WHERE = "over DUIS"


class NewCampaign(Model):
    """A campaign to start."""

    plan: str | dict[str, Any] = Field(description="a campaign plan: the text of a file (TOML), or its tables as JSON")


class CampaignWait(Model):
    """How long to wait for a campaign."""

    timeout_ms: WallMs = 30_000


@dataclass(slots=True, eq=False)
class HostedCampaign:
    """One campaign of one world."""

    name: str
    plan: Plan
    user: Eui64
    target: DuisTarget
    participant: Participant
    run: Run | None = None
    problem: str = ""
    """Why it broke off."""
    task: asyncio.Task[None] | None = None
    intervened: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.task is None or self.task.done()

    @property
    def at_rest(self) -> bool:
        """Whether nothing more will come unless somebody intervenes."""
        return self.over or (self.run is not None and self.run.runner.resting and not self.intervened.is_set())

    async def follow(self, instant_ms: int) -> None:
        """Wait until the world's clock has come to an instant, or somebody intervenes."""
        resting = self.run is not None and self.run.runner.resting
        come = asyncio.ensure_future(self.participant.reach(instant_ms, holds=not resting))
        called = asyncio.ensure_future(self.intervened.wait())
        try:
            await asyncio.wait((come, called), return_when=asyncio.FIRST_COMPLETED)
        finally:
            come.cancel()
            called.cancel()
        self.intervened.clear()
        self.participant.hold()

    async def conduct(self, resources: AsyncExitStack) -> None:
        """Run it to its end and let go of what it used; never raises."""
        async with resources:
            try:
                await conduct(self.plan.document, self.target, self._observe, attended=True)
            except EmulatorError as error:
                self.problem = str(error)
            except Exception as error:
                self.problem = f"an error of the emulator, which its log on stderr explains: {type(error).__name__}"
                _log.exception("a campaign broke off", campaign=self.name)

    def _observe(self, run: Run) -> None:
        self.run = run

    def describe(self) -> dict[str, Any]:
        """How it stands."""
        about = self.plan.document.campaign
        found: dict[str, Any] = {
            "campaign": self.name,
            "title": about.title,
            "user": format_eui(self.user),
            "configuration": self.plan.digest,
            "phase": "failed" if self.problem else Phase.SCHEDULED.value,
            "problem": self.problem,
            "over": self.over,
            "at_rest": self.at_rest,
            "verdict": None,
        }
        if self.run is not None:
            runner = self.run.runner
            result = result_of(self.plan, self.run, WHERE)
            found |= {
                "phase": "failed" if self.problem else runner.phase.value,
                "verdict": result["verdict"],
                "next_look_ms": None if self.at_rest else runner.until_ms,
                **{name: result[name] for name in _NUMBERS},
            }
            found["waves_of_plan"] = len(runner.waves)
        return found


_NUMBERS = ("began_ms", "ended_ms", "devices", "total", "waves", "rollback", "regions", "technologies", "deadline", "decisions")
"""What of a result the state of a campaign has."""


@dataclass(slots=True)
class Campaigns:
    """The campaigns of a world."""

    by_name: dict[str, HostedCampaign] = field(default_factory=dict)
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def check(self, plan: Plan, user: Eui64) -> None:
        """Raise :class:`ControlRefused` where another campaign is in the way of one by this plan."""
        for other in self.by_name.values():
            if other.over:
                continue
            if other.name == plan.name:
                detail, where = f"campaign {plan.name} is under way", "campaign.name"
                raise ControlRefused(409, detail, where=where, expected="another name, or its end")
            if other.user == user:
                detail, where = f"campaign {other.name} of that user is under way", "campaign.by"
                raise ControlRefused(409, detail, where=where, expected="another user, or its end")
        if plan.name not in self.by_name and len(self.by_name) >= MOST_CAMPAIGNS:
            detail = f"the world has {len(self.by_name)} campaigns"
            raise ControlRefused(409, detail, where="campaign", expected="one of them deleted first")


_campaigns: WeakKeyDictionary[Pump, Campaigns] = WeakKeyDictionary()
"""By what moves the time of a world: a world that begins anew has another one, and no campaigns."""


def campaigns_of(world: HostedWorld) -> Campaigns:
    """The campaigns of a world."""
    return _campaigns.setdefault(world.pump, Campaigns())


def campaign_routes(host: WorldHost) -> list[Route]:
    """The operations on campaigns."""

    async def start(call: Call) -> Answer:
        given = call.given(NewCampaign).plan
        plan = parse_plan(given, PLAN) if isinstance(given, str) else plan_of(given, PLAN)
        token = host.loaded.settings.control.token
        address = Address(host.url("control"), host.url("duis"), "" if token is None else token.get_secret_value())
        return (await _started(call.hosted, plan, address)).describe()

    tag, all_of_them = "campaigns", f"{WORLD}/campaigns"
    one = f"{all_of_them}/{{campaign}}"
    refusals = (409,)
    return [
        Route("GET", all_of_them, _list, "Campaigns and how they stand", tag),
        Route("POST", all_of_them, start, "Start a campaign from a plan", tag, body=NewCampaign, status=201, problems=refusals),
        Route("GET", one, _show, "One campaign: phase, waves, funnel, decisions", tag),
        Route("DELETE", one, _forget, "Break a campaign off, where it still runs, and forget it", tag, status=204),
        Route("POST", f"{one}/pause", _act(Act.PAUSE), "Begin no wave, activate nothing more", tag, problems=refusals),
        Route("POST", f"{one}/resume", _act(Act.RESUME), "Go on after a pause, or in spite of a gate", tag, problems=refusals),
        Route("POST", f"{one}/stop", _act(Act.STOP), "Emergency stop: cancel what is on its way", tag, problems=refusals),
        Route("POST", f"{one}/retry", _retry, "Try what failed once more, now", tag, problems=refusals),
        Route("POST", f"{one}/wait", _wait, "Wait until it ends, or rests", tag, body=CampaignWait),
        Route("GET", f"{one}/result", _result, "Everything about it, as `campaign run --out` writes it", tag, problems=refusals),
        Route("GET", f"{one}/report", _report, "The same as a page", tag, media_type="text/html", problems=refusals),
    ]


async def _started(world: HostedWorld, plan: Plan, address: Address) -> HostedCampaign:
    """Look everything up and let it run; raise :class:`Malformed` for what the world does not have."""
    _check(plan)
    campaigns, by = campaigns_of(world), plan.document.campaign.by
    users = {user["name"]: parse_eui(user["user"]) for user in world.world.views.users()}
    user = users.get(by) or next((eui for eui in users.values() if format_eui(eui) == by.upper()), None)
    if user is None:
        raise Malformed(f"{by!r} is not a user of the world", where=f"{PLAN.name}: campaign.by", expected=suggest(by, users))
    async with campaigns.starting, AsyncExitStack() as stack:
        campaigns.check(plan, user)
        participant = stack.enter_context(world.pump.participating())
        hosted: HostedCampaign | None = None

        async def follow(instant_ms: int) -> None:
            assert hosted is not None
            await hosted.follow(instant_ms)

        site = await stack.enter_async_context(at_world(address, world.name, by, follow))
        hosted = HostedCampaign(plan.name, plan, user, await DuisTarget.opened(plan, site), participant)
        campaigns.by_name[plan.name] = hosted
        hosted.task = asyncio.create_task(hosted.conduct(stack.pop_all()), name=f"campaign {plan.name}")
        world.pump.ends_with(hosted.task)
    return hosted


def _check(plan: Plan) -> None:
    """Refuse what has no meaning for a world that is there."""
    document = plan.document
    for name, given, remedy in (
        ("estate", document.estate is not None, "no such table: the world is there"),
        ("population", document.population is not None, "no such table: `dcc-emulator campaign run` runs over a population"),
        ("effects", bool(document.effects), "faults that are planned in the world"),
        ("image.file", bool(document.image.file), "none: the image is built as the firmware list has it"),
    ):
        if given:
            raise Malformed("the campaign runs in a world of this server", where=f"{PLAN.name}: {name}", expected=remedy)


def _campaign(call: Call) -> HostedCampaign:
    known, name = campaigns_of(call.hosted).by_name, call.path["campaign"]
    if name not in known:
        expected = ", ".join(sorted(known)) or "one that is started first, and none is"
        raise ControlRefused(404, f"there is no campaign {name[:80]!r}", where="campaign", expected=expected)
    return known[name]


def _running(call: Call) -> tuple[HostedCampaign, Run]:
    campaign = _campaign(call)
    if campaign.run is None or campaign.over:
        detail = f"campaign {campaign.name} is over" if campaign.over else f"campaign {campaign.name} has only just begun"
        raise ControlRefused(409, detail, where="campaign", expected="a campaign that runs")
    return campaign, campaign.run


async def _list(call: Call) -> Answer:
    return {"campaigns": [campaign.describe() for campaign in campaigns_of(call.hosted).by_name.values()]}


async def _show(call: Call) -> Answer:
    return _campaign(call).describe()


async def _forget(call: Call) -> Answer:
    campaign = _campaign(call)
    if campaign.task is not None:
        campaign.task.cancel()
        await asyncio.gather(campaign.task, return_exceptions=True)
    campaigns_of(call.hosted).by_name.pop(campaign.name, None)
    return None


_POSSIBLE = {
    Act.PAUSE: (Phase.SCHEDULED, Phase.RUNNING),
    Act.RESUME: (Phase.PAUSED, Phase.HALTED),
    Act.STOP: (Phase.SCHEDULED, Phase.RUNNING, Phase.PAUSED, Phase.HALTED),
}
"""In which phases somebody may do what."""


def _act(act: Act) -> Callable[[Call], Awaitable[Answer]]:
    async def handle(call: Call) -> Answer:
        campaign, run = _running(call)
        if run.runner.phase not in _POSSIBLE[act]:
            expected = f"one that is {' or '.join(_POSSIBLE[act])}"
            raise ControlRefused(409, f"campaign {campaign.name} is {run.runner.phase}", where="campaign", expected=expected)
        decided = len(run.runner.log)
        run.runner.intervene(act)
        return await _carried_out(call, campaign, run, decided)

    return handle


async def _retry(call: Call) -> Answer:
    campaign, run = _running(call)
    if run.runner.phase not in (Phase.RUNNING, Phase.HALTED):
        expected = "one that is running or halted"
        raise ControlRefused(409, f"campaign {campaign.name} is {run.runner.phase}", where="campaign", expected=expected)
    if not campaign.target.allow_another_try():
        expected = f"failures of the plan's retry.of: {', '.join(campaign.plan.document.retry.of)}"
        raise ControlRefused(409, "nothing has failed that would be tried again", where="campaign", expected=expected)
    decided = len(run.runner.log)
    run.runner.retry_now()
    return await _carried_out(call, campaign, run, decided)


async def _carried_out(call: Call, campaign: HostedCampaign, run: Run, decided: int) -> Answer:
    """Wake the campaign and answer once it has decided: what the answer shows is then so."""
    campaign.intervened.set()

    async def done() -> bool:
        return campaign.over or len(run.runner.log) > decided

    await call.hosted.wait(done, ANSWER_S, 0)
    return campaign.describe()


ANSWER_S = 20.0
"""Wall time that an intervention may take; it is carried out in any case."""


async def _wait(call: Call) -> Answer:
    campaign = _campaign(call)

    async def done() -> bool:
        return campaign.at_rest

    met = await call.hosted.wait(done, call.given(CampaignWait).timeout_ms / 1000, 0)
    return {"met": met, **campaign.describe()}


def _result_of(call: Call) -> dict[str, Any]:
    campaign = _campaign(call)
    if campaign.run is None:
        raise ControlRefused(409, campaign.problem or f"campaign {campaign.name} has only just begun", where="campaign")
    return result_of(campaign.plan, campaign.run, WHERE)


async def _result(call: Call) -> Answer:
    return _result_of(call)


async def _report(call: Call) -> Answer:
    return web.Response(text=report_page(_result_of(call)), content_type="text/html")


EXTENSIONS = (campaign_routes,)
"""What servers get beside the operations of :mod:`emulator.service`."""
