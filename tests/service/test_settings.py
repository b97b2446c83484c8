"""Settings come from a file, the environment and flags, in rising precedence, and say so."""

from pathlib import Path

import pytest

from emulator.domain.errors import Malformed
from emulator.service.config import KNOWN_KEYS, load_settings, parse_assignments


def test_defaults_are_the_ports_of_the_field() -> None:
    settings = load_settings(env={}).settings
    assert (settings.duis.port, settings.smki.port, settings.control.port) == (8079, 8083, 8080)
    assert {settings.duis.host, settings.smki.host, settings.control.host} == {"127.0.0.1"}
    assert settings.storage.folder is None
    assert (settings.clock.mode, settings.clock.rate, settings.clock.start) == ("real_time", "1", "wall")
    assert settings.outbox.push_floor_ms == 1_000
    assert settings.duis.body_limit_bytes == 16 * 1024 * 1024
    assert settings.signatures.check_role is None


def test_later_sources_win_and_every_value_knows_its_origin(tmp_path: Path) -> None:
    file = tmp_path / "emulator.toml"
    file.write_text("ready_file = 'ready.json'\n[duis]\nport = 1\nhost = '::1'\n[smki]\nport = 2\n[storage]\nfolder = 'data'\n")
    loaded = load_settings(file, env={"DCC_SMKI__PORT": "3", "DCC_DUIS__PORT": "4", "PATH": "/"}, flags={"duis.port": "5"})
    assert (loaded.settings.duis.port, loaded.settings.smki.port, loaded.settings.duis.host) == (5, 3, "::1")
    assert loaded.origin("duis.port") == "flag"
    assert loaded.origin("smki.port") == "environment DCC_SMKI__PORT"
    assert loaded.origin("duis.host") == f"file {file}"
    assert loaded.origin("control.port") == "default"
    assert loaded.settings.storage.folder == tmp_path / "data", "paths in a file are relative to it"
    assert loaded.settings.ready_file == tmp_path / "ready.json"
    assert set(loaded.explained()) == KNOWN_KEYS


def test_secrets_are_not_shown() -> None:
    loaded = load_settings(env={"DCC_CONTROL__TOKEN": "open sesame"})
    assert "sesame" not in str(loaded.explained())
    assert loaded.settings.control.token is not None
    assert loaded.settings.control.token.get_secret_value() == "open sesame"


def test_lists_are_separated_by_commas() -> None:
    loaded = load_settings(env={"DCC_OUTBOX__ALLOWED_HOSTS": "a,10.0.0.0/8"}, flags=parse_assignments(["worlds.names=one,two"]))
    assert loaded.settings.outbox.allowed_hosts == ("a", "10.0.0.0/8")
    assert loaded.settings.worlds.names == ("one", "two")


def test_names_of_the_tests_own_are_no_settings() -> None:
    load_settings(env={"DCC_REFERENCE": "x", "DCC_REQUIRE": "y", "DCC_SERVER": "z", "DCC_WORLD": "w"})


@pytest.mark.parametrize(
    ("env", "flags", "says"),
    [
        ({}, {"duis.prt": 1}, "flag: unknown setting 'duis.prt'; expected one of duis.body_limit_bytes"),
        ({}, {"dius.port": 1}, "unknown setting 'dius.port'; expected one of clock, control"),
        ({"DCC_DUIS_PORT": "1"}, {}, "environment: unknown setting DCC_DUIS_PORT"),
        ({"DCC_DUIS__PORT": "many"}, {}, "environment DCC_DUIS__PORT: duis.port: .* integer"),
        ({}, {"duis.port": 65536}, "flag: duis.port: .*65535"),
        ({}, {"clock.mode": "fast"}, "flag: clock.mode: .*'real_time'"),
        ({}, {"duis.idle_timeout_ms": 5_000}, "idle_timeout_ms"),
        ({}, {"worlds.names": []}, "worlds.names"),
    ],
)
def test_wrong_settings_are_refused_with_their_place(env: dict[str, str], flags: dict[str, object], says: str) -> None:
    with pytest.raises(Malformed, match=says):
        load_settings(env=env, flags=flags)


@pytest.mark.parametrize("text", ["[duis]\nport = 'x'", "[duis]\nspeed = 1", "duis = 3", "[[duis]]\nport = 1", "port ="])
def test_wrong_files_are_refused_with_their_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(Malformed, match=r"wrong\.toml"):
        load_settings(file, env={})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="cannot be read"):
        load_settings(tmp_path / "absent.toml", env={})


def test_an_assignment_needs_its_sign() -> None:
    with pytest.raises(Malformed, match=r"expected section\.key=value"):
        parse_assignments(["duis.port"])


def test_a_wrong_token_is_not_repeated() -> None:
    with pytest.raises(Malformed) as refused:
        load_settings(env={}, flags={"control.token": ["open sesame"]})
    assert "sesame" not in str(refused.value)
