"""Codes as one HTML page that shows them in any browser, with controls for speed and density.

The page is whole by itself: a content policy in it forbids everything that would be fetched from anywhere, and
names the one script by its hash, so that nothing that slipped in between could run or call home.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from falconer_shared.errors import UsageError
from falconer_shared.qr.draw import QUIET_ZONE, Code
from falconer_shared.text import safe

MAX_PAGE_FRAMES: Final = 20_000
"""Codes of all densities together: some 30 MB of page."""

SLOWEST: Final = 1
FASTEST: Final = 30
"""Frames a second; no camera follows faster than it takes pictures."""

_STYLE: Final = """
:root{color-scheme:light}
body{margin:0;background:#fff;color:#000;font:16px/1.4 system-ui,sans-serif}
body{display:flex;flex-direction:column;align-items:center;min-height:100vh}
h1{font-size:1rem;font-weight:600;margin:.6rem 1rem .2rem;overflow-wrap:anywhere}
canvas{image-rendering:pixelated;display:block}
form{display:flex;flex-wrap:wrap;gap:.5rem 1.2rem;align-items:center;justify-content:center;margin:.2rem 1rem .6rem}
label{display:flex;gap:.4rem;align-items:center}
button,select{font:inherit;padding:.1rem .6rem}
output{font-variant-numeric:tabular-nums}
"""

_SCRIPT: Final = """
"use strict";
const data = JSON.parse(document.getElementById("frames").textContent);
const canvas = document.getElementById("code"), pen = canvas.getContext("2d");
const density = document.getElementById("density"), speed = document.getElementById("speed");
const heading = document.querySelector("h1"), controls = document.querySelector("form");
const pause = document.getElementById("pause"), where = document.getElementById("where");
let chosen = data.first, frame = 0, playing = true, due = 0;

function modules(text, side) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  return (x, y) => { const bit = y * side + x; return bytes[bit >> 3] >> (7 - (bit & 7)) & 1; };
}
function draw() {
  const {side, frames} = data.densities[chosen], whole = side + 2 * data.quiet;
  const ratio = window.devicePixelRatio || 1, used = heading.offsetHeight + controls.offsetHeight + 40;
  const room = Math.min(document.documentElement.clientWidth, Math.max(200, window.innerHeight - used)) * ratio;
  const scale = Math.max(2, Math.floor(room / whole));
  canvas.width = canvas.height = whole * scale;
  canvas.style.width = canvas.style.height = whole * scale / ratio + "px";
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#000";
  const dark = modules(frames[frame], side);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++)
    if (dark(x, y)) pen.fillRect((x + data.quiet) * scale, (y + data.quiet) * scale, scale, scale);
  where.textContent = (frame + 1) + " of " + frames.length + ", " + speed.value + " a second";
}
function step(by) {
  const count = data.densities[chosen].frames.length;
  frame = (frame + by + count) % count;
  draw();
}
function play(now) {
  if (playing && now >= due) { due = Math.max(due + 1000 / speed.value, now); step(1); }
  requestAnimationFrame(play);
}
function toggle() { playing = !playing; pause.textContent = playing ? "Pause" : "Play"; }
function faster(by) { speed.value = Number(speed.value) + by; draw(); }
function denser(by) {
  chosen = Math.min(data.densities.length - 1, Math.max(0, chosen + by));
  density.value = chosen;
  frame = 0;
  draw();
}
pause.onclick = toggle;
document.getElementById("back").onclick = () => { playing && toggle(); step(-1); };
document.getElementById("next").onclick = () => { playing && toggle(); step(1); };
speed.oninput = draw;
density.onchange = () => denser(Number(density.value) - chosen);
window.onresize = draw;
document.onkeydown = event => {
  const act = {"+": () => faster(1), "=": () => faster(1), "-": () => faster(-1),
               "]": () => denser(1), "[": () => denser(-1)}[event.key];
  if (act) { act(); event.preventDefault(); }
};
density.value = chosen;
draw();
requestAnimationFrame(now => { due = now + 1000 / speed.value; play(now); });
"""


@dataclass(frozen=True, slots=True)
class Density:
    """One way to cut the payload: a name for the person, and its codes, all of one size."""

    name: str
    codes: Sequence[Code]


def page(title: str, densities: Sequence[Density], frames_per_second: int, first: int = 0) -> str:
    """The whole page, beginning with the density at place `first`.

    Raises:
        UsageError: `qr-animation-empty`, `qr-animation-sizes`, `qr-animation-too-long`.
    """
    if not densities or not all(density.codes for density in densities):
        raise UsageError("qr-animation-empty", "an animation needs at least one code")
    total = sum(len(density.codes) for density in densities)
    if total > MAX_PAGE_FRAMES:
        raise UsageError(
            "qr-animation-too-long",
            f"a page of {total:,} codes is more than {MAX_PAGE_FRAMES:,}",
            remedy="choose a higher density",
            frames=total,
        )
    data = {
        "quiet": QUIET_ZONE,
        "first": first,
        "densities": [{"side": _side(density), "frames": _packed(density.codes)} for density in densities],
    }
    options = "".join(
        f'<option value="{place}">{html.escape(safe(density.name))}</option>'
        for place, density in enumerate(densities)
    )
    heading = html.escape(safe(title))
    # numbers and base64 alone: nothing in it can end the element that holds it
    frames = json.dumps(data, separators=(",", ":"))
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_content_policy()}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{heading}</title>
<style>{_STYLE}</style>
<h1>{heading}</h1>
<canvas id="code" width="1" height="1"></canvas>
<form>
<button type="button" id="pause">Pause</button>
<button type="button" id="back">Back</button>
<button type="button" id="next">Next</button>
<label>Speed <input id="speed" type="range" min="{SLOWEST}" max="{FASTEST}" value="{frames_per_second}"></label>
<label>Density <select id="density">{options}</select></label>
<output id="where"></output>
</form>
<noscript>This page needs JavaScript; codes as a GIF or as pictures do not.</noscript>
<script type="application/json" id="frames">{frames}</script>
<script>{_SCRIPT}</script>
</html>
"""


def _content_policy() -> str:
    return (
        f"default-src 'none'; script-src '{_hash(_SCRIPT)}'; style-src '{_hash(_STYLE)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _side(density: Density) -> int:
    sides = {len(code.rows) for code in density.codes}
    if len(sides) != 1:
        raise UsageError("qr-animation-sizes", "the codes of one animation must have one size")
    return sides.pop()


def _packed(codes: Sequence[Code]) -> list[str]:
    """Each code's modules, a bit each, row after row."""
    packed = []
    for code in codes:
        bits = b"".join(code.rows).translate(_AS_DIGITS)
        size = -(-len(bits) // 8)
        packed.append(
            base64.b64encode(int(bits.ljust(8 * size, b"0"), 2).to_bytes(size, "big")).decode("ascii")
        )
    return packed


_AS_DIGITS: Final = bytes([0x30, 0x31]) + bytes(254)
