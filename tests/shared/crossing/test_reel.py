"""A payload whose density changes while it is shown."""

from __future__ import annotations

import itertools
import random

import pytest

from falconer_shared.crossing.choice import DENSITIES as CAMERAS
from falconer_shared.crossing.choice import Choice, parse_density, parse_rate
from falconer_shared.crossing.reel import DENSITIES, Reel
from falconer_shared.errors import UsageError
from falconer_shared.qr.draw import QUIET_ZONE, draw, side
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.profiles import PROFILES, Form, route
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.send import Spelling
from tests.support.refusal import refused

PSBT = b"psbt\xff" + random.Random(1).randbytes(3000)


def reel(
    payload: bytes = PSBT, version: int = 10, limit: int = 25, columns: int = 200, **choice: object
) -> Reel:
    plan = Choice(**choice).plan(payload, Kind.PSBT)  # type: ignore[arg-type]
    return Reel(plan.make, version, limit, columns)


@pytest.mark.parametrize("spelling", [Spelling.UR, Spelling.BBQR])
def test_every_density_holds_the_payload_and_keeps_its_size(spelling: Spelling) -> None:
    found = reel(version=4, limit=40, spelling=spelling)
    versions = [found.version]
    while found.denser(1):
        versions.append(found.version)
    assert versions == [version for version in DENSITIES if version >= versions[0]]
    for _ in versions:
        receiver = Receiver()
        for frame in itertools.islice(found.frames(), 1000):
            assert draw(frame).version <= found.version
            if (done := receiver.feed(frame).received) is not None:
                break
        assert done is not None
        assert done.data == PSBT
        found.denser(-1)


@pytest.mark.parametrize("density", [None, 20])
def test_a_way_without_a_form_for_it_is_refused_before_anything_is_made(density: int | None) -> None:
    """The offline program asks before it signs: what was signed and cannot be shown has used up a reservation."""
    for words in (
        {"spelling": Spelling.TEXT},
        {"spelling": Spelling.ADDWALLET},
        {"type_name": "crypto-output"},
        {"type_name": "hdkey"},
    ):
        choice = Choice(density=density, **words)  # type: ignore[arg-type]
        with refused("send-kind-unsupported", UsageError):
            choice.plan(b"psbt\xff", Kind.PSBT)
    assert Choice(spelling=Spelling.BASE43, density=density).plan(b"psbt\xff", Kind.PSBT).make(1).n == 1


def test_the_limit_is_kept() -> None:
    found = reel(version=20, limit=21)
    assert found.denser(1)
    assert found.version == 21
    assert not found.denser(1)
    assert reel(version=20, limit=7).version == 7


def test_too_small_for_the_payload_changes_nothing() -> None:
    found = reel(payload=b"psbt\xff" + bytes(300_000), version=10)
    while found.denser(-1):
        pass
    smallest = found.version
    assert smallest > min(DENSITIES)
    assert not found.denser(-1)
    assert found.version == smallest
    assert found.sending.n > 1


def test_one_code_grows_no_further() -> None:
    found = reel(payload=b"psbt\xff" + bytes(20), version=10)
    assert found.sending.n == 1
    assert not found.denser(1)
    assert found.caption(1, 8) == "One code. Any key ends."


def test_the_caption_fits_the_line_and_says_the_most_wanted_first() -> None:
    for columns in (20, 50, 200):
        line = reel(columns=columns).caption(7, 9)
        assert len(line) < columns
        assert line.startswith("7 shown, ")
    assert "9 a second" in line
    assert "[ ] density (10)" in line


@pytest.mark.parametrize(
    ("text", "version"), [("auto", None), ("low", 12), ("highest", 35), ("1", 1), ("40", 40)]
)
def test_densities(text: str, version: int | None) -> None:
    assert parse_density(text) == version


@pytest.mark.parametrize("text", ["", "0", "41", "-1", "1.5", "denser", "٣", "020", "9" * 30])
def test_no_densities(text: str) -> None:
    with refused("qr-density", UsageError):
        parse_density(text)


@pytest.mark.parametrize(("text", "rate"), [("auto", None), ("1", 1), ("30", 30)])
def test_rates(text: str, rate: int | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "31", "8.5", "fast", "٣"])
def test_no_rates(text: str) -> None:
    with refused("qr-rate", UsageError):
        parse_rate(text)


@pytest.mark.parametrize("signer", PROFILES)
def test_each_signer_gets_what_it_takes(signer: str) -> None:
    usual = route(signer, Kind.PSBT)
    payload = PSBT[:400]
    plan = Choice(signer).plan(payload, Kind.PSBT)
    sending = plan.make(plan.version)
    assert (plan.version, plan.frames_per_second) == (usual.way.version, usual.frames_per_second)
    assert sending.dialect == ("plain" if signer == "electrum" else usual.way.spelling.value)
    # what the person says comes first
    other = Choice(signer, density=22, frames_per_second=3).plan(payload, Kind.PSBT)
    assert (other.version, other.frames_per_second) == (22, 3)


