"""A running server diagnosed from the command line."""

from pathlib import Path

from tests.cli.conftest import Run
from tests.http.running import emulator_process


def test_a_server_is_diagnosed(run: Run, tmp_path: Path) -> None:
    with emulator_process(tmp_path) as running:
        server = running.url("control")
        found = run("diagnose", "--server", server, "--json")
        assert (found.code, found.json["in_order"], set(found.json["ports"])) == (0, True, {"duis", "smki", "control"})
        assert "nothing is amiss" in run("diagnose", "--server", server).out
        run("fault", "add", "device.silent", "--server", server)
        amiss = run("diagnose", "--server", server)
        assert (amiss.code, "fault remove" in amiss.out) == (1, True)
