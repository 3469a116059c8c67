"""One run of the program as its user sees it: people's text, one JSON document, or a refusal.

With `--json` standard output holds exactly one document, and people's text goes to standard error. Without
it, people's text is standard output. Every sentence that may hold another's text arrives here escaped.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import click

from falconer_shared.errors import Detail, FalconerError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from falconer_online.chain.node import Progress
    from falconer_online.coordinator import Coordinator
    from falconer_online.jsontype import Json
    from falconer_shared.diagram import Strokes


PATIENCE_SECONDS = 0.5
"""What takes longer than this says what it is doing."""


def styled(text: str, colour: str | None = None) -> str:
    """Bold text in a colour; plain where NO_COLOR is set (no-color.org). click leaves it out in a pipe."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour, bold=True)


@dataclass(slots=True)
class Session:
    """What the options of a run say."""

    json: bool = False
    debug: bool = False

    @property
    def people(self) -> IO[str]:
        """Where people read."""
        return sys.stderr if self.json else sys.stdout

    def open(self) -> Coordinator:
        """The coordinator that this user means."""
        from falconer_online.config import find_home
        from falconer_online.coordinator import Coordinator

        return Coordinator.open(find_home())

    def say(self, text: str = "") -> None:
        """A line for people."""
        click.echo(text, file=self.people)

    def strokes(self) -> Strokes:
        """The lines of pictures that the reader's terminal knows."""
        from falconer_shared.diagram import ASCII, UNICODE

        encoding = getattr(self.people, "encoding", None) or "utf-8"
        return UNICODE if encoding.lower().replace("-", "") == "utf8" else ASCII

    def warn(self, text: str) -> None:
        """A line that people should not miss."""
        click.echo(styled("warning: ", "yellow") + text, file=sys.stderr)

    def next(self, text: str) -> None:
        """What to do after this."""
        self.say()
        self.say(styled("next: ") + text)

    def result(self, document: dict[str, Json]) -> None:
        """The one document of a run with `--json`."""
        if self.json:
            click.echo(json.dumps(document, indent=2))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table, drawn on a terminal and plain in a pipe."""
        cells = [[str(cell) for cell in row] for row in rows]
        if self.people.isatty():
            self._drawn(columns, cells)
            return
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for row in (columns, *cells):
            lined = [
                cell.rjust(width) if _is_number(column) else cell.ljust(width)
                for cell, width, column in zip(row, widths, columns, strict=True)
            ]
            self.say("  ".join(lined).rstrip())

    def _drawn(self, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD)
        for column in columns:
            table.add_column(column, overflow="fold", justify="right" if _is_number(column) else "left")
        for row in cells:
            # Text and not str: data must never be read as markup
            table.add_row(*(Text(cell) for cell in row))
        Console(file=self.people).print(table)

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """A progress bar on a terminal; in a pipe a line at every tenth. What is done soon shows neither."""
        began = time.monotonic()
        if not sys.stderr.isatty():
            tenths = _tenths(title)

            def say(done: int, total: int) -> None:
                if time.monotonic() - began > PATIENCE_SECONDS:
                    tenths(done, total)

            yield say
            return
        bars = _Bar(title)

        def draw(done: int, total: int) -> None:
            if time.monotonic() - began > PATIENCE_SECONDS:
                bars.at(done, total)

        try:
            yield draw
        finally:
            bars.close()

    @contextmanager
    def busy(self, doing: str) -> Iterator[None]:
        """Say on a terminal what takes long, while it does, on a line that is gone afterwards."""
        if not sys.stderr.isatty():
            yield
            return
        done = threading.Event()
        teller = threading.Thread(target=_tell, args=(doing, done), daemon=True)
        teller.start()
        try:
            yield
        finally:
            done.set()
            teller.join()

    def refuse(self, problem: FalconerError) -> int:
        """Report a refusal; its exit status."""
        rules: Sequence[dict[str, Detail]] = [problem.as_json()]
        reasons: Sequence[FalconerError] = getattr(problem, "reasons", (problem,))
        if len(reasons) > 1:
            rules = [reason.as_json() for reason in reasons]
        for reason in reasons:
            click.echo(
                f"{styled('falconer:', 'red')} {reason.message} [{reason.rule}]",
                file=sys.stderr,
            )
        for remedy in dict.fromkeys(reason.remedy for reason in reasons if reason.remedy):
            click.echo(f"          {remedy}", file=sys.stderr)
        if self.json:
            click.echo(json.dumps({"verdict": "refused", "rules": list(rules)}, indent=2))
        return problem.EXIT_STATUS


def _is_number(column: str) -> bool:
    """Columns whose digits stand under each other."""
    return column.rpartition(", ")[2] in {"sats", "BTC", "count", "conf", "blocks", "number", "payments"}


class _Bar:
    """rich's progress bar, from its first figure on; gone when it is closed."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._open: tuple[RichProgress, TaskID] | None = None

    def at(self, done: int, total: int) -> None:
        if self._open is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Drawn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            bar = Drawn(*columns, console=Console(stderr=True), transient=True)
            bar.start()
            self._open = bar, bar.add_task(self._title, total=None)
        bar, task = self._open
        bar.update(task, completed=done, total=total)

    def close(self) -> None:
        if self._open is not None:
            self._open[0].stop()


def _tell(doing: str, done: threading.Event) -> None:
    began = time.monotonic()
    width = 0
    while not done.wait(PATIENCE_SECONDS):
        line = f"{doing} ... {time.monotonic() - began:.0f} s"
        width = len(line)
        sys.stderr.write("\r" + line)
        sys.stderr.flush()
    if width:
        sys.stderr.write("\r" + " " * width + "\r")
        sys.stderr.flush()


def _tenths(title: str) -> Callable[[int, int], None]:
    shown = -1

    def report(done: int, total: int) -> None:
        nonlocal shown
        tenth = 10 * done // max(total, 1)
        if tenth > shown:
            shown = tenth
            click.echo(f"{title}: {done} of {total}", file=sys.stderr)

    return report


pass_session = click.make_pass_decorator(Session)
