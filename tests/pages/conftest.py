"""One browser for all pages, with an empty profile."""

from collections.abc import Iterator

import pytest

from tests.pages.browser import Browser, browser


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser."""
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found
