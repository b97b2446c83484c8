"""Verifying and exporting an audit trail: whatever is edited, dropped, put in or written anew is found, and where."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from emulator.domain.errors import Malformed
from emulator.dsp.audit import AuditState, append
from emulator.service.audit_trail import export_lines, last_sent_image, read_export, verify_trail
from emulator.service.persistence.contract import Step
from emulator.service.persistence.memory_log import MemoryLog
from emulator.service.persistence.offline import data_folder_trail
from emulator.service.persistence.sqlite_log import SqliteLog
from tests.service.audit_chains import OTHER, USER, Chain, device
from tests.service.test_audit_log import steps_of
from tests.service.test_world_logs import SETTINGS, input_row, open_log

Edit = Callable[..., None]


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    """A log with the six records of :meth:`Chain.some`, in the place where a server has it."""
    made = await open_log(tmp_path / "data" / "worlds" / "default")
    for step in steps_of(Chain().some()):
        await made.append(step)
    yield made
    await made.close()


@pytest.fixture
def edit(disk: SqliteLog) -> Edit:
    """Change the database behind the log's back."""

    def change(*statements: str) -> None:
        connection = sqlite3.connect(disk.folder / "log.sqlite3")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return change


END = Chain().some().rows[-1].record
KNOWN = (END.number, END.digest)


async def test_a_whole_trail_is_whole(disk: SqliteLog) -> None:
    verdict = await verify_trail(disk.trail, end=KNOWN)
    assert (verdict.whole, verdict.records, verdict.lists, verdict.end, verdict.problem) == (True, 6, 2, KNOWN, "")
    assert verdict.as_json()["end"] == {"number": 6, "digest": END.digest}


TAMPERING = {
    "an outcome": ("UPDATE audit SET entry = json_set(entry, '$.outcome', 'I99') WHERE number = 2", 2, "edited"),
    "a user": (f"UPDATE audit SET entry = replace(entry, '{OTHER}', '{USER}') WHERE number = 2", 2, "edited"),
    "a field more": ("UPDATE audit SET entry = json_set(entry, '$.grant', '7') WHERE number = 1", 1, "edited"),
    "a field that is none": ("UPDATE audit SET entry = json_set(entry, '$.surprise', '7') WHERE number = 4", 4, "edited"),
    "a time": ("UPDATE audit SET at_ms = at_ms - 1 WHERE number = 4", 4, "edited"),
    "a digest": ("UPDATE audit SET digest = replace(digest, 'a', 'b') WHERE number = 3", 3, "edited"),
    "a link": ("UPDATE audit SET previous = digest WHERE number = 3", 3, "does not follow"),
    "one dropped": ("DELETE FROM audit WHERE number = 3", 3, "record 3 is missing; found 4"),
    "the first dropped": ("DELETE FROM audit WHERE number = 1", 1, "record 1 is missing"),
    "the end dropped": ("DELETE FROM audit WHERE number > 4", 5, "ends at record 4; the world's last record is 6"),
    "all dropped": ("DELETE FROM audit", 1, "ends at record 0"),
    "a list dropped": ("DELETE FROM device_lists WHERE devices = 9", 3, "list of devices that record 3 names is missing"),
    "a list edited": ("UPDATE device_lists SET octets = substr(octets, 9) WHERE devices = 9", 3, "missing or was edited"),
}


@pytest.mark.parametrize(("statement", "number", "says"), TAMPERING.values(), ids=TAMPERING.keys())
async def test_what_was_tampered_with_is_found_where_it_is(
    disk: SqliteLog, edit: Edit, statement: str, number: int, says: str
) -> None:
    edit(statement)
    verdict = await verify_trail(disk.trail, end=KNOWN)
    assert (verdict.whole, verdict.broken_at) == (False, number)
    assert says in verdict.problem
    assert verdict.end[0] == verdict.records == number - 1


async def test_a_damaged_file_of_a_list_is_found(disk: SqliteLog) -> None:
    (blob,) = [path for path in (disk.folder / "blobs").rglob("*") if path.is_file()]
    blob.write_bytes(blob.read_bytes()[:-8])
    assert (await verify_trail(disk.trail, end=KNOWN)).broken_at == 5


def rewritten(edit: Edit) -> None:
    """Somebody with time: another outcome in record 2, and every digest from there on made again."""
    rows = Chain().some().rows
    state = AuditState(1, rows[0].record.digest)
    for row in rows[1:]:
        entry = row.record.entry
        forged = append(state, entry._replace(outcome="I99"), row.record.at_ms)
        edit(
            f"UPDATE audit SET entry = json_set(entry, '$.outcome', 'I99'), previous = '{forged.previous}', "
            f"digest = '{forged.digest}' WHERE number = {forged.number}"
        )


async def test_a_chain_written_anew_is_found_by_who_knows_its_end(disk: SqliteLog, edit: Edit) -> None:
    rewritten(edit)
    assert (await verify_trail(disk.trail)).whole, "nobody else knows anything"
    verdict = await verify_trail(disk.trail, end=KNOWN)
    assert (verdict.broken_at, "another digest" in verdict.problem) == (6, True)
    third = Chain().some().rows[2].record
    verdict = await verify_trail(disk.trail, marks={1: Chain().some().rows[0].record.digest, 3: third.digest})
    assert (verdict.broken_at, "written anew" in verdict.problem) == (3, True)


async def test_a_snapshot_knows_that_there_was_more(disk: SqliteLog) -> None:
    verdict = await verify_trail(disk.trail, marks={9: "f" * 64})
    assert (verdict.broken_at, verdict.problem) == (7, "the chain ends at record 6; a snapshot knows record 9")


