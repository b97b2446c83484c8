"""One run: an emulator, a receiver and Locust as processes of their own on loopback, one or many workers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from emulator.domain.identifiers import format_eui
from loadtests.homes import NETWORK_OPERATOR, SUPPLIER, estate
from loadtests.pages import write_pages
from loadtests.plans import Plan
from loadtests.verdict import Verdict, judge
from loadtests.watch import Watch

ROOT = Path(__file__).resolve().parents[1]
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
PATIENCE_S = 60.0
DRAIN_MS = 120_000
SAMPLES = 400
"""Looks at the emulator in one run, roughly."""


def environment() -> dict[str, str]:
    """For the processes: without settings of an emulator, with this checkout first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DCC_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))}


@contextmanager
def process(*command: str, says: bool = False, log: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and the first line that it says; it is asked to end, and must."""
    with log.open("a") as errors:
        started = subprocess.Popen(  # noqa: S603 (ours)
            command, stdout=subprocess.PIPE if says else errors, stderr=errors, text=True, env=environment(), cwd=ROOT
        )
    try:
        line = ""
        if says:
            assert started.stdout is not None
            line = started.stdout.readline()
            if not line:
                raise RuntimeError(f"{' '.join(command[:4])} did not start; {log} says why")
        yield started, line
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(PATIENCE_S)
        if started.stdout is not None:
            started.stdout.close()


def call(method: str, url: str, body: object = None, timeout_s: float = 30.0) -> Any:
    """A call of the control API."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310 (ours)
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 (ours)
        text = answer.read()
    return json.loads(text) if text else None


def run(plan: Plan, out: Path, *, workers: int = 0, memory: bool = False) -> Verdict:
    """Carry out a plan; everything that it makes is in ``out``. ``workers`` is 0 for Locust in one process."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("acknowledged-*.csv"):
        old.unlink()
    (out / "estate.toml").write_text(estate(plan.homes))
    log = out / "processes.log"
    log.write_text("")
    if plan.pool:
        mix = [f"{kind}={weight}" for kind, weight in plan.mix.items()]
        command = [sys.executable, "-m", "loadtests.pool", str(out / "pool"), str(plan.pool), str(plan.homes), *mix]
        subprocess.run(command, check=True, env=environment(), cwd=ROOT)  # noqa: S603 (ours)
    with ExitStack() as stack:
        receiver = stack.enter_context(
            process(sys.executable, "-m", "loadtests.sink", str(out / "pushes.csv"), says=True, log=log)
        )
        port = int(receiver[1])
        server = stack.enter_context(process(*_server(plan, out, memory), says=True, log=log))
        urls = json.loads(server[1])
        world = f"{urls['control']}/control/v1/worlds/default"
        for user in (SUPPLIER, NETWORK_OPERATOR):
            name = format_eui(user)
            call("PUT", f"{world}/users/{name}/endpoint", {"url": f"http://127.0.0.1:{port}/{name}"})
        data = None if memory else out / "data"
        with Watch(urls["control"], data, out / "server.csv", max(1.0, plan.seconds / SAMPLES)) as watch:
            _locust(plan, out, urls, workers, log)
        left = _drain(world)
        server[0].send_signal(signal.SIGTERM)
        if server[0].wait(PATIENCE_S) != 0:
            raise RuntimeError(f"the emulator ended with {server[0].returncode}; {log} says why")
    verdict = judge(plan, out, watch.samples, left)
    write_pages(plan, out, verdict, watch.samples)
    (out / "pool").unlink(missing_ok=True)
    return verdict


def _server(plan: Plan, out: Path, memory: bool) -> list[str]:
    moving = {"clock.mode": plan.clock} if plan.clock in ("autojump", "paused") else {"clock.rate": plan.clock}
    settings = {
        "duis.port": "0",
        "smki.port": "0",
        "control.port": "0",
        "log.level": "warning",
        "worlds.estate": str(out / "estate.toml"),
        "clock.start": "estate",
        "outbox.push_floor_ms": "0",
        "outbox.timeout_ms": "60000",  # a receiver on a busy machine is slow, and what it has taken must not come again
        **moving,
        **({} if memory else {"storage.folder": str(out / "data")}),
    }
    return [sys.executable, "-m", "emulator.service", *(f"--set={name}={value}" for name, value in settings.items())]


def _locust(plan: Plan, out: Path, urls: dict[str, str], workers: int, log: Path) -> None:
    common = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--skip-log-setup", "--host", urls["duis"]]
    options = ["--homes", str(plan.homes), "--per-user", str(plan.per_user), "--control", urls["control"]]
    options += ["--shares", str(workers or 1), "--acknowledged", str(out)]
    options += ["--pool", str(out / "pool")] if plan.pool else []
    options += ["--fixed", ",".join(f"{name}={count}" for name, count in plan.fixed.items())]
    load = ["--headless", "-u", str(plan.users), "-r", str(plan.users), "-t", f"{plan.seconds}s", "--stop-timeout", "10"]
    report = ["--csv", str(out / "locust"), "--csv-full-history", "--html", str(out / "locust.html"), "--exit-code-on-error", "0"]
    with ExitStack() as stack:
        head: list[str] = []
        if workers:
            port = _free_port()
            head = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
            head += ["--expect-workers", str(workers)]
            join = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
            for _ in range(workers):
                stack.enter_context(process(*common, *join, *plan.classes, log=log))
        command = [*common, *head, *load, *report, *options, *plan.classes]
        with log.open("a") as errors:
            done = subprocess.run(command, stdout=errors, stderr=errors, env=environment(), cwd=ROOT, check=False)  # noqa: S603 (ours)
        if done.returncode:
            raise RuntimeError(f"Locust ended with {done.returncode}; {log} says why")
        time.sleep(1.0 if workers else 0.0)  # workers end by themselves when their master has, and close their files


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _drain(world: str) -> int:
    """Let simulated time go on until nothing is awaited; how many messages are still waiting then."""
    call("POST", f"{world}/clock/run-until-idle", {"timeout_ms": DRAIN_MS}, timeout_s=DRAIN_MS / 1000 + 10)
    until_s = time.monotonic() + DRAIN_MS / 1000
    while True:
        left = int(call("GET", f"{world}/outbox?limit=1")["counts"]["queued"])
        if not left or time.monotonic() > until_s:
            return left
        time.sleep(0.2)
