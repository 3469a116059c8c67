"""The page for browsers, in a real browser: photographed, read back, steered, and kept from the network."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import browser as browsers
from tests.support import codes, frames
from tests.support.browser import Tab
from tests.support.programs import Coordinator

pytestmark = pytest.mark.skipif(
    browsers.program() is None, reason="Chromium is not installed: sudo apt-get install chromium"
)

PSBT = frames.psbt(1500)
WHERE = "document.getElementById('where').textContent"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browsers.browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    return Coordinator(tmp_path / "home")


def made(coordinator: Coordinator, folder: Path, *options: object, data: bytes = PSBT) -> Path:
    (folder / "x.psbt").write_bytes(data)
    coordinator.run("qr", "show", folder / "x.psbt", "--html", folder / "page.html", *options)
    return folder / "page.html"


def photographed(tab: Tab, folder: Path) -> list[Path]:
    """Pictures of the page as time goes on, until they hold all of a message."""
    folder.mkdir()
    taken: list[Path] = []
    until = time.monotonic() + 90
    while codes.received(path.read_bytes() for path in taken) is None:
        assert time.monotonic() < until
        for _ in range(5):
            taken.append(folder / f"{len(taken):03}.png")
            taken[-1].write_bytes(tab.screenshot())
            time.sleep(0.03)
    return taken


def where(tab: Tab) -> tuple[int, int, int]:
    """Which code of how many, and how many a second, as the page says it."""
    found = re.fullmatch(r"(\d+) of (\d+), (\d+) a second", tab.value(WHERE))
    assert found is not None
    return int(found[1]), int(found[2]), int(found[3])


@pytest.mark.parametrize("options", [("--for", "falconer"), ("--for", "coldcard", "--density", "10")])
def test_screenshots_of_the_page_hold_the_payload(
    options: tuple[str, ...], tab: Tab, coordinator: Coordinator, tmp_path: Path
) -> None:
    tab.open(made(coordinator, tmp_path, *options))
    taken = photographed(tab, tmp_path / "taken")
    report = coordinator.json("qr", "scan", *taken, "--out", tmp_path / "received.psbt")
    assert report["dialect"] == ("bbqr" if "coldcard" in options else "ur")
    assert (tmp_path / "received.psbt").read_bytes() == PSBT


def test_keys_and_controls_change_density_and_speed(
    tab: Tab, coordinator: Coordinator, tmp_path: Path
) -> None:
    tab.open(made(coordinator, tmp_path, "--fps", "10"))
    _, usual, speed = where(tab)
    assert speed == 10
    tab.press("+")
    tab.press("+")
    tab.press("-")
    assert where(tab)[2] == 11
    tab.press("[")
    _, more, speed = where(tab)
    assert (more > usual, speed) == (True, 11)
    assert coordinator.json("qr", "scan", *photographed(tab, tmp_path / "sparser"))["sha256"]
    for _ in range(8):
        tab.press("]")
    _, least, _ = where(tab)
    assert least < usual
    largest = tab.value("document.getElementById('density').options.length") - 1
    assert tab.value("Number(document.getElementById('density').value)") == largest
    report = coordinator.json(
        "qr", "scan", *photographed(tab, tmp_path / "densest"), "--out", tmp_path / "received"
    )
    assert (tmp_path / "received").read_bytes() == PSBT
    assert report["type"] == "crypto-psbt"
    # the controls, as a mouse finds them
    for _ in range(2):
        tab.value("(() => { const s = document.getElementById('speed'); s.value = 30; s.oninput(); })()")
    assert where(tab)[2] == 30
    tab.click("#pause")
    assert tab.value("document.getElementById('pause').textContent") == "Play"
    still, count, _ = where(tab)
    time.sleep(0.3)
    assert where(tab)[0] == still
    tab.click("#next")
    assert where(tab)[0] == still % count + 1
    tab.click("#back")
    tab.click("#back")
    assert where(tab)[0] == (still - 2) % count + 1
    tab.click("#pause")
    until = time.monotonic() + 10
    while where(tab)[0] == (still - 2) % count + 1:
        assert time.monotonic() < until


CALLS = {
    "fetch": "fetch({url!r}, {{mode: 'no-cors'}}).then(() => 'sent', () => 'refused')",
    "image": "new Promise(end => {{ const i = new Image(); i.onload = () => end('sent');"
    " i.onerror = () => end('refused'); i.src = {url!r}; }})",
    "script": "new Promise(end => {{ const s = document.createElement('script'); s.onload = () => end('sent');"
    " s.onerror = () => end('refused'); s.src = {url!r}; document.body.append(s); }})",
    "socket": "new Promise(end => {{ try {{ const s = new WebSocket({url!r}.replace('http', 'ws'));"
    " s.onopen = () => end('sent'); s.onerror = () => end('refused'); }} catch {{ end('refused'); }} }})",
}


def test_the_page_fetches_nothing_and_could_not(tab: Tab, coordinator: Coordinator, tmp_path: Path) -> None:
    """A listener beside it hears nothing, whatever slips into the page; and the same listener hears it without the policy."""
    page = made(coordinator, tmp_path)
    tab.events.clear()
    tab.open(page)
    tab.value("new Promise(end => setTimeout(end, 300))")
    asked = [e["params"]["request"]["url"] for e in tab.events if e["method"] == "Network.requestWillBeSent"]
    assert asked == [page.as_uri()]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        for name, call in CALLS.items():
            assert (name, tab.value(call.format(url=url))) == (name, "refused")
        injected = (
            "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))"
        )
        tab.value(injected)
        assert tab.value("window.ran") is None
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
        # the proof that the listener would have heard it, and the script run
        text = page.read_text()
        open_page = tmp_path / "open.html"
        open_page.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text))
        tab.open(open_page)
        tab.value(f"void fetch({url!r}, {{mode: 'no-cors'}}).catch(() => 0)")
        listener.settimeout(20)
        listener.accept()[0].close()
        tab.value(injected)
        assert tab.value("window.ran") == 1


HOSTILE = '<img src=x onerror="window.ran=1"><svg onload=window.ran=1><script>window.ran=1.psbt'


def test_a_hostile_name_of_a_file_stays_text(tab: Tab, coordinator: Coordinator, tmp_path: Path) -> None:
    path = tmp_path / HOSTILE
    path.write_bytes(PSBT)
    coordinator.run("qr", "show", path, "--html", tmp_path / "page.html")
    tab.open(tmp_path / "page.html")
    assert tab.value("window.ran") is None
    assert tab.value("document.images.length") == 0
    assert "window.ran=1" in tab.value("document.querySelector('h1').textContent")
    errors = [e for e in tab.events if e["method"] == "Runtime.exceptionThrown"]
    assert errors == [], json.dumps(errors)
