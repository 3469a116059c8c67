"""Descriptor text: the forms that are taken, and every way of being something else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.ast import InputKind
from falconer_shared.descriptor.checksum import MAX_DESCRIPTOR_CHARACTERS, with_checksum
from falconer_shared.descriptor.forms import Multi, NestedSegwit, Pkh, Sh, Tr, Wpkh, Wsh
from falconer_shared.descriptor.parse import MAX_DEPTH, parse_canonical, parse_descriptor
from falconer_shared.errors import FalconerError, Malformed, VerificationError
from tests.support.descriptors import TAIL, fingerprint, full_key, parse, xprv, xpub
from tests.support.work import calls

K1, K2, K3 = full_key(1), full_key(2), full_key(3)
WPKH = f"wpkh({K1})"
WSH = f"wsh(sortedmulti(2,{K1},{K2},{K3}))"


def refused(rule: str, body: str) -> FalconerError:
    with pytest.raises((Malformed, VerificationError)) as caught:
        parse(body)
    assert caught.value.rule == rule
    return caught.value


def test_wpkh() -> None:
    node = parse(WPKH)
    assert isinstance(node, Wpkh)
    assert node.text() == WPKH
    assert node.threshold == len(node.keys) == 1


@pytest.mark.parametrize("name", ["multi", "sortedmulti"])
def test_wsh_of_multi(name: str) -> None:
    text = f"wsh({name}(2,{K3},{K1},{K2}))"
    node = parse(text)
    assert isinstance(node, Wsh)
    assert isinstance(node.inner, Multi)
    assert node.inner.sorted is (name == "sortedmulti")
    assert node.threshold == 2
    assert [key.text() for key in node.keys] == [K3, K1, K2]
    assert node.text() == text


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 20), (16, 16), (17, 17), (20, 20), (15, 15), (2, 3)])
def test_thresholds_that_can_be_met(k: int, n: int) -> None:
    node = parse(f"wsh(multi({k},{','.join(full_key(seed) for seed in range(n))}))")
    assert (node.threshold, len(node.keys)) == (k, n)
    assert len(node.script(0, 0).witness_script or b"") <= 3600


@pytest.mark.parametrize("k", ["0", "4", "21", "999", "01", "+1", "-1", "1.0", "2h", "a", "", "0x1", "1_0"])
def test_thresholds_that_cannot(k: str) -> None:
    refused("descriptor-threshold", f"wsh(multi({k},{K1},{K2},{K3}))")


def test_a_multisig_without_keys() -> None:
    refused("descriptor-threshold", "wsh(multi(1))")
    refused("descriptor-threshold", "wsh(multi())")


@pytest.mark.parametrize("form", ["multi", "sortedmulti"])
def test_what_sh_holds_can_be_pushed(form: str) -> None:
    """BIP 383, A036: 15 keys make 513 bytes, 16 make 547, and 520 are pushed at once."""
    for k in (1, 15):
        node = parse(f"sh({form}({k},{','.join(full_key(seed) for seed in range(15))}))")
        assert len(node.script(0, 0).redeem_script or b"") == 513
    error = refused(
        "descriptor-redeem-script-too-large",
        f"sh({form}(1,{','.join(full_key(seed) for seed in range(16))}))",
    )
    assert error.details == {"bytes": 547, "limit": 520}
    # in a witness the same script may stand, nested or not
    parse(f"sh(wsh({form}(1,{','.join(full_key(seed) for seed in range(20))})))")


@pytest.mark.parametrize(
    ("body", "form", "kind"),
    [
        (f"pkh({K1})", Pkh, InputKind.LEGACY),
        (f"wpkh({K1})", Wpkh, InputKind.SEGWIT_V0),
        (f"tr({K1})", Tr, InputKind.TAPROOT),
        (f"sh(wpkh({K1}))", NestedSegwit, InputKind.SEGWIT_V0),
        (f"sh(multi(1,{K1},{K2}))", Sh, InputKind.LEGACY),
        (f"sh(sortedmulti(2,{K1},{K2}))", Sh, InputKind.LEGACY),
        (f"sh(wsh(multi(1,{K1},{K2})))", NestedSegwit, InputKind.SEGWIT_V0),
        (f"sh(wsh(sortedmulti(2,{K1},{K2})))", NestedSegwit, InputKind.SEGWIT_V0),
        (f"wsh(sortedmulti(2,{K1},{K2}))", Wsh, InputKind.SEGWIT_V0),
    ],
)
def test_every_form_that_is_taken(body: str, form: type, kind: InputKind) -> None:
    node = parse(body)
    assert type(node) is form
    assert node.input_kind is kind
    assert node.text() == body
    assert parse_canonical(body, Network.REGTEST) == node


def test_more_keys_than_consensus_counts() -> None:
    refused("descriptor-too-many-keys", f"wsh(multi(1,{','.join(full_key(seed) for seed in range(21))}))")


@pytest.mark.parametrize(
    "body",
    [
        *(
            f"combo({K1})",
            f"tr({K1},pk({K2}))",
            f"tr({K1},{{pk({K2}),pk({K3})}})",
            f"sh(pkh({K1}))",
            f"sh(pk({K1}))",
            f"sh(wsh(pk({K1})))",
        ),
        *(
            f"pk({K1})",
            f"rawtr({K1})",
            "raw(deadbeef)",
            "addr(asdf)",
            f"multi(1,{K1})",
            f"sortedmulti(1,{K1})",
        ),
        *(f"wsh(pk({K1}))", f"wsh(pkh({K1}))", f"wsh(multi_a(1,{K1}))", f"wsh(and_v(v:pk({K1}),older(100)))"),
        *("wsh(older(100))", f"wsh(thresh(1,pk({K1})))", f"wsh(v:pk({K1}))", f"tr(musig({K1},{K2}))"),
    ],
)
def test_forms_of_other_programs_are_named_as_such(body: str) -> None:
    refused("descriptor-form-unsupported", body)


@pytest.mark.parametrize(
    "body",
    [
        "", "wpkh", "wpkh()", "()", "wpkh(", "wpkh)", ")wpkh(", f"wpkh({K1}", f"wpkh({K1}))", f"wpkh(({K1}))",
        f"wpkh({K1},{K2})", f"wpkh({K1})wpkh({K2})", f"wpkh({K1}),", f"wpkh(wpkh({K1}))", f"wpkh(wsh(multi(1,{K1})))",
        f"wpkh(musig({K1},{K2}))", f"WPKH({K1})", f"wpkh[{K1}]", f"wpkh{{{K1}}}", f"wpkh({K1}}}", f"unknown({K1})",
        "wsh()", f"wsh({K1})", f"wsh(wsh(multi(1,{K1})))", f"wsh(wpkh({K1}))", f"wsh(multi(1,{K1}),multi(1,{K2}))",
        f"wsh(multi(1,{K1}),1)", f"wsh(multi(1,{K1})multi(1,{K2}))", f"wsh(multi(1,{K1},))", f"wsh(multi(1,,{K1}))",
        f"wsh(multi(1),(1,{K1}))", f"wsh(multi(1,multi(1,{K1})))", f"wsh(multi(1,{{{K1}}}))x", K1, f"#{K1}",
        f"wsh(:multi(1,{K1}))x(", f"sh(sh(wpkh({K1})))", f"sh(tr({K1}))", f"wsh(tr({K1}))", f"wsh(sh(multi(1,{K1})))",
        "sh()", f"sh({K1})", f"sh(wpkh({K1}),{K2})", f"sh(wsh(wpkh({K1})))", f"sh(wpkh({K1}))x(", "tr()", f"pkh({K1},{K2})",
        f"tr(wpkh({K1}))", f"pkh(pkh({K1}))", f"sh(wpkh(multi(1,{K1})))",
    ],
)  # fmt: skip
def test_what_is_no_descriptor_anywhere(body: str) -> None:
    text = with_checksum(body) if "#" not in body else body
    with pytest.raises(Malformed) as caught:
        parse_descriptor(text, Network.REGTEST)
    assert caught.value.rule in {"descriptor-syntax", "descriptor-checksum-form"}


@pytest.mark.parametrize("at", [0, 4, 5, 40, len(WPKH)])
def test_no_space_anywhere(at: int) -> None:
    refused("descriptor-white-space", WPKH[:at] + " " + WPKH[at:])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\t", " "])
def test_no_white_space_after_the_checksum(end: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_descriptor(with_checksum(WPKH) + end, Network.REGTEST)
    assert caught.value.rule in {"descriptor-white-space", "descriptor-character"}


def test_depth_is_bounded_before_recursion() -> None:
    # at the bound the text is judged for what it is, beyond it not at all
    refused("descriptor-syntax", "sh(" * MAX_DEPTH + ")" * MAX_DEPTH)
    refused("descriptor-too-deep", "sh(" * (MAX_DEPTH + 1) + ")" * (MAX_DEPTH + 1))
    refused("descriptor-too-deep", "tr(a," + "{" * MAX_DEPTH)


def test_the_longest_hostile_texts_are_decided_at_once() -> None:
    room = MAX_DESCRIPTOR_CHARACTERS - 9
    for body in (
        "wsh(" + "c:" * ((room - 5) // 2) + ")",
        "(" * room,
        "wsh(multi(1" + "," * (room - 13) + "))",
        f"wpkh([{'0/' * ((room - 20) // 2)}]x{TAIL})",
        "wpkh([" + "K" * (room - 7) + ")",
        f"wpkh([d34db33f/{'1' * (room - 30)}]x)",
    ):
        assert len(body) <= room

        def read(body: str = body) -> None:
            with pytest.raises(Malformed):
                parse(body)

        # some ten calls for each character at the most
        assert calls(read) < 20 * room


def test_a_longer_text_is_not_read() -> None:
    with pytest.raises(Malformed) as caught:
        parse_descriptor("wsh(" * 10_000, Network.REGTEST)
    assert caught.value.rule == "descriptor-too-long"


def test_the_checksum_is_demanded_of_people() -> None:
    for text, rule in (
        (WPKH, "descriptor-checksum-missing"),
        (with_checksum(WPKH).replace("<0;1>", "<0;2>"), "descriptor-checksum-mismatch"),
        # the checksum is of the text as given: another spelling has another one
        (f"{WPKH.replace('h/', chr(39) + '/')}#{with_checksum(WPKH)[-8:]}", "descriptor-checksum-mismatch"),
    ):
        with pytest.raises(Malformed) as caught:
            parse_descriptor(text, Network.REGTEST)
        assert caught.value.rule == rule


def test_a_private_key_is_refused_before_the_checksum_and_never_repeated() -> None:
    for text in (
        f"wpkh({xprv(1)}/0/*)",
        f"wpkh({xprv(1)}/0/*)#wrong",
        with_checksum(f"wpkh([{fingerprint(1)}]{xprv(1)}{TAIL})"),
    ):
        with pytest.raises(Malformed) as caught:
            parse_descriptor(text, Network.REGTEST)
        assert caught.value.rule == "private-key-in-public-data"
        assert xprv(1)[:10] not in str(caught.value.as_json())


def test_a_secret_in_an_unknown_form_is_not_repeated_either() -> None:
    secret = "1f" * 32
    for text in (secret, f"wsh({secret})", f"wsh(multi({secret},{K1}))", "zoo zoo zoo zoo zoo wrong"):
        with pytest.raises(Malformed) as caught:
            parse(text)
        assert secret[:6] not in caught.value.message
        assert "zoo" not in caught.value.message


def test_the_network_decides_which_keys_are_taken() -> None:
    main = f"wpkh([{fingerprint(1)}/84h/0h/0h]{xpub(1, '84h/0h/0h', network='main')}{TAIL})"
    assert parse(main, Network.MAINNET).text() == main
    refused("xpub-other-network", main)
    with pytest.raises(VerificationError, match="mainnet"):
        parse(WPKH, Network.MAINNET)
    for network in (Network.TESTNET4, Network.SIGNET):
        assert parse(WPKH, network).text() == WPKH


def test_duplicate_keys_reach_the_rule_through_parsing() -> None:
    refused("descriptor-key-duplicate", f"wsh(multi(2,{K1},{K2},{K1}))")
    refused("descriptor-key-duplicate", f"wsh(sortedmulti(1,{K1},{K1}))")


def test_keys_are_named_by_number() -> None:
    assert (
        "key 2"
        in refused("descriptor-single-path", f"wsh(multi(2,{K1},{K2.replace(TAIL, '/0/*')},{K3}))").message
    )


# canonical text from our own state --------------------------------------------------------------------


@pytest.mark.parametrize("text", [WPKH, WSH])
def test_canonical_text_is_read_without_checksum(text: str) -> None:
    assert parse_canonical(text, Network.REGTEST).text() == text


def test_canonical_text_has_one_spelling() -> None:
    for text in (WPKH.replace("h/", "'/"), WPKH.replace(fingerprint(1), fingerprint(1).upper())):
        assert parse(text).text() == WPKH
        with pytest.raises(Malformed) as caught:
            parse_canonical(text, Network.REGTEST)
        assert caught.value.rule == "descriptor-not-canonical"


# properties -------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True), st.booleans(), st.data())
def test_text_of_the_tree_parses_to_the_same_tree(
    seeds: list[int], in_order: bool, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(seeds)))
    name = "sortedmulti" if in_order else "multi"
    text = f"wsh({name}({k},{','.join(full_key(seed) for seed in seeds)}))"
    node = parse(text)
    assert node.text() == text
    assert parse_canonical(text, Network.REGTEST) == node
    assert f"{k} of {len(seeds)}" in node.summary()


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([WPKH, WSH]), st.data())
def test_a_text_with_one_change_is_refused_or_another_spelling_or_another_wallet(
    text: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.sampled_from(list("0123456789abcdefgh'/<;>*()[]{},KLxyz ")) | st.just(""))
    body = text[:at] + new + text[at + 1 :]
    if "#" in body:
        return
    try:
        node = parse(body)
    except (Malformed, VerificationError):
        return
    # what was taken is exactly what is written back, but for hex case and hardened markers
    assert node.text() == body.replace("'", "h")


@settings(deadline=None)
@given(st.text(alphabet="wpkhsmulti()[]{},/<;>*0123h'#ab", max_size=200))
def test_noise_is_refused_by_name(text: str) -> None:
    with pytest.raises(Malformed):
        parse_descriptor(text, Network.REGTEST)
