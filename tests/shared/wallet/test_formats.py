"""A descriptor file is one line."""

from __future__ import annotations

import pytest

from falconer_shared.descriptor.checksum import MAX_DESCRIPTOR_CHARACTERS
from falconer_shared.errors import Malformed
from falconer_shared.wallet.formats import read_descriptor_file
from tests.support.treasury import wpkh_descriptor

LINE = wpkh_descriptor().encode()


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_one_line_with_or_without_its_end(end: bytes) -> None:
    assert read_descriptor_file(LINE + end) == wpkh_descriptor()


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"\n",
            b"\r\n",
            LINE + b"\n\n",
            b"\n" + LINE,
            LINE + b"\n" + LINE,
            LINE + b"\r",
            LINE + b"\r\r\n",
        ),
        *(b"\xef\xbb\xbf" + LINE, LINE.decode().encode("utf-16"), LINE + b"\xff"),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        read_descriptor_file(data)
    assert caught.value.rule == "descriptor-file-malformed"


def test_length_is_bounded() -> None:
    assert read_descriptor_file(b"a" * MAX_DESCRIPTOR_CHARACTERS + b"\r\n")
    with pytest.raises(Malformed, match="at most"):
        read_descriptor_file(b"a" * (MAX_DESCRIPTOR_CHARACTERS + 3))
