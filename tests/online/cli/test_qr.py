"""`falconer qr show|scan`: any file as codes, any codes as a file."""

from __future__ import annotations

import hashlib
import io
import subprocess
import time
from pathlib import Path

import pexpect
import pytest

from falconer_shared.crossing.options import SIGNERS, SPELLINGS, UR_TYPES
from falconer_shared.qr.draw import draw
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.profiles import PROFILES, Refusal
from falconer_shared.transport.send import Way, send
from tests.online.office import Office
from tests.support import codes, frames, pictures
from tests.support.payloads import DESCRIPTOR, PSBT, SAID, Said, write_files
from tests.support.programs import BIN, clean_environment

LONG = frames.psbt(2500)


def shown(office: Office, data: bytes = LONG, *options: object) -> list[Path]:
    """A payload as numbered pictures."""
    folder = office.folder / f"codes-{len(list(office.folder.iterdir()))}"
    office.run("qr", "show", office.path("shown.psbt", data), "--qr-images", folder, *options)
    return sorted(folder.iterdir())


# Shown, and told


def test_every_spelling_and_type_is_among_what_is_tried():
    words = [word for said in SAID for word in said.words]
    assert {"ur", *words} >= set(SPELLINGS)
    # an account's spelling of version 1 takes keys with paths of their own: it is sent and read in the tests of transport
    assert {"crypto-psbt", "crypto-account", *words} >= set(UR_TYPES)


@pytest.mark.parametrize("said", SAID, ids=lambda said: f"{said.file} {said.options}")
def test_what_is_shown_comes_out_again_and_says_what_it_is(office: Office, said: Said):
    write_files(office.folder)
    folder = office.folder / "codes"
    made = office.run("qr", "show", office.folder / said.file, "--qr-images", folder, *said.words).json
    assert (made["dialect"], made["codes"]) == (said.dialect, len(list(folder.iterdir())))
    told = office.run("qr", "scan", "--what", *folder.iterdir()).json
    assert (told["dialect"], told["type"], told["kind"]) == (said.dialect, said.type, said.kind)
    assert (told["bytes"], told["sha256"]) == (len(said.payload), hashlib.sha256(said.payload).hexdigest())
    assert told["sha256"] == made["sha256"]
    assert told["out"] is None
    text = said.kind not in {"psbt", "transaction", "bytes"}
    assert told.get("text") == (said.payload.decode() if text else None)
    out = office.folder / "out"
    office.run("qr", "scan", *folder.iterdir(), "--out", out)
    assert out.read_bytes() == said.payload


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("kind", ["psbt", "descriptor", "key"])
def test_each_signer_gets_codes_that_are_read_back_or_is_said_to_take_none(
    office: Office, signer: str, kind: str
):
    write_files(office.folder)
    file = office.folder / {"psbt": "x.psbt", "descriptor": "descriptor.txt", "key": "key.txt"}[kind]
    way = getattr(PROFILES[signer], {"descriptor": "wallet"}.get(kind, kind))
    if isinstance(way, Refusal):
        refusal = office.run("qr", "show", file, "--gif", office.folder / "x.gif", "--for", signer, expect=2)
        assert refusal.ids == ["signer-cannot-take"]
        assert refusal.json["rules"][0]["remedy"] == way.remedy
        assert not (office.folder / "x.gif").exists()
        return
    made = office.run("qr", "show", file, "--gif", office.folder / "x.gif", "--for", signer).json
    told = office.run("qr", "scan", office.folder / "x.gif").json
    assert told["sha256"] == made["sha256"]
    assert told["kind"] == kind


