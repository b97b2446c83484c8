"""What the documentation shows is what it ships, and it works."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from emulator.service.config import load_settings
from emulator.service.server import running_server

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
TESTS = sorted((ROOT / "docs" / "examples" / "tests").glob("*.py"))
"""Examples that are tests; tests/testing runs the one of the README."""
SAYS = {
    "read_firmware_version": ["acknowledged: I99", "'firmware_version': '00010000'"],
    "update_firmware": ["11.1: I99", "N60", "8F72", "11.3: I99", "11.2: 00010300", "8.2:  00010300"],
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
async def test_an_example_runs(example: Path) -> None:
    flags = {"duis.port": 0, "smki.port": 0, "control.port": 0, "clock.mode": "autojump", "outbox.push_floor_ms": 50}
    async with running_server(load_settings(env={}, flags=flags)) as server:
        places = {name.upper(): server.url(name) for name in ("duis", "smki", "control")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(example)),
            env={**os.environ, **places, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await asyncio.wait_for(process.communicate(), 60))[0].decode()
    assert process.returncode == 0, output
    missing = [words for words in SAYS[example.stem] if words not in output]
    assert not missing, output


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_a_page_shows_its_example_as_it_is(page: str) -> None:
    shown = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    shipped = [re.sub(r"^ +", "", path.read_text("utf-8"), flags=re.MULTILINE) for path in (*EXAMPLES, *TESTS)]
    assert shown
    assert not [block for block in shown if not any(re.sub(r"^ +", "", block, flags=re.MULTILINE) in text for text in shipped)]
