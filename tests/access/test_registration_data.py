"""Registration of a world: from the estate, its file, rules and commands, and what the gate makes of it."""

from pathlib import Path

import pytest

from emulator.domain.errors import Malformed
from emulator.domain.limits import MAX_REGISTRATION_CSV_CHARACTERS
from emulator.domain.vocabulary import UserRole
from emulator.dsp.inputs import ControlInput
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.estate.registration_base import registration_columns
from emulator.estate.registration_csv import HEADER
from emulator.world import World, create_world, restore_world
from tests.dsp.bench_world import DAY_MS, SUPPLIER, SUPPLIER_TWO, Bench, device

ESME, MPAN, MPRN = device(0, "A0"), "1200000000001", "7400000001"
START = "2026-01-05T08:00:00Z"
NEXT_DAY = "2026-01-06T08:00:00Z"


def estate(top: str = "", bottom: str = "") -> str:
    return f"{top}\n{default_estate_toml()}\n{bottom}"


def with_file(folder: Path, *lines: str, bottom: str = "") -> World:
    (folder / "registrations.csv").write_text("\n".join((HEADER, *lines)) + "\n")
    return create_world(estate_toml=estate('registration_file = "registrations.csv"', bottom), folder=folder)


def company(world: World, mpxn: str, role: UserRole, at_ms: int | None = None) -> str | None:
    store = world.engine.state.dsp.registrations
    party = store.party_for(mpxn, role, world.engine.now_ms if at_ms is None else at_ms)
    return None if party is None else store.parties[party]


def refused(world: World, verb: str, **params: object) -> str:
    world.engine.advance(world.engine.now_ms)
    before = world.engine.digest()
    answer = world.engine.control(ControlInput(verb, params), world.engine.now_ms)
    assert answer.error
    assert world.engine.digest() == before
    return answer.error


def test_a_change_of_supplier_in_the_file_happens_to_the_millisecond(tmp_path: Path) -> None:
    bench = Bench(with_file(tmp_path, f"{MPAN},IS,supplier-two,{NEXT_DAY},"))
    users = {SUPPLIER: [], SUPPLIER_TWO: []}
    for by_ms in (DAY_MS - 1, 1):
        bench.advance(by_ms)
        for user, refusals in users.items():
            refusals.append(bench.submit("4.18", to=ESME, user=user).code == "E4")
    assert users == {SUPPLIER: [False, True], SUPPLIER_TWO: [True, False]}


def test_a_change_of_supplier_in_the_file_orphans_images(tmp_path: Path) -> None:
    bench = Bench(with_file(tmp_path, f"{MPAN},IS,supplier-two,2026-01-15,", "7,GS,supplier-two,2026-01-07,2026-01-09"))
    bench.distribute("11.1", "ESME", [ESME])
    bench.run_until_idle()
    (job,) = bench.world.engine.state.dsp.jobs.values()
    states = [job.state]
    while (due := bench.world.engine.next_wakeup()) is not None and bench.now_ms < bench.world.estate.start_ms + 20 * DAY_MS:
        bench.world.engine.advance(due)
        bench.collect()
        states.append(job.state)
    assert states[0] == "VERIFIED"
    assert states[-1] == "ORPHANED"


def test_file_and_toml_say_one_thing_together(tmp_path: Path) -> None:
    world = with_file(tmp_path, f"{MPAN},IS,supplier-two,2024-01-01,2024-06-01", "1200000000777,IS,supplier-two,2025-01-01,")
    assert [entry["party"] for entry in world.views.registrations(MPAN) if entry["role"] == "IS"] == [
        "supplier-two",
        "supplier-one",
    ]
    assert company(world, "1200000000777", UserRole.IS) == "supplier-two"
    with pytest.raises(
        Malformed, match=r"registrations.csv line 2: begins at the same instant as estate: registration of 12000000"
    ):
        with_file(tmp_path, f"{MPAN},IS,supplier-two,2025-01-01,")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("/etc/passwd", "not below the estate's folder"),
        ("../registrations.csv", "not below the estate's folder"),
        ("a/../../registrations.csv", "not below the estate's folder"),
        ("out/registrations.csv", "not below the estate's folder"),
        ("..\\\\registrations.csv", "not below the estate's folder"),
        ("absent.csv", "cannot be read: No such file"),
        ("inside", "cannot be read: Is a directory"),
    ],
)
def test_files_outside_the_folder_are_not_read(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "registrations.csv").write_text(HEADER)
    folder = tmp_path / "estate"
    (folder / "inside").mkdir(parents=True)
    (folder / "out").symlink_to(tmp_path)
    with pytest.raises(Malformed, match="registration_file") as caught:
        create_world(estate_toml=estate(f'registration_file = "{name}"'), folder=folder)
    assert complaint in str(caught.value)


