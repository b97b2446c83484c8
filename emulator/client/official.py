"""The DCC's own open-source clients, run as external programs for a second opinion.

They are not part of this project: npm installs them by exact version into a folder that version control ignores, and
they run as separate processes through the small driver scripts of ``tests/interop``. They bundle a Java signing tool, so
Node 16 and Java 11 or newer must be there (source: wire_contract.md, package metadata; certain).
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.domain.errors import EmulatorError

CHECKOUT = Path(__file__).resolve().parents[2]
"""The root of a source checkout; in an installed wheel the driver scripts are not beside it and the tools are unavailable."""

_INSTALL_TIMEOUT_S = 180
_RUN_TIMEOUT_S = 900
_JVM_FLAGS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""A JVM that signs one message gains nothing from its optimising compiler: measured 0.44 s with and 0.85 s without."""


class Unavailable(EmulatorError):
    """The official tools cannot be used here; the text says what is missing."""


class OfficialToolFailed(EmulatorError):
    """A driver script did not end well; the text is what it wrote."""


@dataclass(frozen=True, slots=True)
class OfficialTools:
    """The installed packages and the scripts that drive them."""

    packages: Path
    """Folder that holds ``node_modules``."""
    drivers: Path

    @classmethod
    def open(
        cls, *, home: Path | None = None, install: bool = False, source: Path = CHECKOUT / "tests" / "interop"
    ) -> "OfficialTools":
        """Find the packages under ``home`` (default: environment ``DCC_INTEROP``, else ``.interop`` of the checkout).

        With ``install`` they are fetched from the npm registry when absent. Raises :class:`Unavailable`.
        """
        for program in ("node", "java"):
            if shutil.which(program) is None:
                raise Unavailable(f"{program} is not installed")
        lock = source / "packages" / "package-lock.json"
        if not lock.is_file():
            raise Unavailable("the driver scripts are part of the source checkout only (tests/interop)")
        home = home or Path(os.environ.get("DCC_INTEROP") or CHECKOUT / ".interop")
        packages = home / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
        if not packages.is_dir():
            if not install:
                raise Unavailable(f"the packages are not installed in {home}")
            _install(source / "packages", packages)
        return cls(packages, source / "drivers")

    @property
    def keystore_json(self) -> Path:
        """The key store of the DCC's test parties that the key store package brings along."""
        return self.packages / "node_modules" / "@smartdcc" / "dccboxed-keystore" / "keystore.json"

    def templates(self) -> list[dict[str, Any]]:
        """All request templates: ``file, originator, target, command_variant, service_reference(_variant), body``."""
        found: list[dict[str, Any]] = self._run("templates.mjs", {})["templates"]
        return found

    def sign(self, items: Sequence[Mapping[str, Any]], parallel: int = 2) -> list[dict[str, Any]]:
        """Sign requests; each has ``name`` and ``xml``, or ``template`` with optional ``originator``, ``target``, ``counter``.

        Each result has ``name`` and either ``xml`` and ``request_id``, or ``error``.
        """
        return self._results("sign.mjs", {"items": list(items), "parallel": parallel})

    def validate(self, items: Sequence[Mapping[str, Any]], parallel: int = 2) -> list[dict[str, Any]]:
        """Check signed messages (``name``, ``xml``) against schema and signature and parse them.

        Each result has ``name`` and either ``parsed`` and ``guards``, or ``error``.
        """
        return self._results("validate.mjs", {"items": list(items), "parallel": parallel})

    def certificates(self, smki: str, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Ask the SMKI service at ``smki`` (URL) for ``eui`` and ``usage`` (``DS`` or ``KA``), or for a ``serial``."""
        return self._results("certificates.mjs", {"smki": smki, "items": list(items)})

    def _results(self, driver: str, question: Mapping[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._run(driver, question)["results"]
        return found

    def _run(self, driver: str, question: Mapping[str, Any]) -> dict[str, Any]:
        environment = dict(os.environ, DCC_INTEROP_PACKAGES=str(self.packages), JAVA_TOOL_OPTIONS=_JVM_FLAGS)
        done = subprocess.run(
            ["node", str(self.drivers / driver)],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            env=environment,
            timeout=_RUN_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise OfficialToolFailed(f"{driver} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def _install(manifest: Path, target: Path) -> None:
    """Install beside the target and rename: two processes that install at once both succeed, and nobody sees half of it."""
    if shutil.which("npm") is None:
        raise Unavailable("npm is not installed")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        folder = Path(scratch) / "packages"
        shutil.copytree(manifest, folder)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as late:
            raise Unavailable(f"npm did not finish within {_INSTALL_TIMEOUT_S} s") from late
        if done.returncode != 0:
            raise Unavailable(f"npm could not install the packages: {done.stderr.strip()[-600:]}")
        try:
            folder.rename(target)
        except OSError:
            if not target.is_dir():
                raise
