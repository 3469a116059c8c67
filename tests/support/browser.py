"""A real browser, steered through two pipes by its own debugging protocol: nothing listens on a port."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS = 60.0
"""For one answer of the browser, its start included."""

KEYS = {"+": 187, "-": 189, "[": 219, "]": 221}
"""Virtual key codes, which the protocol wants beside the text."""


class BrowserError(Exception):
    """It ended, said nothing, or refused a command."""


class Tab:
    """One page. `events` is everything that the browser told unasked."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._number = 0
        self._held = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def attach(self) -> None:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while True:
            answer = self._take(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self.events.append(answer)

    def _take(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._held:
            if not select.select([self._from], [], [], max(0.0, until - time.monotonic()))[0]:
                raise BrowserError("no answer")
            data = os.read(self._from, 1 << 20)
            if not data:
                raise BrowserError("it ended")
            self._held += data
        message, _, self._held = self._held.partition(b"\0")
        return dict(json.loads(message))

    def open(self, path: Path) -> None:
        """Show a file, and wait until it is loaded."""
        self.send("Page.navigate", url=path.as_uri())
        until = time.monotonic() + SECONDS
        while self.value("document.readyState") != "complete" or self.value("location.protocol") != "file:":
            if time.monotonic() > until:
                raise BrowserError("the page does not load")
            time.sleep(0.05)

    def value(self, expression: str) -> Any:
        """What an expression comes to in the page; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """A key, as the keyboard sends it."""
        code = KEYS[key]
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=key, windowsVirtualKeyCode=code)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def click(self, selector: str) -> None:
        """The left button of the mouse on the middle of an element."""
        x, y = self.value(
            f"(() => {{ const box = document.querySelector({selector!r}).getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self) -> bytes:
        """What is on the screen, as a PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])


def program() -> str | None:
    """Where Chromium is, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser(folder: Path, width: int = 760, height: int = 860) -> Iterator[Tab]:
    """Chromium without a window, with a profile of its own in the folder."""
    executable = program()
    if executable is None:
        raise FileNotFoundError("chromium")
    down_read, down_write = os.pipe()
    up_read, up_write = os.pipe()

    # the browser wants its pipes as 3 and 4, where others may stand: a shell puts them there
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (down_read, up_write)]
    process = subprocess.Popen(
        [
            *("/bin/bash", "-c", f'exec "$0" "$@" 3<&{ends[0]} 4>&{ends[1]}'),
            *(executable, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-sync"),
            *("--disable-component-update", "--mute-audio", "--force-device-scale-factor=1"),
            *(f"--window-size={width},{height}", f"--user-data-dir={folder}", "--remote-debugging-pipe"),
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        pass_fds=ends, start_new_session=True,
        env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
    )  # fmt: skip
    for end in (*ends, down_read, up_write):
        os.close(end)
    tab = Tab(down_write, up_read)
    try:
        tab.attach()
        yield tab
    finally:
        os.close(down_write)
        os.close(up_read)
        # all of its processes are of one group that it leads
        os.killpg(process.pid, 9)
        process.wait()
