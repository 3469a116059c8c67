"""The first cases of the campaign, and that its table of explained differences is short, alive and shown."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from falconer_shared.descriptor.ast import InputKind
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.campaigns.campaign import random_of
from tests.differential import contents, explained, keys, mutants, payments, primitives, rewritings
from tests.differential.campaign import Differential
from tests.support import psbts

SEED = 20260101
"""Of the suite alone: the campaigns begin elsewhere."""


@pytest.mark.parametrize("block", range(4))
def test_the_first_cases_show_no_unexplained_difference(block: int) -> None:
    findings = Differential().run(SEED, 100 * block, 100)
    assert findings == []


def test_a_case_is_the_same_whatever_ran_before() -> None:
    def made(case: int) -> bytes:
        return mutants.mutant(random_of("differential", SEED, case))

    assert [made(case) for case in range(20)] == [made(case) for case in reversed(range(20))][::-1]
    sample = payments.sample(random_of("differential", SEED, 5))
    assert sample.psbt == payments.sample(random_of("differential", SEED, 5)).psbt


def test_payments_are_of_every_kind() -> None:
    samples = [payments.sample(random_of("differential", SEED, case)) for case in range(150)]
    assert {sample.wallet.name for sample in samples} == {
        "pkh",
        "sh-wpkh",
        "wpkh",
        "tr",
        "sh",
        "sh-wsh",
        "wsh",
    }
    assert {sample.wallet.descriptor.input_kind for sample in samples} == set(InputKind)
    assert {sample.psbt.version for sample in samples} == {0, 2}
    assert {sample.psbt.tx.version for sample in samples} == {1, 2}
    assert {len(sample.psbt.inputs) for sample in samples} >= {1, 2, 3, 4, 9}
    assert any(sample.wallet.size == keys.MAX_KEYS for sample in samples)
    assert any(sample.psbt.tx.locktime for sample in samples)


def seen_in(monkeypatch: pytest.MonkeyPatch, psbts: int, others: int) -> set[str]:
    """The entries that so many cases need."""
    used: set[str] = set()
    real = explained.why

    def why(seen: explained.Seen) -> str | None:
        name = real(seen)
        used.update([name] if name else [])
        return name

    monkeypatch.setattr(explained, "why", why)
    for case in range(psbts):
        assert list(mutants.compare(random_of("differential", SEED, case))) == []
    for case in range(others):
        for kind in (
            primitives.transactions,
            primitives.addresses,
            primitives.extended_keys,
            primitives.descriptors,
        ):
            assert list(kind(random_of("differential", SEED, case))) == []
    return used


def test_every_entry_of_the_table_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    used = seen_in(monkeypatch, 3_000, 300)
    often = frozenset(used)
    for name, show in RARE.items():
        used.clear()
        assert list(show()) == []
        assert name in used, name
    assert {each.name for each in explained.EXPLAINED} == often | set(RARE)


def wallet_text(edit: Callable[[str], str]) -> Callable[[], Iterator[str]]:
    """The descriptor of the first wallet of one key, with a change."""
    text = next(each for each in map(keys.wallet_number, range(7)) if each.name == "wpkh").descriptor_text
    return lambda: primitives.read_descriptor(with_checksum(edit(text.split("#")[0])), 0, 3)


def psbt(data: bytes) -> Callable[[], Iterator[str]]:
    return lambda: contents.differing(data)


def long_script_sig() -> Iterator[str]:
    """Five signatures and five keys in one scriptSig."""
    number = next(
        number
        for number in range(keys.WALLETS)
        if (keys.wallet_number(number).name, keys.wallet_number(number).threshold) == ("sh", 5)
    )
    for seed in range(10_000):
        chance = random.Random(seed)
        if chance.randrange(keys.WALLETS) == number and not list(payments.compare(random.Random(seed))):
            yield from payments.compare(random.Random(seed))
            break


RARE: dict[str, Callable[[], Iterator[str]]] = {
    "libwally-PSBT-flags": psbt(psbts.with_field("global", b"\x06", b"\x08", 2)),
    "libwally-PSBT-empty": psbt(psbts.v2(outputs=0)),
    "libwally-PSBT-xpub": psbt(
        psbts.with_field("global", b"\x01" + b"\0" * 4 + psbts.XPUB[4:], psbts.DERIVATION)
    ),
    "rust-bitcoin-PSBT-xpub": psbt(
        psbts.with_field("global", b"\x01" + b"\0" * 4 + psbts.XPUB[4:], psbts.DERIVATION)
    ),
    "libwally-PSBT-compact-size-not-minimal": psbt(
        psbts.with_field("input", b"\x09", b"x").replace(b"\x01\x09\x01x", b"\x01\x09\xfd\1\0x")
    ),
    "rust-bitcoin-PSBT-compact-size-not-minimal": psbt(psbts.with_field("input", b"\xfd\x01\x00", b"x")),
    "rust-bitcoin-PSBT-sighash": psbt(
        psbts.with_field("input", b"\x02" + psbts.PUBKEY, psbts.SIGNATURE[:-1] + b"\x05")
    ),
    "libwally-PSBT-sighash": psbt(
        psbts.v0(added={"input": [(b"\x02" + psbts.PUBKEY, psbts.SIGNATURE), (b"\x03", psbts.u32(2))]})
    ),
    "rust-bitcoin-PSBT-psbt-proprietary-malformed": psbt(psbts.with_field("input", b"\xfc\x00\xfd", b"x")),
    "rust-bitcoin-PSBT-signature": psbt(
        psbts.with_field("input", b"\x02" + psbts.PUBKEY, b"\x31" + psbts.SIGNATURE[1:])
    ),
    "libwally-transaction-transaction-witness-superfluous": lambda: primitives.read_transaction(
        psbts.PREVIOUS[:4] + b"\0\1" + psbts.PREVIOUS[4:-4] + b"\0" + psbts.PREVIOUS[-4:]
    ),
    "libwally-finished PSBT-long": long_script_sig,
    **{
        f"{peer}-descriptor-{rule}": wallet_text(edit)
        for peer in (explained.LIBWALLY, explained.RUST)
        for rule, edit in {
            "wallet-coin-type-mismatch": lambda text: text.replace("/84h/1h/", "/84h/2h/"),
            "derivation-path-malformed": lambda text: text.replace("/84h/1h/", "/84h/01h/"),
            "descriptor-key-origin-mismatch": lambda text: text.replace("/84h/1h/0h", "/84h/1h"),
            "descriptor-form-unsupported": lambda text: text.replace("wpkh(", "wsh(pkh(") + ")",
        }.items()
    },
}
"""Differences that come up too seldom to wait for."""


def test_without_its_entry_each_difference_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table decides: were it empty, the campaign would report."""
    monkeypatch.setattr(explained, "EXPLAINED", ())
    monkeypatch.setattr(rewritings, "REWRITINGS", ())
    found = [
        difference
        for case in range(600)
        for difference in mutants.compare(random_of("differential", SEED, case))
    ]
    assert len(found) > 60
    assert any("we refuse" in each for each in found)
    assert any("we accept" in each for each in found)
    assert any("lost" in each for each in found)


