"""The options that both programs have."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from falconer_shared.crossing.hands import Source
from falconer_shared.crossing.options import (
    DECODERS,
    SCAN_FLAGS,
    SHOW_FLAGS,
    SIGNERS,
    SPELLINGS,
    Scan,
    Show,
    attach,
)
from falconer_shared.errors import UsageError
from falconer_shared.qr.client import READERS
from falconer_shared.transport.profiles import PROFILES
from falconer_shared.transport.send import Spelling
from tests.support.refusal import refused


def test_the_words_are_those_of_the_parts() -> None:
    """They stand twice, so that a help page need not load what sends and reads."""
    assert DECODERS == READERS
    assert tuple(PROFILES) == SIGNERS
    assert SPELLINGS == tuple(spelling.value for spelling in Spelling)


def run(*words: str) -> tuple[int, list[object]]:
    got: list[object] = []

    def command(name: str, scan: Scan, codes: Show) -> None:
        got.extend((name, scan, codes))

    made = attach(click, command, SCAN_FLAGS, "scan", Scan)
    made = attach(click, made, SHOW_FLAGS, "codes", Show)
    outcome = CliRunner().invoke(click.command()(click.argument("name")(made)), words)
    return outcome.exit_code, got


def test_nothing_typed() -> None:
    assert run("x") == (0, ["x", Scan(), Show()])
    assert not Scan().wanted
    assert not Show().wanted
    assert Show().written == ()


def test_everything_typed() -> None:
    words = "x --scan --camera 3 --decoder opencv --timeout 20 --preview --qr --qr-images d --gif g --html h --for krux"
    words += " --density high --fps 12 --dialect bbqr --ur-type psbt"
    code, (name, scan, codes) = run(*words.split())
    assert (code, name) == (0, "x")
    assert scan == Scan(True, 3, "opencv", 20, True)
    assert codes == Show(True, "d", "g", "h", "krux", "high", "12", "bbqr", "psbt")
    assert codes.written == ("d", "g", "h")
    choice = codes.choice_for()
    assert (choice.spelling, choice.density, choice.frames_per_second) == (Spelling.BBQR, 25, 12)
    assert choice.type_name == "psbt"


@pytest.mark.parametrize(
    "words",
    ["--camera 64", "--camera -1", "--timeout 0", "--decoder sh", "--dialect morse", "--ur-type crypto-seed"],
)
def test_wrong_words(words: str) -> None:
    assert run("x", *words.split())[0] == 2


def test_where_a_scan_reads() -> None:
    assert Scan(scan=True, timeout=9).source(["a"], 160) == Source(("a",), None, "zxing", 9.0, 0)
    assert Scan(camera=2, preview=True).source([], 160) == Source((), 2, "zxing", None, 160)
    for wrong, names in ((Scan(camera=2), ["a"]), (Scan(scan=True), [])):
        with refused("usage", UsageError):
            wrong.source(names)
