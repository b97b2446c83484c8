"""The control API as a page for people."""

import re

import aiohttp

from emulator.service.server import Server


async def test_the_page_shows_every_operation_and_loads_nothing(server: Server, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{server.url()}/control/v1/openapi.json") as answer:
        document = await answer.json()
    async with http.get(f"{server.url()}/control/v1/docs") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        page = await answer.text()
    wanted = [each["operationId"] for operations in document["paths"].values() for each in operations.values()]
    assert all(f'id="{name}"' in page for name in wanted)
    links = set(re.findall(r'href="([^"]*)"', page))
    assert all(link == "openapi.json" or f'id="{link[1:]}"' in page for link in links)
    assert not re.search(r"<script|<link|src=|@import|url\(", page)
