"""Talking with the person at the machine.

What is reported goes to standard output. Questions, and everything a person reads while standard output
carries JSON, go to standard error. A question needs a terminal on standard input: a pipe cannot confirm
anything, and no option can. Scripts answer through a pseudo-terminal. A secret is asked with echo off, never
taken from an option, an argument or the environment (they show in `ps`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Self

from falconer_shared.errors import Declined, SecretError, UsageError
from falconer_shared.text import safe

MAX_ANSWER = 2000
"""Bytes of one typed line: 24 words of 8 letters take 216, a long passphrase less; terminals cut at 4,096."""

MIN_PASSPHRASE = 8
"""Characters of a new passphrase. A floor against slips only; the work factor of the sealed file does the
rest.
"""

ATTEMPTS = 3
"""Times a passphrase or a confirmation may be mistyped before the command gives up."""


def ask(question: str) -> str:
    """One visible line, without the spaces around it.

    Raises:
        UsageError: `terminal-needed`.
        Declined: `person-declined` at the end of input or on an interrupt.
    """
    _need_terminal()
    return _line(question).strip()


def ask_secret(question: str) -> str:
    """One line typed with echo off. Nothing is stripped: a space may belong to a passphrase.

    Raises:
        UsageError: `terminal-needed`.
        Declined: `person-declined`.
    """
    _need_terminal()
    with _echo_off():
        return _line(question)


def ask_new_passphrase(question: str) -> str:
    """A new passphrase, typed twice.

    Raises:
        SecretError: `passphrase-too-short`, `passphrases-differ`.
    """
    first = ask_secret(question)
    if len(first) < MIN_PASSPHRASE:
        raise SecretError("passphrase-too-short", f"a passphrase has at least {MIN_PASSPHRASE} characters")
    if ask_secret("The same passphrase again: ") != first:
        raise SecretError(
            "passphrases-differ",
            "the two passphrases differ",
            remedy="nothing was changed; run the command again",
        )
    return first


def say(text: str = "", *, aside: bool = False, indent: int | None = None) -> None:
    """One line of text for people: to standard output, or to standard error when `aside`.

    With `indent`, a terminal that is too narrow for it gets several, broken at spaces, the later ones
    indented so far. A file gets the line.
    """
    stream = sys.stderr if aside else sys.stdout
    if indent is not None and stream.isatty():
        import textwrap  # noqa: PLC0415

        text = "\n".join(
            textwrap.wrap(
                text,
                max(size()[0], 2 * indent),
                subsequent_indent=" " * indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
    stream.write(text + "\n")
    stream.flush()


def may_replace(path: str) -> bool:
    """Whether something has that name and the person lets it go; asked only then.

    Raises:
        Declined: `person-declined`.
    """
    if not os.path.lexists(path):
        return False
    if ask(f"{safe(path, 120)} exists. Replace it? Type yes: ") != "yes":
        raise Declined(
            "person-declined", f"{safe(path, 120)} was left as it is", remedy="name another file with --out"
        )
    return True


PATIENCE = 0.5
"""Seconds after which a person who sees nothing begins to wonder."""

_BAR = 24


@contextmanager
def waiting(text: str, *, after: float = 0.0) -> Iterator[None]:
    """Say what the person waits for, on a line that is gone afterwards; nothing where standard error is no
    terminal.

    With `after`, only when it takes longer than so many seconds. scrypt needs 0: while it computes nothing
    else runs.
    """
    import threading  # noqa: PLC0415 - only where something takes long

    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()

    def tell() -> None:
        if not done.wait(after):
            sys.stderr.write(f"\r{text}")
            sys.stderr.flush()

    teller = threading.Thread(target=tell, daemon=True)
    if after:
        teller.start()
    else:
        tell()
    try:
        yield
    finally:
        done.set()
        if after:
            teller.join()
        _erase(len(text))


class Progress:
    """A bar on standard error, where that is a terminal, from the first half second on; gone afterwards."""

    def __init__(self) -> None:
        self._due = time.monotonic() + PATIENCE
        self._width = 0
        self._on = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._width:
            _erase(self._width)

    def at(self, done: int, total: int, text: str) -> None:
        """So many of so many are done. Without a total, the text alone."""
        if not self._on or time.monotonic() < self._due:
            return
        filled = _BAR * min(done, total) // total if total else 0
        line = f"[{'#' * filled}{'.' * (_BAR - filled)}] {text}" if total else text
        line = line[: max(size()[0] - 1, 1)]
        sys.stderr.write(f"\r{line:<{self._width}}")
        sys.stderr.flush()
        self._width = len(line)


def _erase(width: int) -> None:
    sys.stderr.write("\r" + " " * width + "\r")
    sys.stderr.flush()


def size() -> tuple[int, int]:
    """Columns and lines of the terminal; 80 and 24 where nothing tells."""
    import shutil  # noqa: PLC0415 - 3 ms

    columns, lines = shutil.get_terminal_size((80, 24))
    return columns, lines


def drawing_stream(*, aside: bool) -> IO[str]:
    """Where a picture made of characters goes.

    Raises:
        UsageError: `terminal-needed`.
    """
    stream = sys.stderr if aside else sys.stdout
    if not stream.isatty():
        raise UsageError(
            "terminal-needed",
            "a QR code is drawn on a terminal, and the output is none",
            remedy="have it written as a picture instead",
        )
    return stream


@contextmanager
def keys() -> Iterator[Callable[[float], str | None]]:
    """A function that waits so many seconds and returns a key that was pressed meanwhile. Keys are not
    shown; Ctrl-C is one.
    """
    import termios  # noqa: PLC0415

    _need_terminal()
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    quiet = termios.tcgetattr(descriptor)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    quiet[6][termios.VMIN], quiet[6][termios.VTIME] = 0, 0
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, quiet)

    def key(seconds: float) -> str | None:
        until = time.monotonic() + seconds
        try:
            while not (pressed := os.read(descriptor, 1)):
                left = until - time.monotonic()
                if left <= 0:
                    return None
                time.sleep(min(left, 0.02))
        except KeyboardInterrupt:
            return "\x03"
        return pressed.decode("latin-1")

    try:
        yield key
    finally:
        # what was typed ahead is no answer to the next question
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def confirm_ending(question: str, expected: str, *, count: int = 4) -> None:
    """Have the person type the last `count` characters of `expected`, as often as ATTEMPTS allows.

    Raises:
        Declined: `person-declined` when the answer is empty or never right.
    """
    for _ in range(ATTEMPTS):
        answer = ask(question)
        if not answer:
            break
        if answer == expected[-count:]:
            return
        say(f"That is not how it ends ({safe(answer, 20)}).", aside=True)
    raise Declined("person-declined", "not confirmed; nothing was changed")


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            "terminal-needed",
            "this command asks questions, and standard input is not a terminal",
            remedy="run it in a terminal; scripts answer through a pseudo-terminal",
        )


def _line(question: str) -> str:
    sys.stdout.flush()
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        # Straight from the descriptor: no buffer of Python's keeps a copy of what was typed.
        typed = os.read(sys.stdin.fileno(), MAX_ANSWER + 1)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise Declined("person-declined", "stopped at the keyboard; nothing was changed") from None
    if not typed.endswith(b"\n"):
        sys.stderr.write("\n")
        if len(typed) > MAX_ANSWER:
            raise UsageError("answer-too-long", f"an answer has at most {MAX_ANSWER} bytes")
        raise Declined("person-declined", "the input ended; nothing was changed")
    try:
        return typed[:-1].removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("answer-not-text", "what was typed is not UTF-8 text") from None


@contextmanager
def _echo_off() -> Iterator[None]:
    import termios  # noqa: PLC0415 - only where a secret is asked

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    silent = list(before)
    silent[3] = int(before[3]) & ~termios.ECHO
    # Off before the question shows, and what was typed ahead is thrown away: nothing typed in answer can be echoed.
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)
        sys.stderr.write("\n")
        sys.stderr.flush()
