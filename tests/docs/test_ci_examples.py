"""What `docs/how-to/ci.md` shows for CI: files that are what they say, and the start of the image without a container engine."""

import ast
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from tests.cli.conftest import Run, run

__all__ = ["run"]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "how-to" / "ci"


def settings() -> dict[str, str]:
    """The settings that the recipe gives the container."""
    tree = ast.parse((EXAMPLES / "conftest.py").read_text("utf-8"))
    (found,) = (each for each in tree.body if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "SETTINGS")
    values: dict[str, str] = ast.literal_eval(found.value)
    return values


@pytest.mark.parametrize("name", ["conftest.py", "test_adapter.py"])
def test_python_compiles(name: str) -> None:
    compile((EXAMPLES / name).read_text("utf-8"), name, "exec")


def test_the_workflow_uses_options_that_there_are(run: Run) -> None:
    """The commands themselves are those of every page; here the options, which the file would get wrong unseen."""
    workflow = yaml.safe_load((EXAMPLES / "workflow.yml").read_text("utf-8"))
    steps = workflow["jobs"]["adapter"]["steps"]
    lines = [line.split("||")[0].split(">")[0].rstrip(" &") for step in steps for line in step.get("run", "").splitlines()]
    commands = [shlex.split(line) for line in lines if line.startswith("dcc-emulator")]
    assert len(commands) == 4
    for words in commands:
        options = [word for word in words if word.startswith("--")]
        names = [word for word in words[1:] if re.fullmatch("[a-z]+", word)][:2]
        verb = names if names[0] == "scenario" else names[:1]
        shown = run(*verb, "--help").out
        assert all(option in shown for option in options), words


def test_the_image_starts_with_the_settings_of_the_recipe(tmp_path: Path) -> None:
    """What the Dockerfile sets, what the recipe adds, and the command of the image; only ports and folder are others."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    image = dict(re.findall(r"\b(DCC_\w+)=(\S+)", next(line for line in text.splitlines() if line.startswith("ENV PATH"))))
    assert 'ENTRYPOINT ["dcc-emulator"]' in text
    assert 'CMD ["serve"]' in text
    ports = {f"DCC_{name}__PORT": "0" for name in ("DUIS", "SMKI", "CONTROL")}
    folder = {"DCC_STORAGE__FOLDER": str(tmp_path / "data")}
    environment = {**os.environ, **image, **settings(), **ports, **folder}
    command = [sys.executable, "-m", "emulator", "serve"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            with urlopen(ready["control"] + "/_dcc/ready") as answer:
                assert answer.status == 200
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
