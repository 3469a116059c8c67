"""Lines that must not type-check: each skips a step between bytes and signature.

Never run and never imported. tests/typing/test_wrong_orders.py has mypy read it and demands an error on exactly the lines that
say so.
"""

from __future__ import annotations

from collections.abc import Mapping

from falconer_offline.keys.private import PrivateNode
from falconer_offline.review import Judged, ReviewedTransaction
from falconer_offline.sign import sign
from falconer_offline.state.journal import Reservation
from falconer_shared.policy.document import Policy
from falconer_shared.policy.engine import ApprovedTransaction
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.finalize import FinalTransaction, finalize
from falconer_shared.seal import Seal
from falconer_shared.units import Amount, FeeRate, Weight
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, verify_signatures
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.ownership import KnownIndexes
from falconer_shared.wallet.registration import RegisteredWallet

Keys = Mapping[int, PrivateNode]


def right_order(
    psbt: UntrustedPsbt,
    wallet: RegisteredWallet,
    known: KnownIndexes,
    reviewed: ReviewedTransaction,
    reserved: Reservation,
    keys: Keys,
) -> FinalTransaction:
    verified: VerifiedTransaction = verify(psbt, wallet, known)
    sign(reviewed, reserved, keys)
    return finalize(verify_signatures(verified, psbt))


def bytes_are_not_a_psbt(data: bytes, wallet: RegisteredWallet, known: KnownIndexes) -> None:
    verify(data, wallet, known)  # must fail


def a_name_is_not_a_wallet(psbt: UntrustedPsbt, known: KnownIndexes) -> None:
    verify(psbt, "treasury", known)  # must fail


def unverified_is_not_signed(psbt: UntrustedPsbt, reserved: Reservation, keys: Keys) -> None:
    sign(psbt, reserved, keys)  # must fail


def verified_is_not_reviewed(verified: VerifiedTransaction, reserved: Reservation, keys: Keys) -> None:
    sign(verified, reserved, keys)  # must fail


def approved_is_not_reviewed(approved: ApprovedTransaction, reserved: Reservation, keys: Keys) -> None:
    sign(approved, reserved, keys)  # must fail


def judged_is_not_reviewed(judged: Judged, reserved: Reservation, keys: Keys) -> None:
    sign(judged, reserved, keys)  # must fail


def nothing_is_signed_without_a_reservation(reviewed: ReviewedTransaction, keys: Keys) -> None:
    sign(reviewed, None, keys)  # must fail


def an_answer_is_not_verified_by_itself(psbt: UntrustedPsbt) -> None:
    finalize(psbt)  # must fail


def signatures_are_not_a_final_transaction(signed: SignatureVerifiedPsbt) -> FinalTransaction:
    return signed  # must fail


def a_review_needs_its_seal(judged: Judged, total: Amount) -> ReviewedTransaction:
    return ReviewedTransaction(judged, total)  # must fail


def a_policy_is_not_installed_by_being_read(policy: Policy, approved: ApprovedTransaction) -> None:
    approved.installed = policy  # must fail


def a_sum_is_not_an_amount(first: Amount, second: Amount) -> Amount:
    return first + second  # must fail


def a_weight_is_not_a_fee(weight: Weight) -> FeeRate:
    return FeeRate.of(weight, weight)  # must fail


def a_seal_is_no_text() -> Seal:
    return Seal(3)  # must fail
