"""The page by itself; that a browser shows it is tried beside, with a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from falconer_shared.errors import UsageError
from falconer_shared.qr import page as pages
from falconer_shared.qr.draw import Code, draw
from falconer_shared.qr.page import Density, page


class Reader(HTMLParser):
    """What a browser would find: elements with their attributes, and the texts of scripts, styles and headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts.setdefault(self._inside[-1], []).append(data)


def codes(*texts: str) -> list[Code]:
    version = max(draw(text).version for text in texts)
    return [draw(text, at_least=version) for text in texts]


FEW = Density("high", codes("UR:BYTES/1-2/" + "AB" * 60, "UR:BYTES/2-2/" + "CD" * 60))
MANY = Density("low", codes(*(f"UR:BYTES/{number}-4/" + "AB" * 30 for number in range(1, 5))))


def test_the_page_carries_every_module_of_every_code() -> None:
    found = Reader(page("pay-1", [MANY, FEW], 8, 1))
    data = json.loads(found.texts["script"][0])
    assert data["first"] == 1
    assert data["quiet"] == 4
    for density, wanted in zip(data["densities"], [MANY, FEW], strict=True):
        assert len(density["frames"]) == len(wanted.codes)
        for packed, code in zip(density["frames"], wanted.codes, strict=True):
            bits = "".join(f"{byte:08b}" for byte in base64.b64decode(packed))
            side = density["side"]
            rows = [bytes(map(int, bits[start : start + side])) for start in range(0, side * side, side)]
            assert tuple(rows) == code.rows


def test_nothing_comes_from_elsewhere() -> None:
    text = page("pay-1", [FEW], 8)
    found = Reader(text)
    for _tag, attributes in found.elements:
        assert not {"src", "href", "action", "onclick", "onload", "style"} & set(attributes)
    assert "://" not in text
    assert "import" not in found.texts["script"][1]


def test_the_content_policy_names_the_one_script_and_the_one_style() -> None:
    found = Reader(page("pay-1", [FEW], 8))
    (policy,) = [
        attributes["content"]
        for tag, attributes in found.elements
        if tag == "meta" and "http-equiv" in attributes
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    for tag, place in (("script", 1), ("style", 0)):
        digest = hashlib.sha256(found.texts[tag][place].encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


@pytest.mark.parametrize(
    "hostile",
    [
        "</script><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "a\u202eb",
        "</title><b>",
        "&lt;",
    ],
)
def test_names_of_others_stay_text(hostile: str) -> None:
    plain = Reader(page("pay-1", [FEW], 8))
    found = Reader(page(hostile, [Density(hostile, FEW.codes)], 8))
    assert [tag for tag, _ in found.elements] == [tag for tag, _ in plain.elements]
    heading = "".join(found.texts["h1"]).strip()
    assert heading == hostile.replace("\u202e", "\\u202e")


@pytest.mark.parametrize("empty", [[], [Density("low", [])], [FEW, Density("low", [])]])
def test_a_page_of_nothing_is_refused(empty: list[Density]) -> None:
    with pytest.raises(UsageError) as refused:
        page("pay-1", empty, 8)
    assert refused.value.rule == "qr-animation-empty"


def test_codes_of_two_sizes_are_refused() -> None:
    with pytest.raises(UsageError) as refused:
        page("pay-1", [Density("mixed", [draw("A"), draw("A" * 200)])], 8)
    assert refused.value.rule == "qr-animation-sizes"


def test_the_largest_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGE_FRAMES", 6)
    assert re.match(r"<!doctype html>\n", page("pay-1", [MANY, FEW], 8))
    monkeypatch.setattr(pages, "MAX_PAGE_FRAMES", 5)
    with pytest.raises(UsageError) as refused:
        page("pay-1", [MANY, FEW], 8)
    assert refused.value.rule == "qr-animation-too-long"
