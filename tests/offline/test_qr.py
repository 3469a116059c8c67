"""`falconer-offline qr show|scan`: in the namespace without a network, with no home, as a person runs it."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import time
from pathlib import Path

import pexpect
import pytest

from falconer_shared.qr.draw import draw
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.send import Way, send
from tests.support import codes, frames
from tests.support.payloads import PSBT, SAID, Said, write_files
from tests.support.programs import BIN, clean_environment

LONG = frames.psbt(2500)
COMMAND = ["unshare", "--map-current-user", "--net", str(BIN / "falconer-offline"), "qr"]
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def run(folder: Path, *words: object, expect: int = 0, typed: str = "") -> dict[str, object]:
    """A command without a terminal, and what it reports."""
    done = subprocess.run(
        [*COMMAND, *map(str, words), "--json"], env=clean_environment(FALCONER_OFFLINE_HOME=str(folder / "home")),
        cwd=folder, input=typed, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    document: dict[str, object] = json.loads(done.stdout)
    return document


def ids(document: dict[str, object]) -> list[str]:
    rules = document["rules"]
    assert isinstance(rules, list)
    return [rule["id"] for rule in rules]


def terminal(folder: Path, *words: object, lines: int = 40, columns: int = 100) -> pexpect.spawn:
    child = pexpect.spawn(
        COMMAND[0], [*COMMAND[1:], *map(str, words)], cwd=folder, dimensions=(lines, columns), encoding="utf-8",
        env=clean_environment(FALCONER_OFFLINE_HOME=str(folder / "home")), timeout=60,
    )  # fmt: skip
    child.logfile_read = io.StringIO()
    return child


@pytest.mark.parametrize("said", SAID[::5], ids=lambda said: f"{said.file} {said.options}")
def test_what_is_shown_comes_out_again_and_says_what_it_is(said: Said, tmp_path: Path):
    """A fifth of what the other program is asked for: behind the command line both have one code."""
    write_files(tmp_path)
    made = run(tmp_path, "show", said.file, "--gif", "x.gif", *said.words)
    told = run(tmp_path, "scan", "x.gif", "--what")
    assert (told["dialect"], told["type"], told["kind"]) == (said.dialect, said.type, said.kind)
    assert told["sha256"] == made["sha256"] == hashlib.sha256(said.payload).hexdigest()


def test_all_outputs_at_once_and_none_twice(tmp_path: Path):
    (tmp_path / "x.psbt").write_bytes(LONG)
    outputs = {"--qr-images": "pictures", "--gif": "x.gif", "--html": "x.html"}
    words = [word for pair in outputs.items() for word in pair]
    made = run(tmp_path, "show", "x.psbt", "--for", "coldcard", "--density", "12", *words)
    assert (made["written"], made["dialect"]) == (list(outputs.values()), "bbqr")
    run(tmp_path, "scan", *sorted(path for path in (tmp_path / "pictures").iterdir()), "--out", "one")
    run(tmp_path, "scan", "x.gif", "--out", "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() == LONG
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for option, name in outputs.items():
        assert ids(run(tmp_path, "show", "x.psbt", option, name, expect=9)) == ["file-exists"]
    assert ids(run(tmp_path, "scan", "x.gif", "--out", "one", expect=9)) == ["file-exists"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("words", "rule", "status"),
    [
        (("show", "x.psbt"), "terminal-needed", 2),
        (("show", "x.psbt", "--gif", "x.gif", "--density", "thick"), "qr-density", 2),
        (("show", "x.psbt", "--gif", "x.gif", "--fps", "0"), "qr-rate", 2),
        (("show", "descriptor.txt", "--gif", "x.gif", "--for", "electrum"), "signer-cannot-take", 2),
        (("show", "x.psbt", "--gif", "x.gif", "--ur-type", "hdkey"), "send-kind-unsupported", 2),
        (("show", "nowhere", "--gif", "x.gif"), "file-unreadable", 9),
        (("scan",), "usage", 2),
        (("scan", "x.psbt", "--what", "--out", "y"), "usage", 2),
        (("scan", "x.psbt"), "image-malformed", 3),
        (("scan", "-"), "scan-no-code", 3),
        (("scan", "fresh", "--timeout", "1"), "scan-timeout", 3),
        (("scan", "--camera", "63"), "camera-unavailable", 7),
    ],
)
def test_wrong_use_and_wrong_files(words: tuple[str, ...], rule: str, status: int, tmp_path: Path):
    write_files(tmp_path)
    (tmp_path / "fresh").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert ids(run(tmp_path, *words, expect=status)) == [rule]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_seed_is_neither_shown_nor_kept(tmp_path: Path):
    seed = " ".join(["abandon"] * 11 + ["about"])
    (tmp_path / "seed.txt").write_text(seed)
    codes.write_code(tmp_path / "seed.png", seed)
    for words in (("show", "seed.txt", "--gif", "x.gif"), ("scan", "seed.png", "--out", "x")):
        told = run(tmp_path, *words, expect=3)
        assert ids(told) == ["secret-in-code"]
        assert "abandon" not in json.dumps(told)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed.png", "seed.txt"]


def test_lines_of_a_hand_scanner(tmp_path: Path):
    made = send(PSBT, Kind.PSBT, Way(version=8))
    texts = [made.frame(number) for number in range(made.n, 0, -1)]
    run(tmp_path, "scan", "-", "--out", "out", typed="\r\n".join(texts))
    assert (tmp_path / "out").read_bytes() == PSBT
    assert ids(run(tmp_path, "scan", "-", expect=3, typed="\n".join(texts[1:]))) == ["scan-incomplete"]


@pytest.mark.parametrize("preview", [(), ("--preview",)])
def test_a_folder_that_is_being_filled_and_ctrl_c(preview: tuple[str, ...], tmp_path: Path):
    made = send(PSBT, Kind.PSBT, Way(version=8))
    folder = tmp_path / "fresh"
    folder.mkdir()
    (folder / "1.png").write_bytes(draw(made.frame(1)).png())
    child = terminal(tmp_path, "scan", folder, "--out", tmp_path / "out", *preview)
    child.expect(f"1 of {made.n} parts")
    assert any("falconer_shared.qr.worker" in line for line in codes.processes_of(child.pid))
    child.sendintr()
    child.expect("person-declined")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 8
    raw = child.logfile_read.getvalue()
    assert raw.count(ENTER) == raw.count(LEAVE) == bool(preview)
    assert "Traceback" not in raw
    assert codes.processes_of(child.pid) == []
    assert not (tmp_path / "out").exists()
    # and again, to its end
    child = terminal(tmp_path, "scan", folder, "--out", tmp_path / "out", *preview)
    child.expect(f"1 of {made.n} parts")
    for number in range(2, made.n + 1):
        (folder / f"{number}.png").write_bytes(draw(made.frame(number)).png())
        time.sleep(0.02)
    child.expect("SHA-256")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert (tmp_path / "out").read_bytes() == PSBT
    assert ("\x1b[38;5;46m" in child.logfile_read.getvalue()) == bool(preview)


def test_keys_change_what_is_shown(tmp_path: Path):
    (tmp_path / "x.psbt").write_bytes(LONG)
    child = terminal(tmp_path, "show", "x.psbt", "--density", "8", "--fps", "5")
    child.expect(r"speed \(5 a second\), \[ \] density \(8\)")
    child.send("+")
    child.expect(r"speed \(6 a second\), \[ \] density \(8\)")
    child.send("]")
    child.expect(r"speed \(6 a second\), \[ \] density \(10\)")
    child.send("\x03")
    child.expect(hashlib.sha256(LONG).hexdigest()[:20])
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    raw = child.logfile_read.getvalue()
    assert raw.count(ENTER) == raw.count(LEAVE) == 1