def test_an_interrupt_while_pictures_are_drawn_leaves_none(office: Office, monkeypatch: pytest.MonkeyPatch):
    from falconer_shared.crossing import written

    real = written.draw

    def interrupted(text: str, *, at_least: int = 1) -> object:
        if "/4-" in text:
            raise KeyboardInterrupt
        return real(text, at_least=at_least)

    monkeypatch.setattr(written, "draw", interrupted)
    path = office.path("x.psbt", LONG)
    refusal = office.run("qr", "show", path, "--density", "8", "--qr-images", office.folder / "new", expect=8)
    assert refusal.ids == ["interrupted"]
    assert [path.name for path in office.folder.iterdir()] == ["x.psbt"]


def test_all_outputs_at_once(office: Office):
    path = office.path("x.psbt", LONG)
    names = [office.folder / name for name in ("pictures", "x.gif", "x.html")]
    made = office.run(
        "qr", "show", path, "--qr-images", names[0], "--gif", names[1], "--html", names[2], "--density", "low"
    )
    assert made.json["written"] == list(map(str, names))
    assert made.json["codes"] == len(list(names[0].iterdir())) > 3
    for source in (sorted(names[0].iterdir(), reverse=True), [names[1]]):
        assert office.run("qr", "scan", *source).json["sha256"] == hashlib.sha256(LONG).hexdigest()
    assert b"Content-Security-Policy" in names[2].read_bytes()
    assert {path.stat().st_mode & 0o077 for path in names} == {0}


def test_nothing_that_is_there_is_overwritten(office: Office):
    path = office.path("x.psbt", PSBT)
    for option in ("--gif", "--html"):
        taken = office.path("taken", b"mine")
        refusal = office.run(
            "qr", "show", path, "--qr-images", office.folder / "new", option, taken, expect=9
        )
        assert refusal.ids == ["file-exists"]
        assert not (office.folder / "new").exists()
        assert taken.read_bytes() == b"mine"
    (office.folder / "folder").mkdir()
    assert office.run("qr", "show", path, "--qr-images", office.folder / "folder", expect=9).ids == [
        "folder-exists"
    ]
    files = shown(office, PSBT)
    refusal = office.run("qr", "scan", *files, "--out", office.path("taken", b"mine"), expect=2)
    assert refusal.ids == ["usage"]
    assert (office.folder / "taken").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("show", "x.psbt"), "terminal-needed"),
        (("show", "x.psbt", "--qr"), "terminal-needed"),
        (("show", "x.psbt", "--gif", "x.gif", "--density", "thick"), "qr-density"),
        (("show", "x.psbt", "--gif", "x.gif", "--density", "41"), "qr-density"),
        (("show", "x.psbt", "--gif", "x.gif", "--fps", "31"), "qr-rate"),
        (("show", "x.psbt", "--gif", "x.gif", "--for", "paper"), "usage"),
        (("show", "x.psbt", "--gif", "x.gif", "--dialect", "morse"), "usage"),
        (("show", "x.psbt", "--gif", "x.gif", "--dialect", "text"), "send-kind-unsupported"),
        (("show", "x.psbt", "--gif", "x.gif", "--ur-type", "hdkey"), "send-kind-unsupported"),
        (("show", "x.psbt", "--gif", "x.gif", "--ur-type", "crypto-seed"), "usage"),
        (("show", "x.psbt", "--gif", "x.gif", "--dialect", "hex", "--density", "5"), "qr-payload-too-large"),
        (("show", "broken.psbt", "--gif", "x.gif"), "payload-malformed"),
        (("show", "seed.txt", "--gif", "x.gif"), "secret-in-code"),
        (("show", "empty", "--gif", "x.gif"), "file-empty"),
        (("show", "nowhere", "--gif", "x.gif"), "file-unreadable"),
        (("show", ".", "--gif", "x.gif"), "file-not-regular"),
        (("scan",), "usage"),
        (("scan", "x.psbt"), "image-malformed"),
        (("scan", "x.psbt", "--what", "--out", "y"), "usage"),
        (("scan", "x.psbt", "--camera", "1"), "usage"),
        (("scan", "--camera", "64"), "usage"),
        (("scan", "--camera", "63"), "camera-unavailable"),
        (("scan", "blank.png", "--timeout", "0"), "usage"),
        (("scan", "blank.png", "--decoder", "eyes"), "usage"),
        (("scan", "blank.png"), "scan-no-code"),
        (("scan", "blank.png", "--preview"), "terminal-needed"),
        (("scan", "nowhere"), "file-unreadable"),
        (("scan", "seed.png"), "secret-in-code"),
        (("scan", "video.mp4"), "video-malformed"),
    ],
)
def test_wrong_use_and_wrong_files(
    office: Office, words: tuple[str, ...], rule: str, monkeypatch: pytest.MonkeyPatch
):
    seed = " ".join(["abandon"] * 11 + ["about"])
    write_files(office.folder)
    office.path("broken.psbt", b"cHNidP8BA!")
    office.path("seed.txt", seed)
    office.path("empty", b"")
    office.path("blank.png", pictures.png(pictures.grey(draw("x").png())[:40]))
    office.path("seed.png", draw(seed).png())
    office.path("video.mp4", b"\0\0\0\x1cftypisom" + bytes(500))
    monkeypatch.chdir(office.folder)
    before = sorted(path.name for path in office.folder.iterdir())
    refusal = office.run("qr", *words, expect=None)
    assert refusal.ids == [rule]
    assert refusal.status == {"qr-reader-missing": 7, "camera-unavailable": 7, "file-unreadable": 9}.get(
        rule,
        3 if rule.split("-", maxsplit=1)[0] in {"payload", "secret", "file", "image", "scan", "video"} else 2,
    )
    assert "abandon" not in refusal.stdout + refusal.stderr
    assert sorted(path.name for path in office.folder.iterdir()) == before


