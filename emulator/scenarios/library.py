"""The scenarios that the package ships, and how a command line names scenarios."""

from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

from emulator.domain.errors import Malformed
from emulator.scenarios.model import Scenario, Size
from emulator.scenarios.names import suggest
from emulator.scenarios.reading import read_about, read_scenario


@cache
def library() -> dict[str, Path]:
    """Every shipped file by the id of its scenario, which is its name, in order."""
    folder = resources.files("emulator.scenarios") / "library"
    paths = sorted(Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {path.stem: path for path in paths}


def find(wanted: Iterable[str] | None, *, full: bool = True) -> list[Path]:
    """Files for what a user names: a path, the id of a shipped scenario, or the beginning of ids up to a hyphen (``S-10``);
    all that are shipped for None. Without ``full`` those of full size only by their whole names."""
    found: list[Path] = []
    for text in library() if wanted is None else wanted:
        path = Path(text)
        if path.suffix == ".toml":
            found.append(path)
            continue
        named = [each for name, each in library().items() if name == text or name.startswith(f"{text}-")]
        if not named:
            raise Malformed(f"there is no scenario {text!r}", expected=suggest(text, library()) + ", or the path of a TOML file")
        whole = wanted is not None and text in library()
        found += [each for each in named if full or (whole and each.stem == text) or read_about(each).size is Size.SUITE]
    return list(dict.fromkeys(found))


def shipped() -> list[Scenario]:
    """All shipped scenarios, read and checked."""
    return [read_scenario(path) for path in library().values()]
