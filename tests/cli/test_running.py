"""Verbs against a server that the command line itself started."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.estate.declaration import generated_manufacturer_image
from tests.cli.conftest import Run

ESME, PPMID = "00-DB-12-34-56-78-90-A0", "00-DB-12-34-56-78-90-A4"
USER = "90-B3-D5-1F-30-01-00-00"

TEMPLATE = f"""<?xml version="1.0" encoding="UTF-8"?>
<sr:Request xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway" schemaVersion="5.4">
  <sr:Header>
    <sr:RequestID>{USER}:{ESME}:1000</sr:RequestID>
    <sr:CommandVariant>1</sr:CommandVariant>
    <sr:ServiceReference>11.2</sr:ServiceReference>
    <sr:ServiceReferenceVariant>11.2</sr:ServiceReferenceVariant>
  </sr:Header>
  <sr:Body><sr:ReadFirmwareVersion/></sr:Body>
</sr:Request>
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ready file of ``dcc-emulator serve``, in a process of its own with a data folder."""
    folder = tmp_path_factory.mktemp("server")
    ready = folder / "ready.json"
    options = ["--port", "0", "--autojump", "--data", folder / "data", "--ready-file", ready]
    for setting in ("clock.start=estate", "outbox.retry_initial_ms=10", "outbox.rejected_attempts=2"):
        options += ["--set", setting]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DCC_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "emulator", "serve", *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    deadline = time.monotonic() + 120
    while not ready.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield ready
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(out.splitlines()[0])["ports"]["duis"] > 0
    assert not ready.exists()


def test_inventory_in_short_form(run: Run, server: Path) -> None:
    done = run("send", "8.2", "-d", ESME, "--server", server, "--json")
    assert done.code == 0
    (answer,) = done.json["answers"]
    assert (answer["code"], len(answer["payload"]["DSPInventory"]["Device"])) == ("I0", 6)
    assert ESME in run("send", "8.2", "--mpxn", "1200000000001", "--server", server).out


def test_result_is_waited_for_and_explained(run: Run, server: Path) -> None:
    done = run("send", "11.2", "-d", ESME, "--server", server, "--wait", "10", "--json")
    assert done.code == 0
    result = done.json["result"]
    assert result["gbcs"]["result"]["firmware_version"] == "00010000"
    assert result["checks"] == {"schema": "valid", "XML signature": "valid", "GBCS signature": "null", "GBCS MAC": "valid"}
    users = run("users", "list", "--server", server, "--json").json
    assert next(row["endpoint"] for row in users if row["user"] == USER) == ""


def test_a_command_is_delivered_by_hand_and_its_answer_returned(run: Run, server: Path, tmp_path: Path) -> None:
    for variant, asked in ((2, ("11.2",)), (6, ("11.3", "--hash", "00" * 32))):
        (answer,) = run("send", *asked, "-d", ESME, "--variant", variant, "--server", server, "--json").json["answers"]
        assert answer["code"] == "I0"
        command = answer["local_command"]
        (tmp_path / "command.txt").write_text(command)
        done = run("deliver", ESME, tmp_path / "command.txt", "--server", server, "--json")
        assert done.code == 0
        field = f"DeviceGBCSResponse={done.json['response']}"
        (returned,) = run("send", "8.13", "-f", field, "--server", server, "--json").json["answers"]
        assert returned["code"] == "I99"
    assert run("deliver", PPMID, command, "--server", server).code == 1, "it is for another device"
    assert run("deliver", PPMID, "nonsense!", "--server", server).code == 2


def test_critical_request_is_taken_to_the_device_whose_refusal_is_a_verdict(run: Run, server: Path) -> None:
    done = run("send", "11.3", "-d", ESME, "--hash", "00" * 32, "--server", server, "--wait", "10", "--json")
    assert done.code == 1
    assert done.json["answers"][0]["step"] == "signed pre-command"
    assert done.json["result"]["gbcs"]["result"]["activate_image_code"] == 1


def test_firmware_in_short_form(run: Run, server: Path, tmp_path: Path) -> None:
    content, image = tmp_path / "manufacturer.bin", tmp_path / "image.ota"
    content.write_bytes(generated_manufacturer_image("13D0", "00040101", "00010100", 40_000))
    run("image", "build", content, "-o", image, "--manufacturer", "13D0", "--version", "00010100")
    done = run("send", "11.4", "-d", PPMID, "--image", image, "--server", server, "--json")
    assert (done.code, done.json["answers"][0]["code"]) == (0, "I99")
    listed = run("devices", PPMID, "--server", server, "--json").json
    assert listed["job"]["device"] == PPMID


def test_file_is_sent_with_a_new_counter_each_time(run: Run, server: Path, tmp_path: Path) -> None:
    path = tmp_path / "request.xml"
    path.write_text(TEMPLATE)
    for _ in range(2):
        assert run("send", path, "--server", server).code == 0
    assert run("send", path, "--server", server, "--keep-counter").code == 0
    assert run("send", path, "-d", ESME, "--server", server).code == 2, "the device is in the file"
    repeated = run("send", path, "--server", server, "--keep-counter", "--json")
    assert repeated.code == 1
    assert repeated.json["answers"][0]["code"].startswith("E")


def test_wrong_file_is_refused_by_the_server_in_words(run: Run, server: Path, tmp_path: Path) -> None:
    path = tmp_path / "request.xml"
    path.write_text(TEMPLATE.replace("<sr:ReadFirmwareVersion/>", "<sr:ReadNothing/>"))
    done = run("send", path, "--server", server, "--json")
    assert (done.code, done.json["error"]["kind"]) == (1, "Rejected")
    assert "ReadNothing" in done.json["error"]["detail"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("99.9",), "neither a file nor a Service Reference Variant"),
        (("missing.xml",), "there is no such file"),
        (("11.2",), "0 devices are given"),
        (("11.2", "-d", "nonsense"), "is not an EUI-64"),
        (("11.3", "-d", ESME), "needs the hash"),
        (("11.3", "-d", ESME, "--hash", "12"), "64 hexadecimal digits"),
        (("11.1", "-d", ESME), "needs an image and devices"),
        (("8.2",), "exactly one of device"),
        (("8.3", "-f", "nonsense"), "is not a field"),
        (("11.2", "-d", ESME, "--at", "tomorrow"), "is not a date and time"),
        (("11.2", "-d", ESME, "--server", "nowhere"), "neither a URL nor a ready file"),
        (("11.2", "-d", ESME, "--hash", "00" * 32), "--hash: 11.2 has no place for it"),
        (("11.3", "-d", ESME, "--mpxn", "1"), "--mpxn: 11.3 has no place for it"),
        (("8.2", "-d", ESME, "--at", "cancel"), "--at: the short form of 8.2 has no place for it"),
    ],
)
def test_wrong_usage_ends_with_2(run: Run, server: Path, arguments: tuple[str, ...], words: str) -> None:
    chosen = arguments if "--server" in arguments else (*arguments, "--server", str(server))
    done = run("send", *chosen)
    assert (done.code, words in done.err) == (2, True), done.err


def test_generic_fields_make_any_body(run: Run, server: Path) -> None:
    done = run("send", "8.4", "-d", ESME, "-f", "UpdateMPxN/ExportMPAN=1300000000001", "--server", server, "--json")
    assert done.json["answers"][0]["service_reference_variant"] == "8.4"


def test_nobody_there_ends_with_3(run: Run) -> None:
    for verb in (
        ("clock", "show"),
        ("devices",),
        ("journal",),
        ("outbox", "list"),
        ("users", "list"),
        ("send", "11.2", "-d", ESME, "--duis", "http://127.0.0.1:1"),
    ):
        done = run(*verb, "--server", "http://127.0.0.1:1")
        assert (done.code, done.err.startswith("error: http://127.0.0.1")) == (3, True), done.err


def test_clock_is_moved(run: Run, server: Path) -> None:
    before = run("clock", "show", "--server", server, "--json").json["now_ms"]
    assert run("clock", "advance", "--by", "1d12h", "--server", server, "--json").json["now_ms"] >= before + 129_600_000
    assert run("clock", "pause", "--server", server, "--json").json["mode"] == "paused"
    assert run("clock", "rate", "60", "--server", server, "--json").json["rate"] == "60"
    assert "autojump" in run("clock", "autojump", "--server", server).out
    assert run("clock", "advance", "--server", server).code == 2
    assert run("clock", "advance", "--by", "soon", "--server", server).code == 2
    assert run("clock", "rate", "backwards", "--server", server).code == 2
    past = run("clock", "advance", "--to", "2001-01-01T00:00:00Z", "--server", server)
    assert (past.code, "2001-01-01T00:00:00.000Z is over; expected later than 2026-" in past.err) == (2, True), past.err


def test_time_goes_on_until_something_is_so(run: Run, server: Path) -> None:
    run("clock", "pause", "--server", server)
    found = run("clock", "run-until", "device", f"device={ESME}", "on_han=true", "--server", server, "--json").json
    assert (found["met"], found["seen"]) == (True, {"on_han": True})
    never = run("clock", "run-until", "job", f"device={ESME}", "states=VERIFIED,ACTIVATED", "--within", "1h", "--server", server)
    assert (never.code, "ended by" in never.out) == (1, True), never.out
    assert run("clock", "run-until", "device", ESME, "--server", server).code == 2
    assert run("clock", "step", "--server", server).code in (0, 1)
    run("clock", "autojump", "--server", server)


def test_devices_are_listed_and_shown(run: Run, server: Path) -> None:
    rows = run("devices", "--type", "ESME", "--server", server, "--json").json
    assert {row["inventory"]["type"] for row in rows} == {"ESME"}
    assert ESME in run("devices", "--server", server).out
    assert "running_version" in run("devices", ESME, "--server", server).out
    assert run("devices", "--type", "esme", "--status", "commissioned", "--server", server, "--json").json
    assert run("devices", "00-DB-12-34-56-78-90-FF", "--server", server).code == 2
    for option in ("--type", "--status", "--hub"):
        assert run("devices", option, "nonsense", "--server", server).code == 2


def test_all_that_is_known_of_a_device_goes_into_one_archive(run: Run, server: Path, tmp_path: Path) -> None:
    path = tmp_path / "device.zip"
    counts = run("devices", ESME, "--archive", str(path), "--server", server, "--json").json
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert {name: len(files[f"{name}.jsonl"].splitlines()) for name in counts} == counts
    assert json.loads(files["device.json"])["device"] == ESME
    assert run("devices", "--archive", str(path), "--server", server).code == 2


def test_journal_and_outbox_tell_of_a_request(run: Run, server: Path, tmp_path: Path) -> None:
    done = run("send", "11.2", "-d", ESME, "--server", server, "--wait", "10", "--json")
    request_id = done.json["answers"][0]["request_id"]
    kinds = {entry["kind"] for entry in run("journal", "--request-id", request_id, "--server", server, "--json").json}
    assert {"duis.request", "gbcs.command", "gbcs.response"} <= kinds
    assert "gbcs.response" in run("journal", "--request-id", request_id, "--server", server).out
    path = tmp_path / "transcript.jsonl"
    assert run("journal", "--server", server, "-o", path).code == 0
    assert all(json.loads(line)["number"] for line in path.read_text().splitlines())
    listed = run("outbox", "list", "--request-id", request_id, "--server", server, "--json")
    (message,) = listed.json["messages"]
    assert (listed.code, message["state"]) == (0, "delivered")
    shown = run("outbox", "show", message["number"], "--server", server, "--json").json
    inspected = run("inspect", "-", "--smki", "", "--json", stdin=shown["xml"].encode())
    assert inspected.json["message"] == "ResponseMessage"


def test_dead_letters_are_a_verdict_and_can_be_sent_again(run: Run, server: Path) -> None:
    nobody = json.loads(server.read_text())["control"] + "/none"
    run("users", "endpoint", USER, nobody, "--floor", "0ms", "--server", server)
    request_id = run("send", "11.2", "-d", ESME, "--server", server, "--json").json["answers"][0]["request_id"]
    query = ("outbox", "list", "--request-id", request_id, "--server", server, "--json")
    deadline = time.monotonic() + 60
    while (listed := run(*query)).code == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (listed.code, listed.json["counts"]["dead"]) == (1, 1)
    assert run("users", "endpoint", USER, "", "--server", server).code == 0
    assert run("outbox", "resend", "--recipient", USER, "--server", server, "--json").json["queued"] >= 1
    assert run(*query).json["counts"] == {"queued": 1, "delivered": 0, "dead": 0}


def test_an_endpoint_must_be_http(run: Run, server: Path) -> None:
    assert run("users", "endpoint", USER, "ftp://x", "--server", server).code == 2


@pytest.mark.parametrize("verb", [("clock", "show"), ("send", "11.2", "-d", ESME, "--wait", "1")])
def test_a_world_that_is_not_there_is_wrong_usage(run: Run, server: Path, verb: tuple[str, ...]) -> None:
    done = run(*verb, "--world", "nowhere", "--server", server)
    assert (done.code, "there is no world 'nowhere'" in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    ("option", "url"),
    [
        *(("--server", url) for url in ("http://[::1", "http://127.0.0.1:99999", "http://127.0.0.1:port", "ftp://x")),
        *((option, "nonsense") for option in ("--duis", "--smki")),
    ],
)
def test_what_is_no_url_is_said_to_be_none(run: Run, server: Path, option: str, url: str) -> None:
    where = () if option == "--server" else ("--server", server)
    done = run("send", "11.2", "-d", ESME, option, url, *where)
    assert (done.code, f"error: {option}: {url!r} is not a URL" in done.err) == (2, True), done.err


def test_nobody_there_is_told_what_to_do(run: Run) -> None:
    done = run("devices", "--server", "http://127.0.0.1:1")
    assert "`dcc-emulator serve` starts a server" in done.err
    assert set(run("devices", "--server", "http://127.0.0.1:1", "--json").json) == {"error"}


def test_a_port_in_use_is_named(run: Run, server: Path) -> None:
    port = json.loads(server.read_text())["ports"]["duis"]
    done = run("serve", "--port", "0", "--duis-port", port)
    assert (done.code, str(port) in done.err, "expected free ports" in done.err) == (2, True, True), done.err


def test_distribution_is_followed_until_every_device_is_done(run: Run, server: Path, tmp_path: Path) -> None:
    keys, content, image = tmp_path / "keys.json", tmp_path / "manufacturer.bin", tmp_path / "image.ota"
    run("pki", "generate", "-o", keys)
    content.write_bytes(generated_manufacturer_image("11E5", "00020101", "00010100", 48_000))
    run("image", "build", content, "-o", image, "--manufacturer", "11E5", "--version", "00010100")
    run("image", "sign", image, "-o", image, "--keys", keys, "--supplier", USER)
    mine, other = "00-DB-12-34-56-78-91-A0", "00-DB-12-34-56-78-92-A0"
    done = run("send", "11.1", "-d", mine, "-d", other, "--image", image, "--server", server, "--wait", "20", "--json")
    assert (done.code, done.json["problem"]) == (0, None)
    assert done.json["result"]["devices"] == {mine: {"state": "VERIFIED", "reason": None}}, "the other one is another supplier's"
    assert {"N60", "N62", "8F72"} <= {push.get("alert_code") for push in done.json["result"]["pushes"]}


def test_a_distribution_that_fails_or_lasts_too_long_is_a_verdict(run: Run, server: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    content, image = tmp_path / "manufacturer.bin", tmp_path / "image.ota"
    run("pki", "generate", "-o", keys)
    content.write_bytes(generated_manufacturer_image("11E5", "00020101", "00010200", 48_000))
    run("image", "build", content, "-o", image, "--manufacturer", "11E5", "--version", "00010200")
    run("image", "sign", image, "-o", image, "--keys", keys, "--supplier", "90-B3-D5-1F-30-03-00-00")
    request = ("send", "11.1", "-d", ESME, "--image", image, "--server", server)
    run("clock", "pause", "--server", server)
    late = run(*request, "--wait", "0.2")
    run("clock", "autojump", "--server", server)
    assert (late.code, f"not done: {ESME}" in late.out) == (1, True), late.out
    run("clock", "advance", "--by", "1d", "--server", server)
    failed = run(*request, "--wait", "20", "--json")
    assert (failed.code, failed.json["problem"]) == (1, f"it failed: {ESME} FAILED_VERIFY")


def test_what_is_answered_at_once_is_not_waited_for(run: Run, server: Path) -> None:
    assert run("send", "8.2", "-d", ESME, "--wait", "3600", "--server", server).code == 0  # the test would end first


def test_the_newest_can_be_asked_for(run: Run, server: Path) -> None:
    everything = run("journal", "--limit", "10000", "--server", server, "--json").json
    assert run("journal", "--last", "2", "--server", server, "--json").json == everything[-2:]


def test_what_a_message_waits_for_is_said_in_words(run: Run, server: Path) -> None:
    run("users", "endpoint", USER, "", "--server", server)
    request_id = run("send", "11.2", "-d", ESME, "--server", server, "--json").json["answers"][0]["request_id"]
    query = ("outbox", "list", "--request-id", request_id, "--server", server)
    deadline = time.monotonic() + 60
    while "an endpoint to be set" not in (shown := run(*query).out) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "queued" in shown
    assert "{" not in shown


def test_instants_are_dates_to_people_and_numbers_to_programs(run: Run, server: Path) -> None:
    shown = run("devices", ESME, "--server", server)
    assert "time_ms: 2026-" in shown.out
    assert isinstance(run("devices", ESME, "--server", server, "--json").json["state"]["clock"]["time_ms"], int)


def test_inspect_takes_from_the_server_what_it_needs(run: Run, server: Path) -> None:
    request_id = run("send", "11.2", "-d", ESME, "--server", server, "--wait", "10", "--json").json["answers"][0]["request_id"]
    (message,) = run("outbox", "list", "--request-id", request_id, "--server", server, "--json").json["messages"]
    xml = run("outbox", "show", message["number"], "--server", server, "--json").json["xml"]
    done = run("inspect", "-", "--smki", json.loads(server.read_text())["smki"], "--json", stdin=xml.encode())
    verdicts = {check["what"]: check["verdict"] for check in done.json["checks"]}
    assert verdicts == {"schema": "valid", "XML signature": "valid", "GBCS signature": "null", "GBCS MAC": "valid"}


def test_settings_of_serve_are_checked(run: Run, tmp_path: Path) -> None:
    done = run("serve", "--port", "0", "--set", "clock.mode=backwards")
    assert (done.code, "clock.mode" in done.err) == (2, True)
    assert run("serve", "--set", "nonsense").code == 2
    bad = tmp_path / "estate.toml"
    bad.write_text("name = 1")
    assert run("serve", "--port", "0", "--estate", bad).code == 2
