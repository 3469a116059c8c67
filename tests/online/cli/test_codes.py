"""QR codes on the coordinator's command line: a payment crosses both ways, and the terminal is left as it was."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from falconer_shared.policy.bundle import split
from falconer_shared.transport.parts import Kind
from tests.online.office import Office
from tests.support import codes
from tests.support.node import RegtestNode
from tests.support.programs import BIN, clean_environment


def pngs(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def request(office: Office, name: str) -> bytes:
    """The signing request as pictures, read back."""
    folder = office.folder / f"codes-{name}"
    shown = office.run("proposals", "psbt", name, "--qr-images", folder).json
    assert (shown["file"], shown["images"], shown["proposal"]["state"]) == (None, str(folder), "sent")
    found = codes.received(pngs(folder))
    assert found is not None
    assert (found.kind, found.digest) == (Kind.PSBT, shown["sha256"])
    return found.data


def test_a_payment_crosses_both_ways_in_pictures(
    treasury: Callable[..., Office], stranger: Callable[[], str], regtest_node: RegtestNode
):
    office = treasury(500_000)
    name = office.create((stranger(), 60_000)).json["proposal"]["id"]
    answer = office.machines[0].answer(request(office, name), office.descriptor)
    files = codes.write_frames(office.folder / "answer", answer)
    assert len(files) > 1
    taken = office.run("proposals", "receive", "--scan", *files[::-1]).json
    assert (taken["complete"], taken["proposals"][0]["state"]) == (True, "signed")
    sent = office.run("proposals", "broadcast", name).json
    assert regtest_node.confirmations(sent["transaction"]["txid"]) == 0


def test_answers_of_two_signers_in_one_scan_are_broadcast(
    treasury: Callable[..., Office], stranger: Callable[[], str], regtest_node: RegtestNode
):
    office = treasury(500_000, multisig=True)
    name = office.create((stranger(), 60_000)).json["proposal"]["id"]
    data = request(office, name)
    files: list[Path] = []
    for machine in office.machines[:2]:
        answer = machine.answer(data, office.descriptor)
        files += codes.write_frames(office.folder / machine.name, answer)
    missing = office.run("proposals", "broadcast", "--scan", *files[1:], expect=3)
    assert missing.ids == ["scan-incomplete"]
    # nothing of an incomplete scan was taken
    assert office.run("receipt", "list").json["receipts"] == []
    mixed = sorted(files, key=lambda path: (path.name, path.parent.name), reverse=True)
    sent = office.run("proposals", "broadcast", "--scan", *mixed).json
    assert sent["proposal"]["state"] == "broadcast"
    assert regtest_node.confirmations(sent["transaction"]["txid"]) == 0


def test_wallet_and_policy_are_shown_for_the_other_side(treasury: Callable[..., Office]):
    office = treasury()
    office.run("wallet", "show", "--qr-images", office.folder / "wallet")
    found = codes.received(pngs(office.folder / "wallet"))
    assert found is not None
    assert (found.kind, found.data) == (Kind.DESCRIPTOR, f"{office.descriptor}\n".encode())
    office.run("policy", "show", "--qr-images", office.folder / "policy")
    found = codes.received(pngs(office.folder / "policy"))
    assert found is not None
    signed = split(found.data)
    assert signed.text == (office.folder / "policy1.txt").read_bytes()
    assert len(signed.signatures) == 2
    other = office.run("proposals", "receive", "--scan", *(office.folder / "wallet").iterdir(), expect=3)
    assert other.ids == ["scan-other-kind"]
    again = office.run("wallet", "show", "--qr-images", office.folder / "wallet", expect=9)
    assert again.ids == ["folder-exists"]


def test_wrong_use_of_scans(treasury: Callable[..., Office], stranger: Callable[[], str]):
    office = treasury(100_000)
    picture = office.path("x.png", b"no picture")
    assert office.run("proposals", "receive", expect=2).ids == ["usage"]
    assert office.run("proposals", "receive", "--scan", expect=2).ids == ["usage"]
    assert office.run("proposals", "broadcast", expect=2).ids == ["usage"]
    assert office.run("proposals", "receive", "--camera", "0", picture, expect=2).ids == ["usage"]
    refusal = office.run("proposals", "receive", "--scan", picture, expect=3).json["rules"][0]
    assert (refusal["id"], refusal["file"]) == ("image-malformed", str(picture))
    # without a terminal nothing is shown, and nothing counts as sent
    name = office.create((stranger(), 10_000)).json["proposal"]["id"]
    assert office.run("proposals", "psbt", name, "--qr", expect=2).ids == ["terminal-needed"]
    assert office.run("proposals", "show", name).json["proposal"]["state"] == "approved"
    assert office.run("wallet", "show", "--qr", expect=2).ids == ["terminal-needed"]


def terminal(
    office: Office, *words: str, dimensions: tuple[int, int] = (70, 140), **extra: str
) -> pexpect.spawn:
    child = pexpect.spawn(
        str(BIN / "falconer"), list(words), env=clean_environment(FALCONER_HOME=str(office.home), **extra),
        dimensions=dimensions, encoding="utf-8", timeout=60,
    )  # fmt: skip
    child.logfile_read = io.StringIO()
    return child


LEAVE = "\x1b[?25h\x1b[?1049l"


def test_a_request_is_drawn_in_the_terminal_until_a_key_is_pressed(
    treasury: Callable[..., Office], stranger: Callable[[], str]
):
    office = treasury(500_000)
    name = office.create((stranger(), 60_000)).json["proposal"]["id"]
    child = terminal(office, "proposals", "psbt", name, "--qr")
    child.expect(r"(\d+) shown, (\d+) needed")
    needed = int(child.match[2])
    assert needed > 1
    child.expect(f"{needed + 1} shown")
    child.send("x")
    child.expect("SHA-256 of what they hold: ([0-9a-f]{64})")
    digest = child.match[1]
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    raw = child.logfile_read.getvalue()
    assert raw.count("\x1b[?1049h") == raw.count(LEAVE) == 1
    assert raw.index(LEAVE) > raw.rindex("shown, ")
    found = codes.received(codes.animation(raw))
    assert found is not None
    assert found.digest == digest
    assert office.machines[0].answer(found.data, office.descriptor)


@pytest.mark.parametrize("words", [("wallet", "show", "--qr"), ("policy", "show", "--qr")])
def test_an_interrupt_leaves_the_terminal_as_it_was(treasury: Callable[..., Office], words: tuple[str, ...]):
    office = treasury()
    child = terminal(office, *words)
    child.expect("Any key ends")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus in {0, 8}, child.logfile_read.getvalue()[-500:]
    raw = child.logfile_read.getvalue()
    assert raw.count("\x1b[?1049h") == raw.count(LEAVE) == 1
    assert "Traceback" not in raw


def test_a_terminal_that_is_too_small_says_so(treasury: Callable[..., Office]):
    office = treasury()
    child = terminal(office, "wallet", "show", "--qr", dimensions=(10, 40))
    child.expect("qr-terminal-too-small")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2
    assert "\x1b[?1049h" not in child.logfile_read.getvalue()


def test_colours_are_for_terminals_that_want_them(
    treasury: Callable[..., Office], stranger: Callable[[], str]
):
    office = treasury(100_000)
    name = office.create((stranger(), 10_000)).json["proposal"]["id"]
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        child = terminal(office, "proposals", "show", "nothing", **extra)
        child.expect(pexpect.EOF)
        child.close()
        assert ("\x1b[31m" in child.logfile_read.getvalue()) is coloured
        assert child.exitstatus == 2
    child = terminal(office, "proposals", "show", name)
    child.expect(pexpect.EOF)
    shown = child.logfile_read.getvalue()
    assert "──┐" in shown
    assert "0.00010000 BTC" in shown
    assert "UTC" in shown
    child = terminal(
        office, "proposals", "show", name, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONCOERCECLOCALE="0"
    )
    child.expect(pexpect.EOF)
    assert "--+" in child.logfile_read.getvalue()
    assert "UnicodeEncodeError" not in child.logfile_read.getvalue()


SLOW = """
import time
from falconer_online.cli.session import Session
with Session().{how} as tell:
    for step in range(1, 9):
        time.sleep({pause})
        if tell: tell(step, 8)
print("end")
"""


@pytest.mark.parametrize("how", ['busy("thinking")', 'progress("thinking")'])
@pytest.mark.parametrize(("pause", "said"), [("0.01", False), ("0.2", True)])
def test_what_takes_long_says_what_it_does(how: str, pause: str, said: bool):
    child = pexpect.spawn(
        sys.executable,
        ["-c", SLOW.format(how=how, pause=pause)],
        env=clean_environment(),
        encoding="utf-8",
        timeout=30,
    )
    child.logfile_read = io.StringIO()
    child.expect("end")
    child.expect(pexpect.EOF)
    assert ("thinking" in child.logfile_read.getvalue()) is said