def test_an_estate_that_is_sent_names_no_file() -> None:
    with pytest.raises(Malformed, match="an estate that is not a file cannot name one"):
        create_world(estate_toml=estate('registration_file = "registrations.csv"'))


@pytest.mark.parametrize(
    ("bottom", "complaint"),
    [
        ('[[registrations]]\nmpxn = "12"\nrole = "IS"\nparty = "supplier-one"\nstart = 2025-01-01', "nobody is registered as IS"),
        (
            '[[registrations]]\nmpxn = "x"\nrole = "GS"\nparty = "supplier-one"\nstart = 2025-01-01',
            "mpxn is 'x'; expected an MPAN",
        ),
        ('[[registrations]]\nmpxn = "1"\nrole = "GS"\nparty = "nobody"\nstart = 2025-01-01', "party 'nobody' is not declared"),
        (
            f'[[registrations]]\nmpxn = "{MPAN}"\nrole = "IS"\nparty = "supplier-two"\nstart = 2025-01-01T00:00:00Z',
            "begins at the same instant",
        ),
        (
            '[[registration_rules]]\nrole = "GS"\nfirst_mpxn = "2"\nlast_mpxn = "1"\nshares = { supplier-one = 1 }',
            "registration rule 1: '2' to '1' is no range",
        ),
        ('[[registration_rules]]\nrole = "GS"\nfirst_mpxn = "1"\nlast_mpxn = "2"\nshares = {}', "shares has 0 entries"),
    ],
)
def test_an_estate_says_what_is_wrong(bottom: str, complaint: str) -> None:
    with pytest.raises(Malformed, match=r"^our\.toml: ") as caught:
        load_estate(estate(bottom=bottom), source="our.toml")
    assert complaint in str(caught.value)


def test_a_rule_gives_a_party_to_every_mpxn_of_its_range(seed: int) -> None:
    rule = '[[registration_rules]]\nrole = "GS"\nfirst_mpxn = "7400000001"\nlast_mpxn = "7400009999"\n'
    shares = "shares = { supplier-two = 1, network-operator = 1 }"
    world = create_world(estate_toml=estate(bottom=rule + shares), seed=seed)
    assert company(world, MPRN, UserRole.GS) == "supplier-one", "what is listed goes before"
    found = {company(world, f"74000000{number}", UserRole.GS) for number in range(10, 99)}
    assert found == {"supplier-two", "network-operator"}
    again = restore_world("again", world.engine.snapshot())
    assert [company(again, f"74000000{number}", UserRole.GS) for number in range(10, 99)] == [
        company(world, f"74000000{number}", UserRole.GS) for number in range(10, 99)
    ]


def test_the_file_is_not_in_snapshots(tmp_path: Path) -> None:
    lines = [f"{12 * 10**11 + 10**6 + number},IS,supplier-two,2025-01-01," for number in range(20_000)]
    world, plain = with_file(tmp_path, *lines), create_world(estate_toml=estate())
    bench = Bench(world)
    bench.control("registration.put", mpxn="1200001000007", role="IS", party="supplier-one", from_ms=bench.now_ms + 5)
    snapshot = world.engine.snapshot()
    assert len(snapshot) < len(plain.engine.snapshot()) + 1_000
    columns = world.columns
    assert columns is not None
    kept = {columns.digest: columns}
    (tmp_path / "registrations.csv").unlink()
    again = restore_world("again", snapshot, columns=kept.get)
    assert again.engine.snapshot() == snapshot
    at_ms = world.engine.now_ms + 5
    for mpxn in ("1200001000006", "1200001000007", MPAN):
        for instant_ms in (at_ms - 1, at_ms):
            assert company(again, mpxn, UserRole.IS, instant_ms) == company(world, mpxn, UserRole.IS, instant_ms) is not None
    with pytest.raises(Malformed, match="the registration columns are missing"):
        restore_world("again", snapshot)
    with pytest.raises(Malformed, match="are not those of this world"):
        restore_world("again", snapshot, columns=lambda _: registration_columns(plain.estate))