@pytest.mark.parametrize("decoder", ["zxing", "opencv", "pyzbar"])
def test_each_decoder(office: Office, decoder: str):
    if decoder == "pyzbar" and not any(Path("/usr/lib").glob("*/libzbar.so.0")):
        pytest.skip("libzbar0 is not installed: sudo apt-get install libzbar0")
    files = shown(office, PSBT, "--density", "10")
    told = office.run("qr", "scan", *files, "--decoder", decoder).json
    assert told["sha256"] == hashlib.sha256(PSBT).hexdigest()


def test_the_name_that_a_sender_gives_is_shown_escaped(office: Office):
    made = send(DESCRIPTOR.encode(), Kind.DESCRIPTOR, Way(type_name="output-descriptor", label="va\u202eult"))
    found = office.run("qr", "scan", codes.write_code(office.folder / "x.png", made.frame(1)))
    assert found.json["label"] == "va\u202eult"
    assert "\u202e" not in found.stderr
    assert "(by the sender)" in found.stderr


# From outside, in a process of its own


def program(office: Office, *words: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BIN / "falconer"), "qr", *map(str, words)],
        env=clean_environment(FALCONER_HOME=str(office.home)), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **{"stdin": subprocess.DEVNULL, **options},  # type: ignore[call-overload]
    )  # fmt: skip


def lines(data: bytes = LONG) -> list[str]:
    made = send(data, Kind.PSBT, Way(version=10))
    return [made.frame(number) for number in range(1, made.n + 1)]


