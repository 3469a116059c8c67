"""What is typed at a real pseudo-terminal."""

from __future__ import annotations

import subprocess
import sys

import pexpect
import pytest

from falconer_offline import terminal
from tests.support.programs import clean_environment

PRELUDE = """
import sys
from falconer_offline import terminal
from tests.support.programs import clean_environment
from falconer_shared.errors import FalconerError
def attempt(call):
    try:
        print("GOT", repr(call()))
    except FalconerError as refused:
        print("REFUSED", refused.rule, refused.EXIT_STATUS)
"""


def talk(program: str, *exchange: tuple[str, str], raw: bool = False) -> str:
    """Run a program at a pseudo-terminal; all that was on the screen."""
    child = pexpect.spawn(sys.executable, ["-c", PRELUDE + program], encoding="utf-8", timeout=30)
    screen = ""
    for prompt, answer in exchange:
        child.expect_exact(prompt)
        screen += child.before + prompt
        child.send(answer if raw else answer + "\n")
    child.expect(pexpect.EOF)
    return screen + child.before


def test_a_visible_answer_is_shown_and_stripped():
    assert "GOT 'abc'" in talk("attempt(lambda: terminal.ask('Say: '))", ("Say: ", "  abc "))


def test_a_secret_is_not_shown_and_not_stripped():
    screen = talk("attempt(lambda: len(terminal.ask_secret('Say: ')))", ("Say: ", " hidden words "))
    assert "GOT 14" in screen
    assert "hidden" not in screen


def test_echo_comes_back_after_a_secret():
    screen = talk(
        "attempt(lambda: len(terminal.ask_secret('One: '))); attempt(lambda: terminal.ask('Two: '))",
        ("One: ", "hidden"), ("Two: ", "shown"),
    )  # fmt: skip
    assert "hidden" not in screen
    assert screen.count("shown") == 2


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("\x03", "REFUSED person-declined 8"),
        ("\x04", "REFUSED person-declined 8"),
        ("x" * 3000 + "\n", "REFUSED answer-too-long 2"),
        ("x" * (terminal.MAX_ANSWER + 1) + "\n", "REFUSED answer-too-long 2"),
        ("x" * terminal.MAX_ANSWER + "\n", "GOT " + repr("x" * terminal.MAX_ANSWER)),
    ],
)
@pytest.mark.parametrize("call", ["ask", "ask_secret"])
def test_the_ends_of_an_answer(typed, expected, call):
    assert expected in talk(f"attempt(lambda: terminal.{call}('Say: '))", ("Say: ", typed), raw=True)


def test_what_is_no_text_is_refused():
    child = pexpect.spawn(
        sys.executable, ["-c", PRELUDE + "attempt(lambda: terminal.ask('Say: '))"], timeout=30
    )
    child.expect_exact(b"Say: ")
    child.send(b"\xff\xfe\n")
    child.expect(pexpect.EOF)
    assert b"REFUSED answer-not-text 2" in child.before


def test_a_pipe_confirms_nothing():
    program = (
        PRELUDE + "attempt(lambda: terminal.ask('Say: ')); attempt(lambda: terminal.ask_secret('Say: '))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input="yes\nyes\n", capture_output=True, text=True, check=True
    )
    assert done.stdout == "REFUSED terminal-needed 2\n" * 2


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("12345678", "12345678", "GOT '12345678'"),
        ("1234567", None, "REFUSED passphrase-too-short 10"),
        ("12345678", "12345679", "REFUSED passphrases-differ 10"),
    ],
)
def test_new_passphrases(first, second, expected):
    exchange = [("New: ", first)] + ([("The same passphrase again: ", second)] if second is not None else [])
    assert expected in talk("attempt(lambda: terminal.ask_new_passphrase('New: '))", *exchange)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["cdef"], "GOT None"),
        (["wrong", "cdef"], "GOT None"),
        (["wrong", "wrong", "wrong"], "REFUSED person-declined 8"),
        ([""], "REFUSED person-declined 8"),
        (["CDEF", "def", "abcdef"], "REFUSED person-declined 8"),
    ],
)
def test_endings_are_confirmed(answers, expected):
    program = "attempt(lambda: terminal.confirm_ending('Ends: ', 'abcdef'))"
    assert expected in talk(program, *(("Ends: ", answer) for answer in answers))


def test_a_line_too_long_for_a_terminal_is_broken_at_spaces_only():
    word = "x" * 70
    program = f"terminal.say('label     {word} {word} end-of-it', indent=10)"
    child = pexpect.spawn(
        sys.executable,
        ["-c", PRELUDE + program],
        encoding="utf-8",
        timeout=30,
        dimensions=(24, 80),
        env=clean_environment(),
    )
    child.expect(pexpect.EOF)
    assert child.before.split("\r\n") == [f"label     {word}", f"          {word}", "          end-of-it", ""]
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"label     {word} {word} end-of-it\n"


SLOW = "with terminal.waiting('Working ...', after={after}): time.sleep({seconds})\nprint('done')"


@pytest.mark.parametrize(
    ("after", "seconds", "shown"), [(0, 0, True), (0.2, 0.6, True), (0.5, 0.1, False), (0.1, 0.4, True)]
)
def test_what_takes_long_is_said_and_wiped_away(after, seconds, shown):
    screen = talk("import time\n" + SLOW.format(after=after, seconds=seconds))
    assert ("Working ..." in screen) == shown
    if shown:
        assert "Working ...\r" + " " * 11 + "\rdone" in screen


def test_nothing_is_drawn_where_nobody_looks():
    program = "import time\n" + SLOW.format(after=0, seconds=0) + (
        "\nwith terminal.Progress() as p:\n    time.sleep(0.6)\n    p.at(1, 2, 'half')\n"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_a_bar_comes_after_half_a_second_and_goes():
    program = (
        "import time\nwith terminal.Progress() as p:\n    p.at(1, 4, 'early')\n    time.sleep(0.6)\n"
        "    p.at(2, 4, '2 of 4')\n    p.at(4, 4, 'all')\nprint('done')\n"
    )
    screen = talk(program)
    assert "early" not in screen
    assert "[" + "#" * 12 + "." * 12 + "] 2 of 4" in screen
    assert "[" + "#" * 24 + "] all" in screen
    assert screen.endswith(" \rdone\r\n")