def test_the_order_of_lines_leaves_no_trace(tmp_path: Path) -> None:
    lines = [
        f"{MPAN},RSA,other-user,2025-01-01,",
        f"{MPRN},RSA,other-user,2025-01-01,2025-02-01",
        f"{MPAN},IS,supplier-two,2027-01-01,",
    ]
    worlds = [with_file(tmp_path, *order) for order in (lines, lines[::-1], [*lines, *lines])]
    assert len({world.engine.digest() for world in worlds}) == 1


def test_csv_at_run_time_is_all_or_nothing() -> None:
    bench = Bench()
    text = f"{HEADER}\n{MPAN},IS,supplier-two,{NEXT_DAY},\n{MPRN},GS,supplier-two,2026-02-01,2026-03-01\n"
    assert bench.control("registration.load", csv=text) == {"registrations": 2, "mpxns": 2}
    assert company(bench.world, MPAN, UserRole.IS) == "supplier-one"
    assert company(bench.world, MPAN, UserRole.IS, bench.now_ms + DAY_MS) == "supplier-two"
    assert company(bench.world, MPRN, UserRole.GS, bench.now_ms + 90 * DAY_MS) is None
    bad = f"{HEADER}\n{MPAN},IS,supplier-one,2026-01-01,\n{MPAN},IS,nobody,2026-01-02,\n"
    assert "csv line 3: party 'nobody' is not declared" in refused(bench.world, "registration.load", csv=bad)
    twice = f"{HEADER}\n{MPAN},IS,supplier-one,2026-01-01,\n{MPAN},IS,supplier-two,2026-01-01,\n"
    assert "two registrations as IS begin at the same instant" in refused(bench.world, "registration.load", csv=twice)
    assert "characters" in refused(bench.world, "registration.load", csv="x" * (MAX_REGISTRATION_CSV_CHARACTERS + 1))
    assert "line 1" in refused(bench.world, "registration.load", csv="\ud800")
    assert "csv is missing" in refused(bench.world, "registration.load")
    assert "'path' is not a parameter" in refused(bench.world, "registration.load", csv=HEADER, path="/etc/passwd")


def test_an_end_without_a_successor() -> None:
    bench = Bench()
    at_ms = bench.now_ms
    bench.control("registration.put", mpxn=MPAN, role="IS", party="supplier-one", from_ms=at_ms, to_ms=at_ms + 10)
    assert company(bench.world, MPAN, UserRole.IS, at_ms + 9) == "supplier-one"
    assert company(bench.world, MPAN, UserRole.IS, at_ms + 10) is None
    assert "does not end after it begins" in refused(
        bench.world, "registration.put", mpxn=MPAN, role="IS", party="supplier-one", from_ms=at_ms, to_ms=at_ms
    )
    assert "party 'x' is not declared" in refused(bench.world, "registration.put", mpxn=MPAN, role="IS", party="x")
    assert "is not an MPxN" in refused(bench.world, "registration.put", mpxn="x", role="IS", party="supplier-one")


def test_a_pending_supplier_is_known_as_such() -> None:
    bench = Bench()
    bench.control("registration.put", mpxn=MPAN, role="IS", party="supplier-two", from_ms=bench.now_ms + DAY_MS)
    store = bench.world.engine.state.dsp.registrations
    assert [entry.party for entry in store.pending(MPAN, UserRole.IS, bench.now_ms)] == ["supplier-two"]
    assert store.pending(MPAN, UserRole.IS, bench.now_ms + DAY_MS) == []
    assert store.next_change_of(MPAN, bench.now_ms) == bench.now_ms + DAY_MS
    bench.control("registration.put", mpxn=MPAN, role="IS", party="supplier-one", from_ms=bench.now_ms + 5)
    assert store.pending(MPAN, UserRole.IS, bench.now_ms + 5) == [], "a later command supersedes what was pending"