def test_a_signer_that_takes_no_such_thing_and_one_that_nobody_knows() -> None:
    with refused("signer-cannot-take", UsageError) as found:
        Choice("electrum").plan(b"wpkh(...)", Kind.DESCRIPTOR)
    assert found.value.remedy
    with refused("signer-unknown", UsageError):
        Choice("paper").plan(PSBT, Kind.PSBT)
    assert Choice("electrum", Spelling.TEXT).plan(b"wpkh(...)", Kind.DESCRIPTOR)


def test_a_type_name_is_for_ur_alone() -> None:
    assert Choice("sparrow", type_name="psbt").plan(PSBT, Kind.PSBT).make(20).frame(1).startswith("UR:PSBT/")
    assert Choice("coldcard", type_name="psbt").plan(PSBT, Kind.PSBT).make(20).frame(1).startswith("B$")


def test_the_form_of_a_wallet() -> None:
    assert Choice("coldcard").form() is Form.JSON_DESC
    assert Choice("jade").form() is Form.MULTISIG_TEXT
    assert Choice().form() is Choice("jade", Spelling.TEXT).form() is Form.DESCRIPTOR


# What is chosen where nobody says anything


def modules(version: int) -> int:
    return side(version) + 2 * QUIET_ZONE


@pytest.mark.parametrize(("name", "lines"), [("low", 480), ("medium", 720), ("high", 720), ("highest", 1080)])
def test_named_densities_leave_a_module_five_pixels_of_the_camera(name: str, lines: int) -> None:
    """With the code filling nine tenths of the picture's height (BASELINES: what survives motion blur)."""
    assert lines * 9 // 10 / modules(CAMERAS[name]) >= 5


@pytest.mark.parametrize("signer", PROFILES)
def test_what_moves_is_never_denser_than_a_camera_of_720_lines_reads(signer: str) -> None:
    for kind in (Kind.PSBT, Kind.DESCRIPTOR, Kind.KEY, Kind.TRANSACTION, Kind.BYTES):
        try:
            way = route(signer, kind).way
        except UsageError:
            continue
        still = way.spelling in {Spelling.TEXT, Spelling.BASE43, Spelling.ADDWALLET}
        assert still or way.version <= CAMERAS["high"]
    # cameras of 480 lines and less
    if signer in {"seedsigner", "krux", "jade"}:
        assert route(signer, Kind.PSBT).way.version <= CAMERAS["low"]


def chosen(size: int, **choice: object) -> tuple[int, int]:
    payload = b"psbt\xff" + random.Random(2).randbytes(size - 5)
    plan = Choice(**choice).plan(payload, Kind.PSBT)  # type: ignore[arg-type]
    return plan.version, plan.make(plan.version).n


def test_between_falconers_the_payload_decides() -> None:
    assert chosen(500) == (20, 1)
    assert chosen(700) == (25, 1)
    assert chosen(1_000) == (20, 2)
    version, count = chosen(33_000)
    assert (version, count < 60) == (20, True)
    version, count = chosen(36_000)
    assert (version, count < 60) == (25, True)
    assert chosen(36_000, density=20)[0] == 20


def test_others_get_what_their_cameras_read_whatever_it_is() -> None:
    assert chosen(36_000, signer="krux")[0] == 8
    assert chosen(36_000, signer="coldcard")[0] == 25
    assert chosen(700, signer="sparrow")[0] == 16


@pytest.mark.parametrize(("size", "version"), [(300, 20), (950, 25), (1_290, 30), (1_700, 35), (2_200, 40)])
def test_a_dialect_of_one_code_gets_as_large_a_code_as_it_needs(size: int, version: int) -> None:
    assert chosen(size, spelling=Spelling.BASE64) == (version, 1)


def test_what_no_code_holds_is_refused() -> None:
    plan = Choice("electrum").plan(PSBT * 2, Kind.PSBT)
    with refused("qr-payload-too-large", UsageError):
        plan.make(plan.version)


def test_a_terminal_too_small_for_a_payload_that_needs_one_code() -> None:
    plan = Choice("electrum").plan(PSBT[:1500], Kind.PSBT)
    with refused("qr-terminal-too-small", UsageError) as found:
        Reel(plan.make, plan.version, 20, 200)
    needed = draw(plan.make(plan.version).frame(1)).version
    assert (
        found.value.message
        == f"a code that holds it takes {modules(needed)} columns and {modules(needed) // 2 + 2} lines"
    )
    assert Reel(plan.make, plan.version, needed, 200).sending.n == 1


def test_where_light_and_dark_are_guessed_a_key_is_named() -> None:
    plan = Choice().plan(PSBT, Kind.PSBT)
    assert "i inverts" in Reel(plan.make, 10, 25, 200, plain=True).caption(1, 8)
    assert "i inverts" not in Reel(plan.make, 10, 25, 200).caption(1, 8)
    one = Choice().plan(PSBT[:200], Kind.PSBT)
    assert Reel(one.make, 20, 25, 200, plain=True).caption(1, 8) == "One code. i inverts, any other key ends."
