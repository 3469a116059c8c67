"""A real terminal emulator on a display of its own: what a program draws there is photographed from the screen.

The program runs in a shell inside tmux inside xterm under Xvfb. tmux types the keys, and says what the terminal is like.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import clean_environment

PROGRAMS = {"Xvfb": "xvfb", "xterm": "xterm", "tmux": "tmux", "import": "imagemagick"}
"""What is needed, and Debian's package of each."""

SECONDS = 60.0
FONT = "DejaVu Sans Mono"


def missing() -> str | None:
    """Why no emulator can be started here, with what to do; None where it can."""
    packages = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    fonts = (
        shutil.which("fc-list")
        and subprocess.run(["fc-list", FONT], capture_output=True, text=True, check=False).stdout
    )
    if not fonts:
        packages.append("fonts-dejavu-core")
    return f"not installed: sudo apt-get install {' '.join(packages)}" if packages else None


@dataclass(frozen=True)
class Emulator:
    """One shell on one screen."""

    display: str
    socket: str

    def tmux(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-L", self.socket, *words], check=True, capture_output=True, text=True, timeout=SECONDS
        ).stdout

    def type(self, line: str) -> None:
        """A line to the shell."""
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: `+`, `C-c`."""
        self.tmux("send-keys", *keys)

    def text(self) -> str:
        """What stands on the screen."""
        return self.tmux("capture-pane", "-p")

    def state(self) -> str:
        """Whether the second screen is shown, and the cursor."""
        return self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").strip()

    def expect(self, wanted: str) -> str:
        """Wait until a text stands on the screen; all of the screen."""
        until = time.monotonic() + SECONDS
        while wanted not in (seen := self.text()):
            if time.monotonic() > until:
                raise TimeoutError(f"no {wanted!r} on the screen:\n{seen}")
            time.sleep(0.1)
        return seen

    def screenshot(self) -> bytes:
        """The whole display, as a PNG."""
        return subprocess.run(
            ["import", "-window", "root", "-display", self.display, "png:-"],
            check=True, capture_output=True, timeout=SECONDS,
        ).stdout  # fmt: skip


@contextmanager
def emulator(
    folder: Path,
    columns: int,
    lines: int,
    *,
    points: int = 7,
    background: str = "black",
    ink: str = "white",
    screen: str = "1280x1000",
) -> Iterator[Emulator]:
    """A shell in a terminal of this size. The display is of its own, and gone at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{screen}x24", "-nolisten", "tcp"],
        pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            display = f":{told.readline().strip()}"
        socket = f"falconer-test-{os.getpid()}-{server.pid}"
        shown = Emulator(display, socket)
        settings = folder / "tmux.conf"
        # the whole of the screen is the program's, one line more than it would have with tmux's own
        settings.write_text(
            "set -g status off\nset -g default-terminal tmux-256color\nset -s escape-time 0\n"
        )
        words = ["tmux", "-L", socket, "-f", str(settings), "new-session", "env", "PS1=$ ", "/bin/sh"]
        terminal = subprocess.Popen(
            [
                *("xterm", "-display", display, "-geometry", f"{columns}x{lines}+0+0", "-b", "0", "+sb"),
                *("-fa", FONT, "-fs", str(points), "-bg", background, "-fg", ink, "-u8", "-e", shlex.join(words)),
            ],
            env={**clean_environment(), "LC_ALL": "C.UTF-8", "DISPLAY": display},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _begun(shown)
            yield shown
        finally:
            subprocess.run(["tmux", "-L", socket, "kill-server"], check=False, capture_output=True)
            terminal.terminate()
            terminal.wait()
    finally:
        server.terminate()
        server.wait()


def _begun(shown: Emulator) -> None:
    until = time.monotonic() + SECONDS
    while True:
        try:
            shown.expect("$")
        except subprocess.CalledProcessError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
