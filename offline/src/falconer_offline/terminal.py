"""Talking with the person at the machine.

What is reported goes to standard output. Questions, and everything a person reads while standard output
carries JSON, go to standard error. A question needs a terminal on standard input: a pipe cannot confirm
anything, and no option can. Scripts answer through a pseudo-terminal. A secret is asked with echo off, never
taken from an option, an argument or the environment (they show in `ps`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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


def say(text: str = "", *, aside: bool = False) -> None:
    """One line of text for people: to standard output, or to standard error when `aside`."""
    stream = sys.stderr if aside else sys.stdout
    stream.write(text + "\n")
    stream.flush()


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
