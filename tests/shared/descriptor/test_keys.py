"""What one key expression must be, and what two may not be to each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.bitcoin.bip32 import format_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.keys import check_distinct, parse_key, refuse_private_keys
from falconer_shared.errors import FalconerError, Malformed, VerificationError
from tests.support.descriptors import TAIL, fingerprint, full_key, keys, xprv, xpub
from tests.support.treasury import MULTI_PATH, key_expression

REGTEST = Network.REGTEST
FP = fingerprint(1)
ACCOUNT = xpub(1, "84h/1h/0h")
VALID = f"[{FP}/84h/1h/0h]{ACCOUNT}{TAIL}"


def refused(rule: str, text: str, network: Network = REGTEST) -> FalconerError:
    with pytest.raises((Malformed, VerificationError)) as caught:
        parse_key(text, network, "key 1")
    assert caught.value.rule == rule
    return caught.value


def test_a_valid_key_and_its_canonical_spelling() -> None:
    key = parse_key(VALID, REGTEST, "key 1")
    assert key.fingerprint.hex() == FP
    assert format_path(key.origin) == "84h/1h/0h"
    assert key.branches == (0, 1)
    assert key.text() == VALID


@pytest.mark.parametrize("origin", ["84'/1'/0'", "84h/1'/0h"])
def test_both_hardened_markers_and_both_cases_of_hex_become_one_spelling(origin: str) -> None:
    assert parse_key(f"[{FP.upper()}/{origin}]{ACCOUNT}{TAIL}", REGTEST, "key 1").text() == VALID


def test_a_master_key_has_an_empty_path() -> None:
    text = f"[{FP}]{xpub(1)}{TAIL}"
    assert parse_key(text, REGTEST, "key 1").text() == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("descriptor-key-origin-missing", ACCOUNT + TAIL),
        ("descriptor-key-origin-missing", f"{FP}/84h/1h/0h]{ACCOUNT}{TAIL}"),
        ("descriptor-key-form", f"[{FP}/84h/1h/0h{ACCOUNT}{TAIL}"),
        ("descriptor-key-form", f"[{FP}][{FP}/84h/1h/0h]{ACCOUNT}{TAIL}"),
        ("descriptor-key-form", f"[{FP}/84h/1h/0h]]{ACCOUNT}{TAIL}"),
        ("descriptor-key-form", f"x[{FP}/84h/1h/0h]{ACCOUNT}{TAIL}"),
        ("descriptor-key-origin-form", f"[{FP[1:]}/84h/1h/0h]{ACCOUNT}{TAIL}"),
        ("descriptor-key-origin-form", f"[{FP}0/84h/1h/0h]{ACCOUNT}{TAIL}"),
        ("descriptor-key-origin-form", f"[g{FP[1:]}/84h/1h/0h]{ACCOUNT}{TAIL}"),
        ("descriptor-key-origin-form", f"[{FP}/]{ACCOUNT}{TAIL}"),
        ("descriptor-key-origin-form", f"[]{ACCOUNT}{TAIL}"),
        ("derivation-path-malformed", f"[{FP}/84h/1h/0h/]{ACCOUNT}{TAIL}"),
        ("derivation-path-malformed", f"[{FP}/84h/1h/0h/*]{ACCOUNT}{TAIL}"),
        ("derivation-path-malformed", f"[{FP}/84h//0h]{ACCOUNT}{TAIL}"),
        ("derivation-path-malformed", f"[{FP}/84H/1h/0h]{ACCOUNT}{TAIL}"),
        ("derivation-path-malformed", f"[{FP}/84h/1h/00h]{ACCOUNT}{TAIL}"),
        ("derivation-path-malformed", f"[{FP}/84h/1h/+0h]{ACCOUNT}{TAIL}"),
        ("derivation-path-malformed", f"[{FP}/84h/1h/2147483648]{ACCOUNT}{TAIL}"),
        ("derivation-path-malformed", f"[{FP}/84h/1h/<0;1>]{ACCOUNT}{TAIL}"),
        ("descriptor-key-raw", "02" + "ab" * 32),
        ("descriptor-key-raw", f"[{FP}/84h/1h/0h]02{'ab' * 32}"),
        ("descriptor-key-raw", f"[{FP}/84h/1h/0h]04{'ab' * 64}"),
        ("descriptor-key-raw", f"[{FP}/84h/1h/0h]07{'ab' * 64}"),
        ("descriptor-key-raw", f"[{FP}/84h/1h/0h]{'ab' * 32}"),
        ("base58-checksum", f"[{FP}/84h/1h/0h]{ACCOUNT[:-1]}2{TAIL}"),
        ("base58-checksum", f"[{FP}/84h/1h/0h]{TAIL}"),
        ("base58-too-long", f"[{FP}/84h/1h/0h]{ACCOUNT * 3}{TAIL}"),
        ("xpub-slip132", f"[{FP}/84h/1h/0h]{xpub(1, '84h/1h/0h', 'Zpub')}{TAIL}"),
        ("xpub-slip132", f"[{FP}/84h/1h/0h]{xpub(1, '84h/1h/0h', 'zpub')}{TAIL}"),
        ("xpub-other-network", f"[{FP}/84h/1h/0h]{xpub(1, '84h/1h/0h', network='main')}{TAIL}"),
        ("private-key-in-public-data", f"[{FP}]{xprv(1)}{TAIL}"),
    ],
)
def test_one_thing_wrong(rule: str, text: str) -> None:
    refused(rule, text)


@pytest.mark.parametrize("derivation", ["", "/*", "/0/*", "/1/*", "/0", "/0/*h", "/0/*'", "/*/0/*"])
def test_one_branch_alone_is_refused_with_what_to_do(derivation: str) -> None:
    assert TAIL in str(refused("descriptor-single-path", f"[{FP}/84h/1h/0h]{ACCOUNT}{derivation}").remedy)


@pytest.mark.parametrize(
    "derivation",
    [
        *(
            "/<0;1;2>/*",
            "/<1;0>/*",
            "/<0;0>/*",
            "/<2;3>/*",
            "/<0>/*",
            "/<>/*",
            "/<0;>/*",
            "/<;1>/*",
            "/0;1>/*",
        ),
        *(
            "/<0;1/*",
            "/<0;1>",
            "/<0;1>/",
            "/<0;1>/0",
            "/<0;1>/*h",
            "/<0h;1h>/*",
            "/0/<0;1>/*",
            "/<0;1>/<0;1>/*",
        ),
        *("/<0;1>/*/*", "/<00;1>/*", "/<0;+1>/*", "/<0;1>/*x"),
    ],
)
def test_the_multipath_is_exactly_receive_and_change(derivation: str) -> None:
    refused("descriptor-multipath", f"[{FP}/84h/1h/0h]{ACCOUNT}{derivation}")


@pytest.mark.parametrize(
    "origin",
    [
        f"{FP}/84h/1h",  # a step too few
        f"{FP}/1h/0h",  # the same with the right last step
        f"{FP}/9h/84h/1h/0h",  # a step too many with the right last step
        f"{FP}/84h/1h/0h/0",  # a step too many
        f"{FP}/84h/1h/1h",  # another account
        f"{FP}/84h/1h/0",  # not hardened
        "00000000/84h/1h/0h",  # unknown (A023)
        f"{FP}",
    ],
)
def test_an_origin_that_the_key_itself_denies(origin: str) -> None:
    refused("descriptor-key-origin-mismatch", f"[{origin}]{ACCOUNT}{TAIL}")


def test_fingerprints_are_compared_where_the_key_carries_them() -> None:
    wrong = fingerprint(2)
    refused("descriptor-key-origin-mismatch", f"[{wrong}]{xpub(1)}{TAIL}")
    refused("descriptor-key-origin-mismatch", f"[{wrong}/5h]{xpub(1, '5h')}{TAIL}")
    parse_key(f"[{FP}/5h]{xpub(1, '5h')}{TAIL}", REGTEST, "key 1")


def test_no_error_repeats_a_key() -> None:
    for text in (f"[{FP}]{xprv(1)}{TAIL}", xprv(1), f"[{FP}]{xprv(1)[:-1]}{TAIL}"):
        with pytest.raises(FalconerError) as caught:
            parse_key(text, REGTEST, "key 1")
        assert xprv(1)[:12] not in caught.value.message + str(caught.value.remedy)


# private keys in a whole text -------------------------------------------------------------------------

WIF_COMPRESSED = "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1"
WIF_LONG = "5KYZdUEo39z3FPrtuX2QbbwGnNP5zTd7yyr2SC1j299sBCnWjss"
WIF_TEST = "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA"


@pytest.mark.parametrize(
    "secret",
    [xprv(1), xprv(1, "main"), xprv(1, "main", "zprv"), WIF_COMPRESSED, WIF_LONG, WIF_TEST, "xprvbroken"],
)
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "wpkh({})",
        "wpkh([d34db33f/84h]{}/0/*)",
        "wsh(multi(1,a,{}))",
        "tr(a,{{{}}})",
        "{}#aaaaaaaa",
        # where no key can stand: twenty characters of it were quoted as a step of the path
        "wpkh([d34db33f/{}/0/*)",
        "wpkh([{}])",
        "wpkh(tpubD6NzVbkrYhZ4/{})",
        "wpkh(a) {}",
    ],
)
def test_private_keys_are_found_and_not_repeated(secret: str, text: str) -> None:
    with pytest.raises(Malformed) as caught:
        refuse_private_keys(text.format(secret))
    assert caught.value.rule == "private-key-in-public-data"
    assert secret[:8] not in caught.value.message + str(caught.value.remedy)


@pytest.mark.parametrize("seed", range(20))
def test_public_keys_are_not_mistaken_for_private_ones(seed: int) -> None:
    refuse_private_keys(f"wsh(sortedmulti(1,{full_key(seed)},{full_key(seed + 100)}))")
    # the letters may well stand inside an extended key
    refuse_private_keys(f"wpkh([{FP}]tpubxprvD6{'a' * 100})")
    # and so they may in a checksum
    refuse_private_keys("wpkh(A)#xprv4s2d")


# keys among each other (A031) ------------------------------------------------------------------------


def duplicate(*texts: str) -> None:
    parsed = [parse_key(text, REGTEST, "key") for text in texts]
    with pytest.raises(VerificationError) as caught:
        check_distinct(parsed)
    assert caught.value.rule == "descriptor-key-duplicate"


def test_twenty_different_keys_are_fine() -> None:
    check_distinct(keys(20))


def test_the_same_key_twice() -> None:
    duplicate(full_key(1), full_key(2), full_key(1))


def test_the_same_key_under_another_origin() -> None:
    # at depth 2 and more an extended key does not say who its master is
    other = fingerprint(2)
    duplicate(f"[{FP}/84h/1h/0h]{ACCOUNT}{TAIL}", f"[{other}/7h/7h/0h]{ACCOUNT}{TAIL}")


@pytest.mark.parametrize("below", ["0", "1", "0/0", "1/19"])
def test_a_key_and_what_derives_from_it(below: str) -> None:
    child = f"84h/1h/0h/{below}"
    duplicate(VALID, f"[{FP}/{child}]{xpub(1, child)}{TAIL}")
    # the same with a lying origin: found by the keys, not by what is said about them
    lie = "/".join(["9h"] * 3 + below.split("/"))
    duplicate(f"[{fingerprint(3)}/{lie}]{xpub(1, child)}{TAIL}", VALID)


def test_a_descendant_far_below_is_found_by_its_origin() -> None:
    child = "84h/1h/0h/7/5000"
    duplicate(f"[{FP}/{child}]{xpub(1, child)}{TAIL}", VALID)


def test_siblings_and_hardened_descendants_are_different_keys() -> None:
    check_distinct(
        [
            parse_key(full_key(1, path), REGTEST, "key")
            for path in (
                "48h/1h/0h/2h",
                "48h/1h/1h/2h",
                "48h/1h/0h/2h/5h",
                "48h/1h/0h/1h",
                MULTI_PATH[:-2] + "3h",
            )
        ]
    )


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_every_origin_survives_the_round_trip(first: int, second: int) -> None:
    text = key_expression(5, f"{first}h/{second}") + TAIL
    assert parse_key(text, REGTEST, "key 1").text() == text
