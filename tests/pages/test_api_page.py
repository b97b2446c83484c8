"""The page of the control API in a browser: an operation is found and tried, and nothing comes from elsewhere."""

import json
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from emulator.testing.harness import RunningEmulator, running_emulator
from tests.pages.browser import Browser

TOKEN = "sesame"


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    with running_emulator({"control.token": TOKEN}) as found:
        yield found


def shown(chromium: Browser) -> list[WebElement]:
    found = chromium.driver.find_elements(By.CSS_SELECTOR, "section .op")
    return [each for each in found if each.is_displayed()]


def find(chromium: Browser, words: str) -> WebElement:
    """The one operation that the search leaves, opened."""
    search = chromium.driver.find_element(By.ID, "find")
    search.clear()
    search.send_keys(words)
    (operation,) = shown(chromium)
    operation.find_element(By.TAG_NAME, "summary").click()
    WebDriverWait(chromium.driver, 20).until(lambda _: operation.find_elements(By.CSS_SELECTOR, "form.try"))
    return operation


def send(chromium: Browser, operation: WebElement) -> tuple[str, str]:
    """Status line and content of the answer."""
    pre = ".answer pre"
    operation.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    WebDriverWait(chromium.driver, 20).until(lambda _: operation.find_elements(By.CSS_SELECTOR, ".status.good, .status.bad"))
    WebDriverWait(chromium.driver, 20).until(lambda _: operation.find_elements(By.CSS_SELECTOR, pre)[-1].text)
    return operation.find_element(By.CSS_SELECTOR, ".status").text, operation.find_elements(By.CSS_SELECTOR, ".answer pre")[
        -1
    ].text


def test_an_operation_is_found_and_tried(chromium: Browser, emulator: RunningEmulator) -> None:
    chromium.open(f"{emulator.control}/control/v1/docs")
    assert len(shown(chromium)) > 80
    operation = find(chromium, "clock advance")
    body = operation.find_element(By.NAME, "body")
    body.clear()
    body.send_keys('{"by_ms": 3600000}')
    status, content = send(chromium, operation)
    assert status.startswith("401")
    chromium.driver.find_element(By.ID, "token").send_keys(TOKEN)
    status, content = send(chromium, operation)
    assert status.startswith("200")
    assert json.loads(content)["reached"] is True
    assert "curl -s -X POST" in operation.find_element(By.CSS_SELECTOR, ".answer pre").text
    asked = chromium.asked_for()
    assert [url for url in asked if not url.startswith(emulator.control)] == []
    assert [each for each in chromium.complaints() if "401" not in each] == []


def test_parameters_have_places_and_mistakes_are_shown(chromium: Browser, emulator: RunningEmulator) -> None:
    chromium.open(f"{emulator.control}/control/v1/docs")
    chromium.driver.find_element(By.ID, "token").send_keys(TOKEN)
    operation = find(chromium, "one device: inventory")
    device = operation.find_element(By.NAME, "device")
    device.send_keys("00-DB-12-34-56-78-90-A0")
    status, content = send(chromium, operation)
    assert (status[:3], json.loads(content)["inventory"]["type"]) == ("200", "ESME")
    device.clear()
    device.send_keys("nobody")
    status, content = send(chromium, operation)
    assert (status[:3], json.loads(content)["where"]) == ("400", "device")


def test_a_link_to_an_operation_opens_it(chromium: Browser, emulator: RunningEmulator) -> None:
    chromium.open(f"{emulator.control}/control/v1/docs#post_campaigns")
    operation = chromium.driver.find_element(By.ID, "post_campaigns")
    assert operation.get_attribute("open") is not None
    assert chromium.complaints() == []


def test_a_stream_is_shown_as_it_comes_and_stopped(chromium: Browser, emulator: RunningEmulator) -> None:
    chromium.open(f"{emulator.control}/control/v1/docs")
    chromium.driver.find_element(By.ID, "token").send_keys(TOKEN)
    emulator.ask(lambda control: control.pause(), token=TOKEN)
    operation = find(chromium, "server-sent events")
    status, content = send(chromium, operation)
    assert status.startswith("200")
    assert "data: " in content
    operation.find_element(By.CSS_SELECTOR, "button.second").click()
    WebDriverWait(chromium.driver, 20).until(lambda _: not operation.find_elements(By.CSS_SELECTOR, "button.second"))
    assert chromium.complaints() == []
