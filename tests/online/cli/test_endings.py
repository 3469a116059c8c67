"""A command with codes that is ended from outside: the terminal is as it was, and no process stays."""

from __future__ import annotations

import signal
import termios
from pathlib import Path

import pexpect
import pytest

from tests.support import codes, frames
from tests.support.programs import BIN, clean_environment

ENTER, LEAVE = "\x1b\\[\\?1049h", "\x1b[?25h\x1b[?1049l"


def ended(child: pexpect.spawn, by: signal.Signals) -> str:
    """What was said after this signal; nothing of the program is left then."""
    if by is signal.SIGINT:
        child.sendintr()
    else:
        child.kill(by)
    child.expect(pexpect.EOF)
    asked = termios.ECHO | termios.ICANON
    assert termios.tcgetattr(child.child_fd)[3] & asked == asked
    child.close()
    assert codes.processes_of(child.pid) == []
    assert "Traceback" not in child.before
    return child.before


def spawned(*words: object) -> pexpect.spawn:
    return pexpect.spawn(
        str(BIN / "falconer"), ["qr", *map(str, words)], env=clean_environment(), dimensions=(70, 160),
        encoding="utf-8", codec_errors="ignore", timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_scan(tmp_path: Path, by: signal.Signals) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    child = spawned("scan", folder, "--preview", "--out", tmp_path / "out.psbt")
    child.expect(ENTER)
    child.expect("no code yet")
    assert any("falconer_shared.qr.worker" in line for line in codes.processes_of(child.pid))
    said = ended(child, by)
    assert LEAVE in said
    assert "interrupted" in said
    assert child.exitstatus == 8
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP])
def test_codes_in_the_terminal(tmp_path: Path, by: signal.Signals) -> None:
    (tmp_path / "a.psbt").write_bytes(frames.psbt(2500))
    child = spawned("show", tmp_path / "a.psbt")
    child.expect(ENTER)
    child.expect("needed")
    assert LEAVE in ended(child, by)
    assert child.exitstatus == 0
