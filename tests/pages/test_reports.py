"""Reports in a browser: every page stands alone, has no script that fails, and asks nobody for anything."""

from pathlib import Path

from selenium.webdriver.common.by import By
from typer.testing import CliRunner

from emulator.cli.main import application
from tests.pages.browser import Browser

PLAN = """
[campaign]
name = "town"
title = "A <town> & its meters"
waves = [10, "rest"]
wait = "1 h"

[image]
type = "ESME"
version = "00010100"

[population]
name = "town"
hubs = 200
"""


def ran(*words: str | Path) -> None:
    done = CliRunner().invoke(application, [str(word) for word in words])
    assert done.exit_code in (0, 1), done.output


def check(chromium: Browser, page: Path, heading: str) -> None:
    chromium.open(page.as_uri())
    assert chromium.complaints() == []
    assert chromium.asked_for() == [page.as_uri()]
    assert heading in chromium.driver.find_element(By.TAG_NAME, "h1").text
    width = "return document.documentElement.scrollWidth <= window.innerWidth"
    assert chromium.driver.execute_script(width), "the page is as wide as the window"


def test_verdicts_of_scenarios(chromium: Browser, tmp_path: Path) -> None:
    ran("scenario", "run", "S-10-guard-on", "--html", tmp_path / "verdicts.html", "--evidence", tmp_path)
    check(chromium, tmp_path / "verdicts.html", "cenario")


def test_a_campaign_and_a_comparison(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "town.toml").write_text(PLAN, "utf-8")
    for seed in ("1", "2"):
        ran("campaign", "run", tmp_path / "town.toml", "--seed", seed, "--out", tmp_path / seed)
    check(chromium, tmp_path / "1" / "report.html", "A <town> & its meters")
    ran("campaign", "compare", tmp_path / "1", tmp_path / "2", "--out", tmp_path / "both")
    check(chromium, tmp_path / "both" / "comparison.html", "")
