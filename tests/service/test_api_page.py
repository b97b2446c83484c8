"""The control API as a page for people."""

import json
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
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    links = set(re.findall(r'href="([^"]*)"', page)) - {"openapi.json", "data:,"}
    assert all(f'id="{link[1:]}"' in page for link in links)
    assert not re.search(r"src=|@import|url\(|https?://", page.replace(json.dumps(document, ensure_ascii=False), ""))
