"""Control operations on what is released of firmware over the air, and on the order of versions."""

from emulator.service.control_models import ReleaseSwitch, UpgradePathRow
from emulator.service.routes import WORLD, Answer, Call, Route


def firmware_routes() -> list[Route]:
    """The table."""
    releases, paths = f"{WORLD}/releases", f"{WORLD}/upgrade-paths"
    return [
        Route("GET", releases, _releases, "What is released of firmware for PPMIDs and HCALCSs", "firmware"),
        Route("PUT", releases, _switch, "Release a feature, or back it out", "firmware", body=ReleaseSwitch),
        Route("GET", paths, _paths, "From which versions others may be reached", "firmware"),
        Route("PUT", paths, _put_path, "Say from which versions one may be reached", "firmware", body=UpgradePathRow),
    ]


async def _releases(call: Call) -> Answer:
    return call.hosted.world.views.releases()


async def _switch(call: Call) -> Answer:
    return await call.carry_out("release.set", **call.given(ReleaseSwitch).model_dump(exclude_none=True))


async def _paths(call: Call) -> Answer:
    return {"upgrade_paths": call.hosted.world.views.upgrade_paths()}


async def _put_path(call: Call) -> Answer:
    return await call.carry_out("upgrade_path.put", **call.given(UpgradePathRow).model_dump())
