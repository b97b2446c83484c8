"""The folder of a run: ``result.json``, the report, the curves."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator.campaigns.curves import lines_of, plotting, png, sum_of, svg
from emulator.campaigns.pages import COMPARED, compared, comparison_page, report_page
from emulator.campaigns.result import as_bytes, from_bytes
from emulator.domain.errors import Malformed

RESULT = "result.json"
REPORT = "report.html"
COMPARISON = "comparison.html"
COMPARED_STAGES = ("at_hub", "verified", "activated")


def write_run(folder: Path, result: Mapping[str, Any], *, pictures: bool) -> list[Path]:
    """Write everything about one run; ``pictures`` adds PNG and needs the extra ``plots``."""
    if pictures:
        plotting()
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {RESULT: as_bytes(dict(result)), REPORT: report_page(result).encode()}
    for region in result["course"]["regions"]:
        name, lines = f"curves-{re.sub(r'[^a-z0-9]+', '-', region.lower()).strip('-')}", lines_of(result, region)
        title = f"{result['title']}: {region}"
        files[f"{name}.svg"] = svg(title, lines).encode()
        if pictures:
            files[f"{name}.png"] = png(title, lines)
    return _written(folder, files)


def read_run(folder: Path) -> dict[str, Any]:
    """The result of a run, from its folder or its file."""
    path = folder / RESULT if folder.is_dir() else folder
    try:
        return from_bytes(path.read_bytes(), str(path))
    except OSError as error:
        detail = f"cannot be read: {error.strerror}"
        raise Malformed(detail, where=str(path), expected="the folder that `campaign run --out` wrote") from None


def compare(results: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Several results side by side as JSON."""
    return {
        "runs": [
            {
                "name": name,
                "campaign": result["campaign"],
                "seed": result["seed"],
                "configuration": result["configuration"],
                **{key.replace(" ", "_"): compared(result, key) for _, key in COMPARED},
            }
            for name, result in results
        ]
    }


def write_comparison(folder: Path, results: Sequence[tuple[str, Mapping[str, Any]]], *, pictures: bool) -> list[Path]:
    """Write the comparison of several runs."""
    if pictures:
        plotting()
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {"comparison.json": as_bytes(compare(results)), COMPARISON: comparison_page(results).encode()}
    for stage in COMPARED_STAGES:
        title, lines = stage.replace("_", " "), [sum_of(result, stage, name) for name, result in results]
        files[f"compare-{stage.replace('_', '-')}.svg"] = svg(title, lines).encode()
        if pictures:
            files[f"compare-{stage.replace('_', '-')}.png"] = png(title, lines)
    return _written(folder, files)


def _written(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]
