"""RIPEMD-160: the fallback must be the same function."""

from __future__ import annotations

import hashlib

import pytest
import wallycore
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin import ripemd160 as module
from falconer_shared.bitcoin.ripemd160 import ripemd160, ripemd160_native

# the authors' own list of test values
PUBLISHED = {
    b"": "9c1185a5c5e9fc54612808977ee8f548b2258d31",
    b"a": "0bdc9d2d256b3ee9daae347be6f4dc835a467ffe",
    b"abc": "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",
    b"message digest": "5d0689ef49d2fae572b881b123a85ffa21595f36",
    b"abcdefghijklmnopqrstuvwxyz": "f71c27109c692c1b56bbdceb5b9d2865b3708dbc",
    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": "12a053384a9c0c88e405a06c27dcf49ada62eb2b",
    b"1234567890" * 8: "9b752e45573d4b39f4dbd3323cab82bf63326bfb",
}


@pytest.mark.parametrize("function", [ripemd160, ripemd160_native])
def test_published_values(function):
    assert {data: function(data).hex() for data in PUBLISHED} == PUBLISHED


@pytest.mark.parametrize("size", [55, 56, 63, 64, 65, 119, 120, 128, 1000])
def test_block_boundaries(size):
    data = bytes(i & 0xFF for i in range(size))
    assert ripemd160_native(data) == wallycore.ripemd160(data)


@given(st.binary(max_size=200))
def test_both_agree_with_wallycore(data):
    assert ripemd160_native(data) == ripemd160(data) == wallycore.ripemd160(data)


def test_the_fallback_is_chosen_where_openssl_has_it_no_more(monkeypatch):
    def without(name, *_data, **_options):
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", without)
    assert not module._openssl_has_it()
