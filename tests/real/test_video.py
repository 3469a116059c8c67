"""Videos of codes on a screen, filmed by hand, and read by the commands as they are shipped."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from falconer_shared.crossing.choice import Choice
from falconer_shared.transport.parts import Kind
from tests.offline.test_cli import confirmations, founded, home, request_file, signer
from tests.offline.test_gap import check_answer
from tests.support import frames
from tests.support.film import Camera, film
from tests.support.programs import BIN, Coordinator, clean_environment

__all__ = ["founded", "home", "request_file", "signer"]

PSBT = frames.psbt(1000)


def filmed(path: Path, payload: bytes, camera: Camera, choice: Choice) -> Path:
    """What is shown for this choice, long enough to make good for what the camera spoils."""
    plan = choice.plan(payload, Kind.PSBT)
    sending = plan.make(plan.version)
    return film(path, sending.frames(), 2 * sending.n + 3, plan.frames_per_second, camera)


@pytest.mark.parametrize(
    ("signer_name", "height", "container"),
    [
        ("sparrow", 720, "mp4"),
        ("seedsigner", 480, "mkv"),
        ("krux", 480, "mov"),
        ("coldcard", 720, "avi"),
        ("jade", 480, "ts"),
        ("keystone", 720, "mov"),
        ("passport", 720, "ts"),
        ("specter", 720, "avi"),
        ("nunchuk", 720, "mkv"),
        ("falconer", 720, "mp4"),
    ],
)
def test_what_each_signer_is_shown_is_read_from_a_video(
    signer_name: str, height: int, container: str, tmp_path: Path
) -> None:
    path = filmed(tmp_path / f"codes.{container}", PSBT, Camera(height=height), Choice(signer=signer_name))
    out = tmp_path / "received.psbt"
    report = Coordinator(tmp_path / "home").json("qr", "scan", path, "--out", out)
    assert out.read_bytes() == PSBT
    assert report["dialect"] == ("bbqr" if signer_name == "coldcard" else "ur")
    assert (report["kind"], report["sha256"]) == ("psbt", hashlib.sha256(PSBT).hexdigest())


@pytest.mark.parametrize(("decoder", "container"), [("zxing", "webm"), ("opencv", "mp4"), ("pyzbar", "avi")])
def test_the_other_program_and_other_decoders(decoder: str, container: str, tmp_path: Path) -> None:
    """At 480 lines, in codes of the density for them."""
    if decoder == "pyzbar" and not any(Path("/usr/lib").glob("*/libzbar.so.0")):
        pytest.skip("libzbar0 is not installed: sudo apt-get install libzbar0")
    path = filmed(
        tmp_path / f"codes.{container}", PSBT[:600], Camera(height=480, smear=0), Choice(density=12)
    )
    done = subprocess.run(
        [
            *(BIN / "falconer-offline", "--allow-network-interfaces", "qr", "scan", path),
            *("--decoder", decoder, "--out", tmp_path / "received.psbt", "--json"),
        ],
        env=clean_environment(FALCONER_OFFLINE_HOME=str(tmp_path / "home")),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["type"] == "crypto-psbt"
    assert (tmp_path / "received.psbt").read_bytes() == PSBT[:600]


def test_a_request_is_inspected_and_signed_from_a_video(home, signer, request_file, tmp_path):
    data = request_file.read_bytes()
    path = filmed(tmp_path / "request.mp4", data, Camera(lost=0.2, seed=7), Choice())
    assert signer.run("inspect", "--scan", path, json_output=True).json["verdict"] == "accepted"
    out = tmp_path / "answer.psbt"
    done = signer.run("sign", "--scan", path, "--out", out, answers=confirmations(home), json_output=True)
    assert done.json["signed"]
    assert hashlib.sha256(data).hexdigest() in done.shown
    check_answer(home, out.read_bytes(), data)


def test_a_video_that_ends_too_early_names_what_is_missing(tmp_path: Path) -> None:
    plan = Choice(signer="coldcard", density=8).plan(PSBT, Kind.PSBT)
    sending = plan.make(8)
    path = film(tmp_path / "codes.mp4", sending.frames(), sending.n // 2, 8, Camera(lost=0, noise=0))
    refusal = Coordinator(tmp_path / "home").json("qr", "scan", path, "--out", tmp_path / "x", expect=3)
    (rule,) = refusal["rules"]
    assert (rule["id"], rule["total"]) == ("scan-incomplete", sending.n)
    assert sending.n // 2 - 2 <= rule["have"] <= sending.n // 2
    assert not (tmp_path / "x").exists()