async def test_long_trails_are_walked_in_portions(disk: SqliteLog, edit: Edit) -> None:
    chain = Chain().some()
    for _ in range(2_500):
        chain.add(4, range(3))
    await disk.append(Step(input_row(4), audit=chain.rows[6:]))
    end = (chain.state.number, chain.state.digest)
    verdict = await verify_trail(disk.trail, end=end)
    assert (verdict.whole, verdict.records, verdict.lists) == (True, 2_506, 3)
    early = await verify_trail(disk.trail, end=(1_500, chain.rows[1_499].record.digest))
    assert (early.whole, early.records) == (True, 1_500), "what came later is not looked at"
    edit("UPDATE audit SET at_ms = 0 WHERE number = 2001")
    assert (await verify_trail(disk.trail, end=end)).broken_at == 2_001


# Exports


async def exported(disk: SqliteLog) -> list[bytes]:
    return [line async for line in export_lines(disk.trail, await disk.trail.end())]


async def test_an_export_is_the_trail_again(disk: SqliteLog) -> None:
    lines = await exported(disk)
    names = [next(name for name in ("start", "entry", "end", "devices") if name in json.loads(line)) for line in lines]
    assert names == ["start", "entry", "entry", "devices", "entry", "entry", "devices", "entry", "entry", "end"]
    trail, end = read_export(lines)
    assert end == KNOWN
    verdict = await verify_trail(trail, end=end)
    assert verdict == await verify_trail(disk.trail, end=KNOWN)
    assert verdict.whole


async def test_a_limited_trail_is_exported_from_where_it_begins() -> None:
    log = MemoryLog("default", SETTINGS.model_copy(update={"keep_audit": 4}))
    await log.append(Step(input_row(1), audit=Chain().some().rows))
    trail, end = read_export([line async for line in export_lines(log.trail, await log.trail.end())])
    verdict = await verify_trail(trail, end=end)
    assert (verdict.whole, verdict.start[0], verdict.records) == (True, 2, 4)
    await log.close()


RECORDS, LISTS = (1, 2, 4, 5, 7, 8), (3, 6)
"""Lines of the export."""


@pytest.mark.parametrize("at", sorted(RECORDS + LISTS))
@pytest.mark.parametrize("how", ["edit", "drop", "double"])
async def test_every_line_of_an_export_counts(disk: SqliteLog, at: int, how: str) -> None:
    lines = await exported(disk)
    if how == "edit":
        lines[at] = lines[at].replace(b'"outcome":"', b'"outcome":"X') if at in RECORDS else lines[at].replace(b"FE-", b"FF-", 1)
    elif how == "drop":
        del lines[at]
    else:
        lines.insert(at, lines[at])
    trail, end = read_export(lines)
    assert (await verify_trail(trail, end=end)).whole == (how == "double" and at in LISTS), "a list may be there twice"


async def test_an_export_that_was_cut_off_has_no_end(disk: SqliteLog) -> None:
    lines = await exported(disk)
    assert read_export(lines[:-1])[1] is None
    assert read_export(lines[:5])[1] is None


@pytest.mark.parametrize(
    "lines",
    [
        [b"{"],
        [b"[]"],
        [b'{"records": 1}'],
        [b'{"start":{"number":0,"digest":"0"}}', b'{"entry":{}}'],
        [b"\xff"],
        [b'{"start":1}'],
    ],
)
def test_what_is_no_export_is_refused_with_its_line(lines: list[bytes]) -> None:
    with pytest.raises(Malformed, match="not an export of the audit trail") as refused:
        read_export(lines)
    assert refused.value.where == f"line {len(lines)}"


# A data folder without its server


async def test_a_data_folder_is_read_while_its_server_writes(disk: SqliteLog, edit: Edit, tmp_path: Path) -> None:
    async with data_folder_trail(tmp_path / "data", "default") as (trail, marks):
        assert marks == {}, "these snapshots are none of an engine"
        assert (await verify_trail(trail, end=KNOWN)).whole
        await disk.append(Step(input_row(4), audit=[]))
    edit("DELETE FROM audit WHERE number = 2")
    async with data_folder_trail(tmp_path / "data", "default") as (trail, _):
        assert (await verify_trail(trail)).broken_at == 2


async def test_folders_without_a_trail_are_refused_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "worlds" / "default"
    with pytest.raises(Malformed, match="there is no world 'default' in it"):
        async with data_folder_trail(tmp_path / "data", "default"):
            pass
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "log.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(Malformed, match="format 1, which holds no audit trail"):
        async with data_folder_trail(tmp_path / "data", "default"):
            pass
    (folder / "log.sqlite3").write_bytes(b"no database at all " * 100)
    with pytest.raises(Malformed, match="cannot be read"):
        async with data_folder_trail(tmp_path / "data", "default"):
            pass


# Who last sent an image


async def test_who_last_sent_an_image(disk: SqliteLog) -> None:
    async def number(device_number: int, before_ms: int | None = None) -> int | None:
        found = await last_sent_image(disk.trail, device(device_number), before_ms)
        return None if found is None else found.number

    assert await number(8) == 5, "the list names it"
    assert await number(8, 5_000) == 3, "before that, another user"
    assert await number(1) == 3
    assert await number(8, 3_000) is None
    assert await number(700) is None


async def test_a_refused_image_was_not_sent() -> None:
    log = MemoryLog("default", SETTINGS)
    chain = Chain()
    chain.add(user=USER, device=device(1), variant="11.1", outcome="W110101")
    chain.add(user=OTHER, device=device(1), variant="11.1", outcome="E5")
    for _ in range(1_100):
        chain.add(user=OTHER, device=device(1), variant="11.2")
    await log.append(Step(input_row(1), audit=chain.rows))
    found = await last_sent_image(log.trail, device(1))
    assert found is not None
    assert (found.number, found.entry.user) == (1, USER)
    await log.close()
