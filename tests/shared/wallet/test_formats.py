"""A descriptor file is one line."""

from __future__ import annotations

import json

import pytest

from falconer_shared.descriptor.checksum import MAX_DESCRIPTOR_CHARACTERS
from falconer_shared.errors import Malformed
from falconer_shared.wallet.formats import MAX_FILE_BYTES, read_descriptor_file, read_wallet
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


def test_the_size_of_json_is_bounded_whatever_is_in_it() -> None:
    wallet = json.dumps({"name": "vault", "desc": wpkh_descriptor()}).encode()
    assert read_wallet(wallet.ljust(2 * MAX_FILE_BYTES)).descriptor == wpkh_descriptor()
    with pytest.raises(Malformed) as caught:
        read_wallet(wallet.ljust(2 * MAX_FILE_BYTES + 1))
    assert caught.value.rule == "wallet-json-malformed"
