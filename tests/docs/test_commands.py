"""The commands and files that the documentation shows exist, and those of the walk through the command line do what it says."""

import asyncio
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from emulator.cli.main import application
from emulator.estate.declaration import default_estate_toml
from emulator.service.config import load_settings
from emulator.service.server import running_server
from emulator.world import create_world

ROOT = Path(__file__).resolve().parents[2]
GENERATED = "<!-- Written by docs/generate.py"
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if not page.read_text("utf-8").startswith(GENERATED)
]
WALKS = {
    "update-firmware": (
        "state: VERIFIED",
        "activate_image_code: 0",
        "firmware_version: 00010300",
        "DeviceFirmwareVersion: 00010300",
    ),
    "see-what-happens": ("event: gbcs.", "no differences", "state: ready", "nothing is amiss", "  yes"),
    "stock": ("state: under way", "break-even.svg: ", "8.1.1 ESME commissioned, answered", "installed: yes"),
}
"""Guides whose commands work from nothing, and what they say on the way."""


def commands(page: Path) -> Iterator[str]:
    """What follows a ``$`` in console blocks, with the lines that continue it."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        yield from (found.strip() for found in re.findall(r"^\$ (.*(?:\n    .*|(?<=\\)\n.*)*)", block, re.MULTILINE))


def emulator_commands() -> Iterator[tuple[Path, list[str]]]:
    for page in PAGES:
        shown = [*commands(page), *re.findall(r"`(dcc-emulator [^`]+)`", page.read_text("utf-8").replace("\n", " "))]
        for command in shown:
            for part in re.split(r"[|&]", command):
                words = shlex.split(part, comments=True) if "dcc-emulator" in part else []
                if words and Path(words[0]).name == "dcc-emulator":
                    yield page, words[1:]


SHOWN = list(emulator_commands())


def test_commands_are_shown_at_all() -> None:
    assert len(SHOWN) > 25


@pytest.mark.parametrize(("page", "words"), SHOWN, ids=lambda value: value.stem if isinstance(value, Path) else " ".join(value))
def test_a_command_that_is_shown_exists(page: Path, words: list[str]) -> None:
    command: Any = typer.main.get_command(application)
    options = {"--help"}
    for word in words:
        if hasattr(command, "commands") and not word.startswith("-"):
            assert word in command.commands, f"{page.name}: no verb {word!r}"
            command = command.commands[word]
            options |= {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        elif word.startswith("-") and word != "-":
            assert word in options, f"{page.name}: no option {word!r}"


def test_the_addition_to_an_estate_is_one() -> None:
    (addition,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/how-to/own-estate.md").read_text("utf-8"), re.DOTALL)
    before, after = (create_world(estate_toml=text).estate for text in (default_estate_toml(), default_estate_toml() + addition))
    counts = [[len(part) for part in (estate.homes[-1].devices, estate.registrations, estate.cpl)] for estate in (before, after)]
    assert counts[1] == [count + 1 for count in counts[0]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_settings_that_are_shown_are_settings(page: Path, tmp_path: Path) -> None:
    for block in re.findall(r"```toml\n(# emulator\.toml\n.*?)```", page.read_text("utf-8"), re.DOTALL):
        path = tmp_path / "emulator.toml"
        path.write_text(block)
        assert load_settings(path, env={}).settings.model_dump(exclude_defaults=True).keys() == tomllib.loads(block).keys()


@pytest.mark.verify
@pytest.mark.parametrize("guide", WALKS)
async def test_the_walk_through_the_command_line_does_what_it_says(guide: str, tmp_path: Path) -> None:
    """Every command of the page, one after the other in one shell that stops at the first that fails."""
    (tmp_path / "hub.bin").write_bytes(bytes(5_000))
    flags = {"duis.port": 0, "smki.port": 0, "control.port": 0}
    async with running_server(load_settings(env={}, flags=flags)) as server:
        ready = tmp_path / "ready.json"
        ready.write_text(json.dumps({name: server.url(name) for name in ("control", "duis", "smki")}))
        script = "set -eo pipefail\n" + "\n".join(commands(ROOT / "docs" / "how-to" / f"{guide}.md"))
        for port, name in ((8080, "control"), (8083, "smki")):
            script = script.replace(f"http://127.0.0.1:{port}", server.url(name))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", script),
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "DCC_SERVER": str(ready), "NO_COLOR": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await asyncio.wait_for(process.communicate(), 600))[0].decode()
    assert process.returncode == 0, output
    for words in WALKS[guide]:
        assert words in output, output
