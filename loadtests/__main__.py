"""Carry out plans one after the other; exit code 0 when every threshold holds, 1 when one does not, 2 for what cannot be run."""

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from emulator.domain.errors import Malformed
from loadtests.plans import PLANS, Plan, read_plans
from loadtests.running import run
from loadtests.verdict import Verdict

SHOWN = (
    "requests",
    "failures",
    "requests_per_s",
    "answer_p99_ms",
    "acknowledged",
    "taken",
    "lost",
    "duplicates",
    "disorder",
    "server_cpu_us_per_request",
    "rss_mb",
    "descriptors",
    "tasks",
)


def main() -> int:
    """``python -m loadtests NAME…``."""
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PLAN")
    parser.add_argument("--plans", type=Path, default=PLANS, help="another file of plans and thresholds")
    parser.add_argument("--seconds", type=int, help="how long, in place of what the plan says")
    parser.add_argument("--pool", type=int, help="signed requests, in place of what the plan says")
    parser.add_argument("--workers", type=int, default=0, help="a master and so many workers; 0 for one process")
    parser.add_argument("--memory", action="store_true", help="an emulator without a data folder")
    parser.add_argument("--keep", action="store_true", help="leave the data folder of the emulator there")
    parser.add_argument("--out", type=Path, default=Path("load-results"), help="folder for what is made")
    given = parser.parse_args()
    try:
        plans = read_plans(given.plans)
        chosen = [plans[name] for name in given.names]
    except Malformed as error:
        print(error, file=sys.stderr)
        return 2
    except KeyError as error:
        print(f"there is no plan {error}; there are: {' '.join(plans)}", file=sys.stderr)
        return 2
    if not chosen:
        for plan in plans.values():
            print(f"{plan.name:12}{plan.says}")
        return 0
    missed = False
    for plan in chosen:
        plan = replace(plan, seconds=given.seconds or plan.seconds, pool=(given.pool or plan.pool) if plan.pool else 0)
        folder = given.out.resolve() / (plan.name + (f"-{given.workers}-workers" if given.workers else ""))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            verdict = run(plan, folder, workers=given.workers, memory=given.memory)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            print(f"{plan.name}: {error}", file=sys.stderr)
            return 2
        finally:
            if not given.keep:
                shutil.rmtree(folder / "data", ignore_errors=True)
        report(plan, folder, verdict)
        missed = missed or bool(verdict.misses)
    return 1 if missed else 0


def report(plan: Plan, folder: Path, verdict: Verdict) -> None:
    """A few lines about a run."""
    figures = {name: verdict.figures.get(name) for name in SHOWN}
    print(f"{plan.name}: {'missed' if verdict.misses else 'passed'}")
    for name, value in figures.items():
        print(f"  {name:26} {json.dumps(round(value, 1) if isinstance(value, float) else value)}")
    for miss in verdict.misses:
        print(f"  MISSED: {miss}")
    print(f"  {folder / 'index.html'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
