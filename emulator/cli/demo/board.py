"""The demo's display: devices and milestones, alive on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from emulator.cli.demo.ledger import Ledger, Milestone, Track
from emulator.domain.identifiers import format_eui
from emulator.duis.datetimes import format_datetime

WIDE_COLUMNS = 112
"""From here on whole EUIs fit."""


class Board:
    """Shows a ledger while it fills."""

    def __init__(self, ledger: Ledger, console: Console, *, quiet: bool) -> None:
        self._ledger = ledger
        self._console = console
        self._quiet = quiet
        self._began = time.monotonic()
        self._shown = 0

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show progress for the time of a ``with`` block."""
        if self._quiet:
            yield
        elif self._console.is_terminal:
            with Live(get_renderable=self._whole, console=self._console, refresh_per_second=12):
                yield
        else:
            self._ledger.changed = self._print_step
            yield

    def table(self) -> Table:
        """Devices and the simulated instants of their milestones; EUIs are cut where the console is narrow."""
        narrow = self._console.width < WIDE_COLUMNS
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1 if narrow else 2, 0, 0))
        for column in ("Region", "Type", "Device", *Milestone):
            table.add_column(column, no_wrap=True)
        for track in self._ledger.tracks:
            cells = (self._cell(track, milestone) for milestone in Milestone)
            name = format_eui(track.eui)
            table.add_row(track.region, track.device.device_type, name[-8:] if narrow else name, *cells)
        return table

    def _whole(self) -> Group:
        steps = [Text(f"{'✔' if step is not self._ledger.steps[-1] else '▸'} {step}") for step in self._ledger.steps]
        return Group(*steps, Text(), self.table(), Text(), self._counts())

    def _counts(self) -> Text:
        failed = len(self._ledger.failed)
        text = Text(f"{len(self._ledger.checks)} checks, {time.monotonic() - self._began:.1f} s")
        return text.append(f", {failed} failed", style="bold red") if failed else text

    @staticmethod
    def _cell(track: Track, milestone: Milestone) -> Text:
        if milestone in track.reached:
            return Text(_clock(track.reached[milestone]), style="green")
        if milestone is Milestone.VERIFIED and track.activates_itself:
            return Text("–", style="dim")
        return Text("·", style="dim")

    def _print_step(self) -> None:
        while self._shown < len(self._ledger.steps):
            self._console.print(Text(f"{time.monotonic() - self._began:5.1f} s  {self._ledger.steps[self._shown]}"))
            self._shown += 1


def _clock(at_ms: int) -> str:
    """Day of the month, hour and minute."""
    return format_datetime(at_ms)[8:16].replace("T", " ")