def test_no_entry_covers_a_rule_of_verification() -> None:
    """What is refused for its meaning is never a matter of taste among parsers."""
    rules = {each.rule for each in explained.EXPLAINED if each.rule}
    assert not [rule for rule in rules if rule.startswith(("input-", "output-", "signature-", "fee-"))]
    names = [each.name for each in (*explained.EXPLAINED, *rewritings.REWRITINGS)]
    assert len(names) == len(set(names))


def test_a_digest_that_is_wrong_in_one_input_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign can find something: our digest code is changed for the last input of each transaction."""
    from falconer_shared.bitcoin import sighash

    for kind in (sighash.Legacy, sighash.Bip143, sighash.Bip341):
        real = kind.digest

        def wrong(self, index, *rest, real=real):
            digest = real(self, index, *rest)
            return digest[::-1] if index == 1 else digest

        monkeypatch.setattr(kind, "digest", wrong)
    found = [each for case in range(12) for each in primitives.digests(random_of("differential", SEED, case))]
    for name in ("original", "BIP 143", "BIP 341 DEFAULT", "BIP 341 ALL"):
        for peer in (explained.LIBWALLY, "embit"):
            assert any(f"{peer}: another {name} digest of input 1" in each for each in found)
    assert not any("of input 0" in each for each in found)


def test_a_combiner_that_loses_a_field_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from falconer_shared.psbt.combine import combine

    def lossy(original: UntrustedPsbt, *answers: UntrustedPsbt) -> UntrustedPsbt:
        return combine(original, *answers[:-1]) if len(answers) > 1 else combine(original, *answers)

    monkeypatch.setattr(payments, "combine", lossy)
    found = [each for case in range(40) for each in payments.compare(random_of("differential", SEED, case))]
    assert any(each.startswith("Combiner, libwally") for each in found)
    assert any(each.startswith("Combiner, rust-bitcoin") for each in found)


def test_a_finalizer_that_orders_signatures_wrongly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    real = payments.finalize

    def odd(signed):
        final = real(signed)
        first = final.tx.inputs[0]
        tx = replace(final.tx, inputs=(replace(first, witness=(*first.witness, b"")), *final.tx.inputs[1:]))
        object.__setattr__(final, "raw", tx.serialize())
        return final

    monkeypatch.setattr(payments, "finalize", odd)
    monkeypatch.setattr(payments, "check_scripts", lambda final: None)
    found = [each for case in range(10) for each in payments.compare(random_of("differential", SEED, case))]
    assert any(each.startswith("Finalizer, libwally") for each in found)
    assert any(each.startswith("Extractor, rust-bitcoin") for each in found)


def table() -> str:
    """What docs/verification.md shows of the table."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for each in explained.EXPLAINED:
        what = f"we refuse: `{each.rule}`" if each.rule else "they refuse"
        rows.setdefault((each.subject, what, each.reason), []).append(each.peer)
    for other in rewritings.REWRITINGS:
        rows.setdefault(("PSBT", "they rewrite", other.reason), []).append(other.peer)
    lines = ["| what | difference | beside | why |", "|---|---|---|---|"]
    lines += [
        f"| {subject} | {what} | {', '.join(peers)} | {reason} |"
        for (subject, what, reason), peers in rows.items()
    ]
    return "\n".join(lines)


def test_the_page_shows_the_table() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "verification.md").read_text()
    assert table() in page, f"docs/verification.md should hold:\n\n{table()}"
