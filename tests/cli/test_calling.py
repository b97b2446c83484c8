"""Any operation of the control API by its name."""

import json

from typer.testing import CliRunner

from emulator.cli.main import application
from emulator.testing.harness import running_emulator

METER = "device=00-DB-12-34-56-78-90-A0"


def test_operations_are_called_by_name() -> None:
    with running_emulator() as emulator:

        def call(*words: str, code: int = 0) -> str:
            done = CliRunner().invoke(application, ["call", *words, "--server", emulator.control])
            assert done.exit_code == code, done.output
            return done.output

        assert "put_devices_by_device_power" in call()
        assert len(json.loads(call("--json"))) > 90
        assert json.loads(call("put_devices_by_device_power", METER, "on=false"))["device"]
        assert json.loads(call("get_devices_by_device", METER))["state"]["powered"] is False
        assert json.loads(call("get_inventory", "type=GSME", "limit=1"))["count"] >= 1
        assert json.loads(call("post_clock_advance", "--body", '{"by_ms": 1000}'))["reached"] is True
        assert call("get_journal_transcript").count("\n") >= 1
        assert "perhaps 'post_clock_advance'" in call("post_clock_advanc", code=2)
        assert "'device' is missing" in call("get_devices_by_device", code=2)
        assert "it takes no 'speed'" in call("post_clock_pause", "speed=1", code=2)
        assert "on: " in call("put_devices_by_device_power", METER, "on=perhaps", code=2)
