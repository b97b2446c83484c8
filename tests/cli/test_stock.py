"""Hubs and meters outside homes from the command line, against a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.testing.harness import RunningEmulator, running_emulator
from tests.cli.conftest import Run

PRODUCT = ("--manufacturer", "10C0", "--model", "00010101", "--version", "00010000=1")
HUB, OTHER = "00-DB-50-00-00-00-00-00", "00-DB-50-00-00-00-00-02"


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    """A server."""
    with running_emulator() as found:
        yield found


def test_a_hub_goes_round(emulator: RunningEmulator, run: Run, tmp_path: Path) -> None:
    def do(*arguments: str, code: int = 0) -> str:
        done = run("stock", *arguments, "--server", emulator.control)
        assert done.code == code, done.out + done.err
        return done.out + done.err

    one = ("--company", "supplier-one")
    do("book", "--variant", "cellular-single", "--count", "30", "--owner", "supplier-one", *PRODUCT)
    do("book", "--variant", "esme-han", "--count", "0", *PRODUCT, code=2)
    do("policy", "pinned", "--version", "00010000", *one)
    do("defect", "service", "--version", "00010000", "--percent", "50", "--onset-days", "3")
    do("issue", "--count", "10", *one)
    do("install", "--count", "5", *one)
    do("return", "--unit", OTHER, "--company", "supplier-two", code=2)
    do("return", "--unit", "00-DB-50-00-00-00-00-28", *one)
    do("generate-returns", "--count", "10", "--version", "00010000", *one)
    do("triage", "--count", "10", "--actor", "dcc", "--way", "dcc", "--swap", *one)
    do("mark", "--unit", HUB, "--truth", "wan")
    assert "wan" in do("unit", HUB)
    assert "supplier_store" in do("units", "--company", "supplier-one", "--state", "supplier_store")
    assert "installed" in do("show")
    assert "Order" in do("orders")
    for name in ("stock-defects", "stock-break-even", "stock-lots", "stock-versions"):
        file = tmp_path / f"{name}.svg"
        do("plot", name, "--out", str(file))
        assert file.read_text("utf-8").startswith("<svg")
    do("plot", "stock-orders", "--out", str(tmp_path / "x.svg"), code=2)
    assert "there is no step" not in do("step", "wipe", "--unit", HUB, *one, code=2)


def test_an_installer_visits_a_home(emulator: RunningEmulator, run: Run) -> None:
    def do(*arguments: str, code: int = 0) -> str:
        done = run(*arguments, "--server", emulator.control)
        assert done.code == code, done.out + done.err
        return done.out + done.err

    hub, meter, other = "00-DB-50-70-00-00-00-00", "00-DB-50-71-00-00-00-00", "00-DB-50-71-00-00-00-01"
    own = ("--owner", "supplier-one", "--not-notified")
    do("stock", "book", "--variant", "cellular-single", "--count", "1", "--first", hub, *own, *PRODUCT)
    meters = ("--manufacturer", "11E5", "--model", "00020101", "--version", "00010000=1")
    do("stock", "book", "--variant", "esme-optical", "--count", "2", "--first", meter, *own, *meters)
    visit = ("stock", "visit", "--duis", emulator.duis, "--hub", hub, "--region", "Central")
    assert "has no MPxN" in do(*visit, "--by", "supplier", "--device", other, code=2)
    before = do("stock", "show")
    assert "no unit" in do(*visit[:4], "--region", "Central", "--by", "supplier", "--device", "00-DB-50-7F-00-00-00-00", code=2)
    assert "'Nowhere' does not exist" in do(*visit[:4], "--region", "Nowhere", "--by", "supplier", code=2)
    assert do("stock", "show") == before, "nothing was issued"
    assert "is not a user" in do(*visit, "--by", "nobody", "--device", other, code=2)
    said = do(*visit, "--by", "supplier", "--device", f"{meter}=1200000009009", code=1)
    assert "E081" in said
    assert "the visit failed" in said
    assert "installer" in do("stock", "unit", hub)
    said = do(*visit, "--by", "supplier", "--mpxn", "1200000000001")
    assert "8.14.1" in said
    assert "installed" in do("stock", "unit", hub)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("units --state nowhere", "there is no state 'nowhere'; expected csp_warehouse, to_supplier"),
        ("units --variant nothing", "there is no variant 'nothing'; expected cellular-single"),
        ("units --company nobody", "'nobody' is not a company; expected one of csp, "),
        ("mark --unit 00-DB-50-7E-00-00-00-00", "one of damaged, registered, owner and truth"),
        (f"issue --company supplier-one --unit {HUB} --count 1", "units are named and counted"),
        ("issue --company supplier-one", "it is not said which units"),
        (f"triage --company supplier-one --actor dcc --way dcc --unit {HUB} --count 1", "units are named and counted"),
        ("triage --company supplier-one --actor dcc --way dcc", "it is not said which units"),
        ("update", "expected version, or unit"),
        ("test-hub nothing --company supplier-one --region Central", "expected the hub, a unit of the books"),
        ("book --variant gsme --count 1 --manufacturer 12A5 --model 00030101 --version 00010000=1 --version 00010000=2", "twice"),
    ],
)
def test_clumsy_calls_are_told_what_would_be_right(emulator: RunningEmulator, run: Run, line: str, said: str) -> None:
    if line.startswith("mark"):
        unit = ("--first", line.split()[-1], "--variant", "cellular-single", "--count", "1")
        assert run("stock", "book", *unit, *PRODUCT, "--server", emulator.control).code == 0
    done = run("stock", *line.split(), "--server", emulator.control)
    assert done.code == 2
    assert said in done.err + done.out


def test_hands_fit_what_the_inventory_has(emulator: RunningEmulator, run: Run) -> None:
    def do(*arguments: str, code: int = 0) -> str:
        done = run("stock", *arguments, "--server", emulator.control)
        assert done.code == code, done.out + done.err
        return done.out + done.err

    hub, meter, supplier = "00-DB-50-72-00-00-00-00", "00-DB-50-73-00-00-00-00", "90-B3-D5-1F-30-01-00-00"
    meters = ("--manufacturer", "11E5", "--model", "00020101", "--version", "00010000=1")
    do("book", "--variant", "cellular-single", "--count", "1", "--first", hub, "--owner", "supplier-one", *PRODUCT)
    do("book", "--variant", "esme-optical", "--count", "1", "--first", meter, "--owner", "supplier-one", *meters)
    assert "one of --hub" in do("fit", hub, code=2)
    assert "one of --hub" in do("fit", hub, "--hub", meter, "--region", "South", code=2)
    assert "--region, for a new home" in do("fit", meter, "--hub", hub, "--post-code", "ZZ1 1ZZ", code=2)
    assert "there is no region 'Nowhere'" in do("fit", hub, "--region", "Nowhere", code=2)
    assert "--supplier" in do("fit", hub, "--region", "South", "--supplier", "supplier-one", code=2)
    assert "is not a network operator" in do("fit", hub, "--region", "South", "--network-operator", supplier, code=2)
    assert "is not a hub" in do("fit", meter, "--hub", hub, code=2), "it does not stand yet"
    assert "there is no device" in do("fit", "00-DB-50-7F-00-00-00-00", "--hub", hub, code=2)
    do("fit", hub, "--region", "South", "--post-code", "ZZ1 1ZZ", "--address", "7", "--supplier", supplier)
    assert "stands somewhere already" in do("fit", hub, "--region", "South", code=2)
    operator = "90-B3-D5-1F-30-02-00-00"
    assert hub in do("fit", meter, "--hub", hub, "--supplier", supplier, "--network-operator", operator)
    assert "installed" in do("unit", meter)