def test_lines_of_a_hand_scanner(office: Office):
    """It types each code and ends it as a keyboard does; codes come twice, and one is misread."""
    with program(office, "scan", "-", "--out", office.folder / "out", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for number, text in enumerate(lines()):
            end = "\r\n" if number % 2 else "\n"
            process.stdin.write(text + end + (text[:-3] + "XXX" + end) + text + end)
            process.stdin.flush()
        # the pipe stays open: what is whole is whole
        assert process.wait(30) == 0
    assert (office.folder / "out").read_bytes() == LONG


def test_lines_that_end_too_early_and_lines_that_never_come(office: Office):
    with program(office, "scan", "-", "--json", stdin=subprocess.PIPE) as process:
        out, _ = process.communicate("\n".join(lines()[:-1]), 30)
        assert process.returncode == 3
        assert "scan-incomplete" in out
    with program(office, "scan", "-", "--json", "--timeout", "1", stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert "scan-timeout" in process.stdout.read()
        assert process.wait(30) == 3


def test_a_folder_that_is_being_filled(office: Office):
    folder = office.folder / "fresh"
    folder.mkdir()
    with program(office, "scan", folder, "--out", office.folder / "out") as process:
        for number, text in enumerate(lines()):
            # half a picture first, as a camera writes it
            png = draw(text).png()
            (folder / f"{number:02}.png").write_bytes(png[: len(png) // 2])
            time.sleep(0.02)
            (folder / f"{number:02}.png").write_bytes(png)
        assert process.wait(60) == 0
    assert (office.folder / "out").read_bytes() == LONG


def test_a_folder_that_stays_empty(office: Office):
    (office.folder / "empty").mkdir()
    refusal = office.run("qr", "scan", office.folder / "empty", "--timeout", "1", expect=3)
    assert refusal.ids == ["scan-timeout"]
    assert "--timeout" in refusal.json["rules"][0]["remedy"]


def terminal(office: Office, *words: object, lines: int = 40, columns: int = 100) -> pexpect.spawn:
    child = pexpect.spawn(
        str(BIN / "falconer"), ["qr", *map(str, words)], env=clean_environment(FALCONER_HOME=str(office.home)),
        dimensions=(lines, columns), encoding="utf-8", timeout=60,
    )  # fmt: skip
    child.logfile_read = io.StringIO()
    return child


ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def test_a_preview_in_the_terminal(office: Office):
    files = shown(office, LONG, "--density", "low")
    child = terminal(office, "scan", *files, "--preview", "--out", office.folder / "out")
    child.expect("SHA-256")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    raw = child.logfile_read.getvalue()
    assert raw.count(ENTER) == raw.count(LEAVE) == 1
    # pictures in grey with the code outlined in green, a bar, what is missing, and the flash at the end
    for part in ("▀", "\x1b[38;5;46m", "[####", "still to be seen: ", "\a\x1b[?5h", "\x1b[?5l"):
        assert part in raw
    assert (office.folder / "out").read_bytes() == LONG


@pytest.mark.parametrize("preview", [(), ("--preview",)])
def test_ctrl_c_ends_a_scan_and_leaves_nothing_behind(office: Office, preview: tuple[str, ...]):
    folder = office.folder / "fresh"
    folder.mkdir()
    first = lines()[0]
    (folder / "1.png").write_bytes(draw(first).png())
    child = terminal(office, "scan", folder, "--out", office.folder / "out", *preview)
    child.expect("1 of" if preview else "reading pictures")
    until = time.monotonic() + 30
    while not any("falconer_shared.qr.worker" in line for line in codes.processes_of(child.pid)):
        assert time.monotonic() < until
    child.sendintr()
    child.expect("interrupted")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 8
    raw = child.logfile_read.getvalue()
    assert raw.count(ENTER) == raw.count(LEAVE) == bool(preview)
    assert "Traceback" not in raw
    assert codes.processes_of(child.pid) == []
    assert not (office.folder / "out").exists()


def test_keys_change_what_is_shown(office: Office):
    child = terminal(office, "show", office.path("x.psbt", LONG), "--density", "8", "--fps", "5")
    child.expect(r"speed \(5 a second\), \[ \] density \(8\)")
    child.send("+")
    child.expect(r"speed \(6 a second\), \[ \] density \(8\)")
    child.send("]")
    child.expect(r"speed \(6 a second\), \[ \] density \(10\)")
    child.send("[")
    child.send("[")
    child.send("-")
    child.expect(r"speed \(5 a second\), \[ \] density \(6\)")
    child.send("\x03")
    child.expect(f"SHA-256 of what they hold: {hashlib.sha256(LONG).hexdigest()}")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
