"""What every test may use: the reference pack, and a bounded, repeatable Hypothesis."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules stay to the end: looking through them again and again for garbage is a tenth of the
    time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def required(what: str) -> bool:
    """Whether ``DCC_REQUIRE`` (a comma-separated list) turns the absence of ``what`` into a failure."""
    return what in os.environ.get("DCC_REQUIRE", "").replace(",", " ").split()


def absent(what: str, reason: str) -> None:
    """Skip the test because ``what`` is not there, or fail it where ``DCC_REQUIRE`` names it."""
    if required(what):
        pytest.fail(f"{reason} (and DCC_REQUIRE names {what})")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of published files and extracted facts to compare with; it is not part of the project.

    ``DCC_REFERENCE`` names it; without that it is looked for beside the checkout.
    """
    folder = Path(os.environ.get("DCC_REFERENCE") or ROOT.parent / "shared" / "reference")
    folder = folder if folder.is_absolute() else ROOT / folder
    if not (folder / "duis").is_dir():
        absent("reference", "the reference folder is not here; set DCC_REFERENCE to compare with published files")
    return folder


@pytest.fixture
def seed() -> int:
    """The seed of tests that need one and care for no other."""
    return 20_260_101
