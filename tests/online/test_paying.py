"""Whom to pay, in every way that people write it: exactly what was meant, or a refusal that says where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_online import batch, bip21
from falconer_online.labels import MAX_LABEL
from falconer_online.paying import AddressBook, parse_payment
from falconer_shared.approval.intent import MAX_PAYMENTS
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import FalconerError, Malformed, UsageError, VerificationError
from falconer_shared.policy.parts import named_address
from falconer_shared.units import COIN, MAX_MONEY
from tests.support.refusal import outcome, refused
from tests.support.treasury import stranger_address, wpkh_descriptor, wpkh_wallet

THERE = stranger_address()
OTHER = wpkh_wallet(7)
BOOK = AddressBook(
    Network.REGTEST,
    (
        named_address("supplier", THERE, Network.REGTEST),
        named_address("payroll", wpkh_descriptor(7), Network.REGTEST),
    ),
)


def test_a_name_stands_for_what_the_policy_says():
    payee = parse_payment("@supplier=250000", BOOK)
    assert (payee.address, int(payee.amount)) == (THERE, 250_000)


def test_a_name_of_a_descriptor_stands_for_its_first_address_that_was_not_paid():
    assert parse_payment("@payroll=1", BOOK).address == OTHER.address(0, 0)
    paid = frozenset(OTHER.scripts(0, index).script_pubkey for index in (0, 1, 3))
    book = AddressBook(BOOK.network, BOOK.entries, paid)
    assert parse_payment("@payroll=1", book).address == OTHER.address(0, 2)


def test_a_descriptor_has_an_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("falconer_online.paying.REACH", 2)
    scripts = [OTHER.scripts(0, index).script_pubkey for index in (0, 1)]
    assert parse_payment("@payroll=1", AddressBook(BOOK.network, BOOK.entries, frozenset(scripts[:1])))
    with refused("address-book-exhausted", UsageError):
        parse_payment("@payroll=1", AddressBook(BOOK.network, BOOK.entries, frozenset(scripts)))


@pytest.mark.parametrize("name", ["@", "@Supplier", "@suppliers", "@supplier ", "@\x1b[2J"])
def test_a_name_that_the_policy_has_not_is_refused(name: str):
    with refused("address-book-unknown", UsageError):
        parse_payment(f"{name}=1", BOOK)


# BIP 21 (A121)


def uri(query: str, address: str = THERE) -> bip21.PaymentUri:
    return bip21.parse(f"bitcoin:{address}{query}", BOOK)


@pytest.mark.parametrize(
    ("text", "sats"),
    [("1", COIN), ("0.00000001", 1), ("20999999.99999999", MAX_MONEY - 1), ("50.00", 50 * COIN), ("0.1", COIN // 10),
     ("21000000", MAX_MONEY), ("00000001", COIN)],
)  # fmt: skip
def test_amounts_are_exact(text: str, sats: int):
    assert uri(f"?amount={text}").payee.amount == sats


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.0", ".5", "1.", "1,5", "1e-3", "+1", "-1", "0x1", "0.000000001", "1.123456789", "21000000.00000001",
     "%31", "1 ", "\uff11", "1BTC", "1X8", "100000000", "nan"],
)  # fmt: skip
def test_other_spellings_of_amounts_are_refused(text: str):
    with pytest.raises(UsageError) as found:
        uri(f"?amount={text}")
    assert found.value.rule in {"uri-amount", "uri-malformed"}


def test_a_uri_must_name_an_amount():
    with refused("uri-amount", UsageError):
        uri("")
    with refused("uri-amount", UsageError):
        uri("?label=x")


def test_words_are_unescaped_and_known():
    found = uri("?amount=1&label=Luke%2DJr&message=rent%20for%20J%C3%A4nner+x")
    assert (found.label, found.message) == ("Luke-Jr", "rent for J\u00e4nner+x")
    assert found.passed_over == ()


def test_an_upper_case_uri_is_the_same():
    # QR codes carry upper case, because it takes less room
    found = bip21.parse(f"BITCOIN:{THERE.upper()}?AMOUNT=0.001&LABEL=X", BOOK)
    assert (found.payee.address, int(found.payee.amount), found.label) == (THERE, 100_000, "X")


def test_what_is_required_and_unknown_is_refused_and_the_rest_is_named():
    for key in ("req-somethingyoudontunderstand", "REQ-X", "req-"):
        with refused("uri-requires-unknown", UsageError):
            uri(f"?amount=1&{key}=50")
    assert uri("?amount=1&somethingelse=50&pj=https://x/y?z").passed_over == ("somethingelse", "pj")


@pytest.mark.parametrize("query", ["?amount=1&amount=1", "?amount=1&AMOUNT=2", "?amount=1&x=1&X=2"])
def test_nothing_is_said_twice(query: str):
    with refused("uri-parameter-repeated", UsageError):
        uri(query)


@pytest.mark.parametrize(
    "text",
    ["", "bitcoin", "bitcoin:", f"bitcoin://{THERE}?amount=1", f"litecoin:{THERE}?amount=1", f" bitcoin:{THERE}?amount=1",
     f"bitcoin:{THERE}?amount=1#x", f"bitcoin:{THERE}?amount", f"bitcoin:{THERE}?amount=1&", f"bitcoin:{THERE}?=1&amount=1",
     f"bitcoin:{THERE}?amount=1&label=%zz", f"bitcoin:{THERE}?amount=1&label=%", f"bitcoin:{THERE}?amount=1&label=%ff",
     f"bitcoin:{THERE}?amount=1&label=a b", f"bitcoin:{THERE}?amount=1\n", "bitcoin:@supplier?amount=1",
     f"bitcoin:{THERE}?amount=1&label={'x' * 2000}", f"bitcoin:{THERE[:5]}%62{THERE[5:]}?amount=1"],
)  # fmt: skip
def test_what_is_not_such_a_uri_is_refused(text: str):
    with refused("uri-malformed", UsageError):
        bip21.parse(text, BOOK)


def test_the_address_is_read_like_any_other():
    with refused("address-other-network", VerificationError):
        uri("?amount=1", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
    with pytest.raises(Malformed):
        uri("?amount=1", THERE[:-1] + "q")
    with pytest.raises(FalconerError):
        uri("?amount=1", THERE[:9].upper() + THERE[9:])


@given(st.text(max_size=200))
def test_no_text_does_anything_but_be_read_or_refused(text: str):
    for prefix in ("", f"bitcoin:{THERE}?", f"bitcoin:{THERE}?amount=1&label="):
        try:
            found = bip21.parse(prefix + text, BOOK)
        except FalconerError:
            continue
        assert found.payee.amount > 0


# batches


def lines(*rows: str) -> bytes:
    return "\n".join(rows).encode() + b"\n"


@pytest.mark.parametrize(
    "data",
    [lines(f"{THERE},1000", f"{stranger_address(1)},2000,rent"),
     lines("address,sats", f"{THERE},1000", f"{stranger_address(1)},2000,rent"),
     lines("address,sats,label", f"{THERE},1000,", "", f'{stranger_address(1)},2000,"rent"'),
     b"\xef\xbb\xbf" + lines("@supplier,1000", f"{stranger_address(1).upper()},2000,rent").replace(b"\n", b"\r\n")],
)  # fmt: skip
def test_a_batch_is_read_whole(data: bytes):
    found = batch.parse(data, BOOK)
    assert [(each.payee.address, int(each.payee.amount), each.label) for each in found] == [
        (THERE, 1_000, ""),
        (stranger_address(1), 2_000, "rent"),
    ]


GOOD = f"{stranger_address(9)},5"


@pytest.mark.parametrize(
    ("row", "line", "column"),
    [(f"{THERE}", 2, 1), (f"{THERE};1000", 2, 1), (f"{THERE},1000,x,y", 2, 4), (f"{THERE},0.001", 2, 2), (f"{THERE},0", 2, 2),
     (f"{THERE},-5", 2, 2), (f'{THERE},"1,000"', 2, 2), (f"{THERE}, 1000", 2, 2), (f"{THERE},2100000000000001", 2, 2),
     (f" {THERE},1000", 2, 1), (f"{THERE[:-1]}x,1000", 2, 1), ("@nobody,1000", 2, 1), ("address,sats", 2, 1),
     ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4,1000", 2, 1), (f"{THERE},1000,{'x' * (MAX_LABEL + 1)}", 2, 3),
     (f'"{THERE},1000', 2, 1), (f"{THERE}\0,1000", 2, 1), (f'{THERE},1000,a"b"', 0, 0), (f"{stranger_address(9)},1", 2, 1),
     (f"{THERE},\uff11", 2, 2)],
)  # fmt: skip
def test_the_first_thing_that_is_wrong_is_named_by_line_and_column(row: str, line: int, column: int):
    if not line:
        # a quote inside a bare field is no error of CSV: it is part of the label
        assert batch.parse(lines(GOOD, row), BOOK)[1].label == 'a"b"'
        return
    with refused("batch-malformed", UsageError) as found:
        batch.parse(lines(GOOD, row), BOOK)
    assert (found.value.details["line"], found.value.details["column"]) == (line, column)
    assert found.value.message.startswith(f"line {line}, column {column}: ")


def test_bytes_that_are_no_text_and_empty_files_are_refused():
    with refused("batch-malformed", UsageError) as found:
        batch.parse(lines(GOOD) + b"\xff", BOOK)
    assert found.value.details["line"] == 2
    for empty in (b"", b"\n\n", b"address,sats\n"):
        with refused("batch-malformed", UsageError):
            batch.parse(empty, BOOK)


def test_a_batch_holds_what_a_proposal_holds():
    most = [f"{stranger_address(number)},{1000 + number}" for number in range(MAX_PAYMENTS + 1)]
    assert len(batch.parse(lines(*most[:-1]), BOOK)) == MAX_PAYMENTS
    with refused("payments-too-many", UsageError):
        batch.parse(lines(*most), BOOK)


def test_the_longest_label_is_taken_and_no_text_escapes():
    found = batch.parse(lines(f"{THERE},1000,{'x' * MAX_LABEL}"), BOOK)
    assert found[0].label == "x" * MAX_LABEL
    with refused("batch-malformed", UsageError) as problem:
        batch.parse(lines("\x1b]0;owned\x07,1000"), BOOK)
    assert "\x1b" not in problem.value.message


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes):
    for reader in (lambda: batch.parse(data, BOOK), lambda: batch.parse(lines(GOOD) + data, BOOK)):
        _, rule = outcome(reader)
        assert rule in {None, "batch-malformed", "payments-too-many"}
