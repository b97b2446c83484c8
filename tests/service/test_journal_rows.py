"""Entries of the journal that share a row are found as if each had one of its own: a log on disk answers as one in memory."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from emulator.dsp.effects import SharedData
from emulator.service.config import Storage
from emulator.service.persistence.contract import JournalQuery, JournalRow, LastNumbers, Step
from emulator.service.persistence.journal_rows import MAX_ENTRIES
from emulator.service.persistence.memory_log import MemoryLog
from emulator.service.persistence.sqlite_log import SqliteLog

KINDS = ("gate", "gate.more", "gbcs.command", "push.queued", 'odd"kind')
REQUESTS = ("A0:B1:1", "a0:b1:2", None)
DEVICES = (1, 0xA0B0, None)
GRANTED = SharedData(role="IS", verdicts=[{"check": "user_unknown", "passed": True}])
DATA: tuple[dict[str, Any], ...] = ({}, {"kind": '["gate"'}, {"gbcs": "00ff", "text": 'é"\\'}, GRANTED, SharedData(code="I0"))
SUMMARIES = ("granted", 'Said "so"', "a line", "ÉTÉ")


def entry(dice: random.Random) -> JournalRow:
    seq, delivery = dice.choice((None, 3)), dice.choice((None, 4))
    about = dice.choice(KINDS), dice.choice(REQUESTS), dice.choice(DEVICES)
    return JournalRow(dice.choice((10, 10, 10, 20)), 5, *about, dice.choice(SUMMARIES), dice.choice(DATA), seq, delivery)


def steps(dice: random.Random) -> Iterator[Step]:
    """Some say much of one request, some a little of everything."""
    for _ in range(60):
        entries = [entry(dice) for _ in range(dice.choice((0, 1, 2, 5, 40)))]
        if dice.random() < 0.5:
            entries = [each._replace(at_ms=10, request_id=REQUESTS[0]) for each in entries]
        yield Step(journal=entries)


def queries(dice: random.Random) -> Iterator[JournalQuery]:
    yield JournalQuery(limit=100_000)
    for _ in range(250):
        yield JournalQuery(
            request_id=dice.choice((None, None, "A0:b1:1", "A0:B1:2", "nobody")),
            device=dice.choice((None, None, 1, 0xA0B0, 7)),
            kind=dice.choice((None, None, "gate", "gbcs", "push.queued", 'odd"kind', "gat")),
            since_ms=dice.choice((None, 11)),
            until_ms=dice.choice((None, 20)),
            after=dice.choice((0, 0, 1, 57, 300)),
            limit=dice.choice((0, 1, 7, 100_000)),
            text=dice.choice(("", "", "GRANT", '"', "so", "nothing")),
        )


async def test_what_shares_a_row_is_found_like_what_does_not(tmp_path: Path) -> None:
    dice = random.Random(7)
    disk, memory = await SqliteLog.open(tmp_path, "default", Storage()), MemoryLog("default", Storage())
    for step in steps(dice):
        await disk.append(step)
        await memory.append(step)
    found = 0
    for query in queries(dice):
        told = await disk.journal(query)
        assert told == await memory.journal(query), query
        found += len(told)
    assert found > 1_000
    await disk.close()
    await memory.close()


async def test_what_a_step_says_of_a_request_is_one_row_of_bounded_size(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path, "default", Storage())
    said = [
        JournalRow(1, 2, "duis.request", "A:B:1", 1, "asked", SharedData(code="I99"), seq=1),
        JournalRow(1, 2, "gate", "A:B:1", None, "granted", GRANTED, effect=7),
        JournalRow(1, 2, "push.queued", "A:B:1", 1, "queued", {}, delivery=1),
    ]
    await log.append(Step(journal=said))
    await log.append(Step(journal=[said[1]] * (2 * MAX_ENTRIES + 1)))
    assert await log.last_numbers() == LastNumbers(effect=7)
    await log.close()
    with closing(sqlite3.connect(tmp_path / "log.sqlite3")) as connection:
        numbers = [number for (number,) in connection.execute("SELECT number FROM journal ORDER BY number")]
        texts = connection.execute("SELECT COUNT(*) FROM journal_data").fetchone()
    assert numbers == [3, 3 + MAX_ENTRIES, 3 + 2 * MAX_ENTRIES, 4 + 2 * MAX_ENTRIES]
    assert texts == (2,), "what many say is kept once"


async def test_what_format_2_kept_is_found_beside_it(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path, "default", Storage())
    await log.close()
    with closing(sqlite3.connect(tmp_path / "log.sqlite3", isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO journal (number, world, at_ms, wall_ms, kind, request_id, request_key, device, summary, data, effect) "
            """VALUES (5, 'default', 1, 2, 'gate', 'A:B:1', 'a:b:1', NULL, 'granted', '{"role":"IS"}', 7)"""
        )
    log = await SqliteLog.open(tmp_path, "default", Storage())
    await log.append(Step(journal=[JournalRow(3, 4, "gate", "A:B:2", None, "refused", GRANTED)]))
    told = await log.journal(JournalQuery(kind="gate"))
    assert [(each["number"], each["data"]["role"], each["summary"]) for each in told] == [
        (5, "IS", "granted"),
        (6, "IS", "refused"),
    ]
    await log.close()
