"""The step between PSBT versions 0 and 2: there and back is the same bytes, for everything that a Creator of ours makes."""

from __future__ import annotations

import wallycore

from falconer_shared.errors import Malformed
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.verify.transaction import verify
from tests.campaigns.campaign import random_of
from tests.differential import explained, payments
from tests.differential.contents import rewritten
from tests.support import psbts
from tests.support.refusal import refused


def samples() -> list[payments.Sample]:
    return [payments.sample(random_of("versions", 1, case)) for case in range(60)]


def test_there_and_back_is_the_same() -> None:
    for made in samples():
        other = to_version(made.psbt, 2 - made.psbt.version)
        assert other.version != made.psbt.version
        assert other.tx == made.psbt.tx
        assert not other.modifiable
        assert to_version(other, made.psbt.version).raw == made.psbt.raw
        assert to_version(other, other.version) is other


def test_both_versions_are_judged_the_same() -> None:
    for made in samples()[:20]:
        first, second = (
            verify(to_version(made.psbt, version), made.wallet, payments.KNOWN) for version in (0, 2)
        )
        assert first.unsigned_hash == second.unsigned_hash
        assert first.inputs == second.inputs
        assert first.outputs == second.outputs
        assert first.cost == second.cost


def test_the_step_down_is_the_one_of_libwally() -> None:
    for made in samples():
        if made.psbt.tx.version == 1:
            # libwally reads those in version 0 alone
            continue
        theirs = wallycore.psbt_from_bytes(
            to_version(made.psbt, 2).raw, wallycore.WALLY_PSBT_PARSE_FLAG_STRICT
        )
        wallycore.psbt_set_version(theirs, 0, 0)
        written = bytes(wallycore.psbt_to_bytes(theirs, wallycore.WALLY_PSBT_SERIALIZE_FLAG_REDUNDANT))
        assert rewritten(to_version(made.psbt, 0).raw, written, explained.LIBWALLY) is None


def test_what_version_0_cannot_say_is_refused() -> None:
    for where, kind in sorted(psbts.ONLY_V2 - {("global", 0x06), ("input", 0x11), ("input", 0x12)}):
        psbt = UntrustedPsbt.parse(psbts.with_example(where, kind, 2))
        with refused("psbt-field-not-in-version", Malformed):
            to_version(psbt, 0)
