"""``dcc-emulator swarm``: many small worlds full of chance, each held to what must be true of every world."""

from typing import Annotated

import typer

from emulator.cli.output import ExitCode, JsonFlag, console, print_json, print_rows, verb
from emulator.swarm.run import STEPS, play_seed


@verb
def swarm(
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=1_000_000, help="How many worlds.")] = 20,
    first: Annotated[int, typer.Option("--first", min=0, help="Seed of the first; the others follow it.")] = 0,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="This seed alone.", show_default=False)] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, max=10_000, help="Things that happen in each world.")] = STEPS,
    json_output: JsonFlag = False,
) -> None:
    """Let random requests, faults, power cuts and changes of supplier happen in random estates, and check what must always hold.

    Nothing acknowledged is lost, nobody starts a job without the right to, every job ends or says what it waits for, no hub holds
    more than it can, inventory and devices agree after reads, the audit chain is whole. Ends with 1 when something does not hold,
    and says which command shows it again.
    """
    wanted = range(first, first + seeds) if seed is None else (seed,)
    found = []
    for each in wanted:
        played = play_seed(each, steps)
        found.append(played)
        if played.broken and not json_output:
            for broken in played.broken:
                console().print(f"seed {each}: {broken.invariant}: {broken.detail}")
            console().print(f"  again: {played.again}" + (f" --steps {steps}" if steps != STEPS else ""))
    broken_seeds = [each for each in found if each.broken]
    if json_output:
        rows = [
            {
                "seed": each.seed,
                "requests": each.requests,
                "jobs": each.jobs,
                "faults": each.faults,
                "digest": each.digest,
                "broken": [{"invariant": broken.invariant, "detail": broken.detail} for broken in each.broken],
                "again": each.again if each.broken else None,
            }
            for each in found
        ]
        print_json({"seeds": len(found), "broken": len(broken_seeds), "worlds": rows})
    else:
        totals = (
            len(found),
            sum(each.requests for each in found),
            sum(each.jobs for each in found),
            sum(each.faults for each in found),
        )
        print_rows(("Worlds", "Requests", "Jobs", "Faults that happened", "Broken"), [(*totals, len(broken_seeds))])
    if broken_seeds:
        raise typer.Exit(ExitCode.VERDICT)
