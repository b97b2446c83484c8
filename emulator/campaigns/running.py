"""Runs a plan where it says: in a world of its own over HTTP, at a world of a running server, or over a generated estate."""

from contextlib import AsyncExitStack

from emulator.campaigns.conduct import Observer, Run, conduct
from emulator.campaigns.duis_target import DuisTarget
from emulator.campaigns.network_target import NetworkTarget
from emulator.campaigns.reading import Plan
from emulator.campaigns.site import at_world, new_world
from emulator.domain.errors import Malformed
from emulator.scenarios.address import Address
from emulator.scenarios.estates import build_estate
from emulator.scenarios.runner import in_process_server


async def run_at_world(plan: Plan, server: Address, world: str, observer: Observer = lambda _: None) -> Run:
    """At a world that is there: the devices, faults and clock are as they are; time is moved through the control API."""
    if plan.document.estate is not None or plan.document.effects:
        name = "estate" if plan.document.estate is not None else "effects"
        remedy = "no such table, for the world is there; plan faults through the control API"
        raise Malformed("the campaign runs at a world that is there", where=f"{plan.path.name}: {name}", expected=remedy)
    async with at_world(server, world, plan.document.campaign.by) as site:
        return await conduct(plan.document, await DuisTarget.opened(plan, site), observer)


async def run_in_new_world(plan: Plan, server: Address | None = None, observer: Observer = lambda _: None) -> Run:
    """In a world of its own, made from the plan's ``[estate]``: of ``server``, or of a server in this process."""
    document, file = plan.document, plan.path.name
    if document.estate is None:
        raise Malformed("'estate' is missing", where=file, expected="[estate], as in a scenario file")
    try:
        estate_toml, estate = build_estate(document.estate, plan.path.parent, document.campaign.seed)
    except Malformed as error:
        raise Malformed(error.detail, where=f"{file}: {error.where}", expected=error.expected) from None
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(in_process_server()) if server is None else server
        world = await stack.enter_async_context(
            new_world(address, document.campaign.name, estate_toml, document.campaign.seed, estate.start_ms)
        )
        site = await stack.enter_async_context(at_world(address, world, document.campaign.by))
        return await conduct(document, await DuisTarget.opened(plan, site), observer)


async def run_over_population(
    plan: Plan, threads: int = 1, observer: Observer = lambda _: None, until_ms: int | None = None
) -> tuple[Run, NetworkTarget]:
    """Over a generated estate in this process, to the end or for a span of time; the target stays for looks."""
    if plan.document.population is None:
        raise Malformed("'population' is missing", where=plan.path.name, expected="[population], or --estate")
    target = NetworkTarget(plan, threads)
    limit_ms = None if until_ms is None else target.now_ms + until_ms
    return await conduct(plan.document, target, observer, limit_ms), target
