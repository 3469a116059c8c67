"""What crosses the gap as QR codes, driven as a person does it: pictures in, codes on the screen or pictures out."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import signal as signals
import time

import pexpect
import pytest

from falconer_shared.crossing.options import Show
from falconer_shared.exchange.response import check_response, parse_response
from falconer_shared.policy import bundle
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.qr.draw import draw
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.receive import Receiver
from tests.offline.test_cli import confirmations, founded, home, request_file, signer, wallet_id
from tests.support import codes, pictures
from tests.support.policies import signed
from tests.support.programs import BIN, Signer, clean_environment
from tests.support.refusal import refused
from tests.support.treasury import wsh_descriptor

__all__ = ["founded", "home", "request_file", "signer"]


@pytest.fixture
def frames(request_file, tmp_path):
    """The request as pictures."""
    found = codes.write_frames(tmp_path / "frames", request_file.read_bytes())
    assert len(found) > 3
    return found


def check_answer(home, data: bytes, request: bytes) -> None:
    """The answer is one to this request, with a signature."""
    judged = home.judge(request, int(time.time()))
    receipt = check_response(
        parse_response(UntrustedPsbt.parse(data)), judged.checked.request, home.draft.policy()
    )
    assert receipt.signed
    assert all(view.partial_sigs for view in UntrustedPsbt.parse(data).inputs)


# Pictures in


def test_a_request_is_read_from_pictures_in_any_order(signer, frames, request_file):
    shuffled = list(frames)
    random.Random(5).shuffle(shuffled)
    done = signer.run("inspect", "--scan", *shuffled, json_output=True)
    assert done.json["verdict"] == "accepted"
    data = request_file.read_bytes()
    shown = " ".join(done.shown.split())
    assert f"Scanned {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}" in shown


def test_a_request_in_one_picture_of_many_codes_and_as_jpeg(signer, frames, tmp_path):
    import numpy as np

    images = [pictures.grey(path.read_bytes()) for path in frames[:3]]
    sheet = np.hstack([image[: min(i.shape[0] for i in images)] for image in images])
    (tmp_path / "sheet.jpg").write_bytes(pictures.jpeg(sheet))
    assert (
        signer.run("inspect", "--scan", tmp_path / "sheet.jpg", *frames[3:], json_output=True).json["verdict"]
        == "accepted"
    )


def test_missing_parts_are_named(signer, frames):
    done = signer.run("inspect", "--scan", frames[0], *frames[2:], expect=3, json_output=True)
    assert done.refusals == ["scan-incomplete"]
    assert done.json["rules"][0]["message"].endswith("missing: 2")


@pytest.mark.parametrize(
    ("make", "status", "rule"),
    [
        (lambda path: path.write_bytes(draw("x").png()), 3, "scan-other-kind"),
        (lambda path: path.write_bytes(draw("UR:BYTES/XX").png()), 3, None),
        (lambda path: path.write_bytes(draw("B$ZP0100").png()), 3, "bbqr-head-malformed"),
        (lambda path: path.write_bytes(pictures.png(pictures.on_screen(pictures.grey(draw("x").png()))[:60])), 3, "scan-no-code"),
        (lambda path: path.write_bytes(b"no picture"), 3, "image-malformed"),
        (lambda path: path.write_bytes(b""), 3, "file-empty"),
        (os.mkfifo, 3, "file-not-regular"),
        (lambda path: path.symlink_to("/etc/hostname"), 3, "file-not-regular"),
        (lambda path: path.write_bytes(bytes((32 << 20) + 1)), 3, "file-too-large"),
        (lambda path: None, 9, "file-unreadable"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["inspect", "sign"])
def test_pictures_that_hold_no_request(signer, tmp_path, make, status, rule, command):
    make(tmp_path / "picture.png")
    out = ["--out", tmp_path / "answer.psbt"] if command == "sign" else []
    done = signer.run(command, "--scan", tmp_path / "picture.png", *out, expect=status, json_output=True)
    assert rule is None or done.refusals == [rule]
    assert "Traceback" not in done.shown
    assert not (tmp_path / "answer.psbt").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "a", "b"),
        ("inspect",),
        ("inspect", "--scan"),
        ("inspect", "--camera", "0", "picture.png"),
        ("inspect", "--camera", "64"),
        ("sign", "a"),
        ("sign", "a", "--qr", "--ur-type", "crypto-seed"),
        ("key", "new", "b", "--transcript", "x"),
    ],
)
def test_wrong_use(signer, arguments):
    assert signer.run(*arguments, expect=2, json_output=True).refusals == ["usage"]


def test_a_camera_that_is_not_there(signer, tmp_path):
    done = signer.run("sign", "--camera", "63", "--out", tmp_path / "answer.psbt", expect=7, json_output=True)
    assert done.refusals == ["camera-unavailable"]


class Pictures:
    """A camera: the real worker, which is shown one picture after the other, the last one for ever."""

    def __init__(self, scanner, shown):
        self._scanner, self._shown = scanner, shown

    def look(self):
        self.look_count = getattr(self, "look_count", 0) + 1
        assert self.look_count < 200
        return self._scanner.read(self._shown.pop(0) if len(self._shown) > 1 else self._shown[0])


# Answers out


def test_an_answer_as_pictures(home, signer, frames, request_file, tmp_path):
    out = tmp_path / "answer"
    done = signer.run(
        "sign", "--scan", *frames, "--qr-images", out, answers=confirmations(home), json_output=True
    )
    assert (done.json["signed"], done.json["out"], done.json["qr_images"]) == (True, None, str(out))
    names = sorted(path.name for path in out.iterdir())
    assert names == [f"frame-{number:03}.png" for number in range(1, len(names) + 1)]
    assert {path.stat().st_mode & 0o777 for path in (out, *out.iterdir())} == {0o700, 0o600}
    found = codes.received(path.read_bytes() for path in sorted(out.iterdir(), reverse=True))
    assert found.type == "crypto-psbt"
    check_answer(home, found.data, request_file.read_bytes())
    again = signer.run("sign", request_file, "--qr-images", out, expect=9, json_output=True)
    assert again.refusals == ["file-exists"]
    assert len(home.state().rows["receipts"]) == 1


def test_an_answer_that_no_code_can_carry_is_said(home, monkeypatch, tmp_path):
    from falconer_offline.cli.giving import CodesExit, Exit
    from falconer_shared.errors import UsageError
    from falconer_shared.transport import parts, ur

    codes = Show(qr_images=str(tmp_path / "pictures"))
    way = Exit(None, False, CodesExit(codes, codes.choice_for(), None, 0))
    data = b"psbt\xff" + bytes(3000)
    monkeypatch.setattr(ur, "MAX_PARTS", 3)
    with refused("qr-payload-too-large", UsageError):
        way.give(data)
    assert not (tmp_path / "pictures").exists()
    monkeypatch.setattr(ur, "MAX_PARTS", parts.MAX_PARTS)
    assert hashlib.sha256(data).hexdigest() in way.give(data)


def test_a_folder_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    from falconer_offline import emit
    from falconer_shared import files
    from falconer_shared.errors import StateError

    real, written = files.write_file, []

    def interrupted(path, data, **options):
        if len(written) == 2:
            raise KeyboardInterrupt
        real(path, data, **options)
        written.append(path)

    monkeypatch.setattr(files, "write_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        emit.write_folder(str(tmp_path / "out"), {str(n): b"x" for n in range(5)})
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(files, "write_file", real)
    emit.write_folder(str(tmp_path / "out") + "/", {"a": b"x"})
    assert (tmp_path / "out" / "a").read_bytes() == b"x"
    with refused("file-exists", StateError):
        emit.write_folder(str(tmp_path / "out"), {"a": b"x"})
    with refused("file-not-writable", StateError):
        emit.write_folder("/nowhere/at/all", {"a": b"x"})


def terminal(
    signer: Signer, lines: int, columns: int, *arguments: object, **environment: str
) -> pexpect.spawn:
    """The program in a terminal of this size, which it finds out itself."""
    child = pexpect.spawn(
        "/bin/sh",
        ["-c", f'exec "$@" 9<{signer.identity}', "sh", *signer.command(*arguments)],
        env=clean_environment(FALCONER_OFFLINE_HOME=str(signer.home), **environment),
        dimensions=(lines, columns), encoding="utf-8", timeout=60,
    )  # fmt: skip
    child.delaybeforesend = None
    return child


def confirm(child: pexpect.spawn, office) -> None:
    for prompt, answer in confirmations(office):
        child.expect_exact(prompt)
        child.sendline(answer)


@pytest.mark.parametrize(
    ("lines", "columns", "ending", "kind", "environment"),
    [
        (22, 41, "x", "crypto-psbt", {}),
        (24, 80, " ", "crypto-psbt", {}),
        (40, 120, "\x03", "psbt", {}),
        (60, 100, "\r", "bytes", {"NO_COLOR": "1"}),
    ],
)
def test_an_answer_in_the_terminal(home, signer, request_file, lines, columns, ending, kind, environment):
    """Every frame is drawn again from what went to the terminal, and read as a camera would."""
    child = terminal(signer, lines, columns, "sign", request_file, "--qr", "--ur-type", kind, **environment)
    confirm(child, home)
    child.expect_exact("\x1b[?1049h")
    seen, read, found, deadline = "", 0, None, time.monotonic() + 120
    receiver = Receiver()
    while found is None:
        assert time.monotonic() < deadline
        seen += child.read_nonblocking(1 << 20, timeout=10)
        whole = seen.split("\x1b[H")[1:-1]
        for frame in whole[read:]:
            for code in codes.codes_in(codes.animation("\x1b[H" + frame)[0]):
                found = receiver.feed(code).received
        read = len(whole)
    child.send(ending)
    child.expect(pexpect.EOF)
    rest = child.before
    assert rest.index("\x1b[?1049l") < rest.index("Signed. The answer is shown as")
    child.close()
    assert child.exitstatus == 0
    assert found.type == kind
    check_answer(home, found.data, request_file.read_bytes())
    for frame in seen.split("\x1b[H")[1:-1]:
        assert frame.count("\n") < lines
        assert max(len(codes._COLOURS.sub("", line)) for line in frame.splitlines()) <= columns
    assert ("\x1b[48;2;255;255;255m" in seen) == (not environment)


@pytest.mark.parametrize(("lines", "columns"), [(15, 80), (21, 80), (24, 40)])
def test_a_terminal_too_small_is_said_before_anything_is_signed(home, signer, request_file, lines, columns):
    child = terminal(signer, lines, columns, "sign", request_file, "--qr")
    child.expect(pexpect.EOF)
    assert "qr-terminal-too-small" in child.before
    child.close()
    assert child.exitstatus == 2
    assert home.state().rows["spends"] == ()
    assert home.state().rows["receipts"] == ()


@pytest.mark.parametrize(
    ("words", "rule", "status"),
    [
        (("--out", "no-such-folder/answer.psbt"), "file-not-writable", 9),
        (("--gif", "no-such-folder/answer.gif"), "file-not-writable", 9),
        (("--out", "answer.psbt", "--gif", "answer.gif", "--dialect", "text"), "send-kind-unsupported", 2),
        (("--gif", "answer.gif", "--ur-type", "hdkey"), "send-kind-unsupported", 2),
    ],
)
def test_an_answer_that_could_not_leave_is_not_made(
    home, signer, request_file, tmp_path, words, rule, status
):
    words = [word if word.startswith("--") or "answer" not in word else tmp_path / word for word in words]
    refusal = signer.run("sign", request_file, *words, expect=status, json_output=True)
    assert refusal.json["rules"][0]["id"] == rule
    assert home.state().rows["spends"] == ()
    assert home.state().rows["receipts"] == ()


def test_a_code_is_drawn_on_a_terminal_only(signer):
    from tests.offline.test_cli import plain

    done = plain("wallet", "address", "treasury", "--qr", home=signer.home)
    assert done.returncode == 2
    assert "terminal-needed" in done.stderr


@pytest.mark.parametrize("ended_by", [signals.SIGINT, signals.SIGTERM, signals.SIGHUP])
def test_a_scan_that_is_stopped_leaves_nothing_behind(home, signer, request_file, tmp_path, ended_by):
    import numpy as np

    # one large picture without a code, looked at so often that it takes many seconds
    (tmp_path / "empty.png").write_bytes(pictures.png(np.full((5000, 5000), 200, np.uint8)))
    pages = [tmp_path / "empty.png"] * 200
    child = terminal(signer, 24, 80, "sign", "--scan", *pages, "--out", tmp_path / "answer.psbt")
    child.expect(r"\d+ of \d+ pictures")
    assert any("falconer_shared.qr.worker" in line for line in codes.processes_of(child.pid))
    if ended_by is signals.SIGINT:
        child.sendintr()
    else:
        child.kill(ended_by)
    child.expect(pexpect.EOF)
    assert "person-declined" in child.before
    assert "Traceback" not in child.before
    child.close()
    assert child.exitstatus == 8
    assert codes.processes_of(child.pid) == []
    assert not (tmp_path / "answer.psbt").exists()


# The ceremony by codes


def test_a_descriptor_is_registered_from_pictures(signer, tmp_path):
    descriptor = wsh_descriptor(2, (1, 2, 3))
    found = codes.write_frames(tmp_path / "frames", descriptor.encode() + b"\n", Kind.BYTES)
    answers = [
        ("Who holds key 1 of", ""), ("Who holds key 2 of", "south"), ("Who holds key 3 of", "bank"),
        ("Last 4 characters of the wallet id: ", wallet_id(descriptor)[-4:]),
    ]  # fmt: skip
    done = signer.run("wallet", "register", "vault", "--scan", *found, answers=answers, json_output=True)
    assert done.json["wallet_id"] == wallet_id(descriptor)


def test_a_policy_is_installed_from_pictures_with_its_signatures(home, signer, tmp_path):
    second = dataclasses.replace(home.draft, version=2, rules={"max_fee_sats": 777})
    candidate = signed(second.text(), "admin-a", "admin-b")
    found = codes.write_frames(tmp_path / "frames", bundle.join(candidate), Kind.BYTES)
    question = ("Last 4 characters of the policy digest: ", second.policy().digest[-4:])
    assert (
        signer.run("policy", "install", "--scan", *found, answers=[question], json_output=True).json[
            "version"
        ]
        == 2
    )
    third = dataclasses.replace(second, version=3)
    candidate = signed(third.text(), "admin-a", "admin-b")
    text = codes.write_frames(tmp_path / "text", candidate.text, Kind.BYTES)
    words = []
    for number, signature in enumerate(candidate.signatures):
        (tmp_path / f"{number}.sig").write_bytes(signature)
        words += ["--signature", tmp_path / f"{number}.sig"]
    question = (question[0], third.policy().digest[-4:])
    assert (
        signer.run("policy", "install", "--scan", *text, *words, answers=[question], json_output=True).json[
            "version"
        ]
        == 3
    )
    alone = signer.run("policy", "install", "--scan", *text, expect=3, json_output=True)
    assert alone.refusals == ["policy-bundle-malformed"]
    (tmp_path / "policy.txt").write_bytes(candidate.text)
    assert signer.run("policy", "install", tmp_path / "policy.txt", expect=2, json_output=True).refusals == [
        "usage"
    ]


def test_an_address_and_a_key_as_codes(home, signer, tmp_path):
    from tests.support.treasury import key_expression

    for flags, branch in ((["--index", 5], 0), (["--index", 5, "--change"], 1)):
        shown = signer.run("wallet", "address", "treasury", *flags, "--qr").shown
        assert codes.codes_in(codes.code_on_screen(shown)) == [home.wallet.address(branch, 5).encode()]
        assert shown.rstrip().endswith(home.wallet.address(branch, 5))
    words = ("key", "xpub", "key-1", "--path", "84h/1h/0h")
    assert codes.codes_in(codes.code_on_screen(signer.run(*words, "--qr").shown)) == [
        key_expression(1).encode()
    ]
    signer.run(*words, "--qr-image", tmp_path / "key.png")
    assert codes.codes_in((tmp_path / "key.png").read_bytes()) == [key_expression(1).encode()]
    child = terminal(signer, 24, 80, *words, "--qr")
    child.expect(pexpect.EOF)
    assert "qr-terminal-too-small" in child.before
    assert BIN
