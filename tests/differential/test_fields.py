"""Every field of every BIP, one at a time and all at once: the others read and write it as we do."""

from __future__ import annotations

import pytest
import wallycore

from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.differential import explained, peers
from tests.differential.contents import rewritten
from tests.support import psbts

EMPTY_IDENTIFIER = ("input", 0xFC)
"""libwally refuses a proprietary identifier of no characters; BIP 174 allows it."""


@pytest.mark.parametrize("case", sorted(psbts.EXAMPLES))
def test_all_read_the_same_in_version_0(case: tuple[str, int]) -> None:
    data = psbts.with_example(*case, 0)
    mine = peers.ours(data)
    if case in psbts.ONLY_V2:
        assert isinstance(mine, peers.Refusal)
        assert mine.rule == "psbt-field-not-in-version"
        return
    assert isinstance(mine, UntrustedPsbt)
    again = peers.rust(data)
    assert isinstance(again, peers.Parsed), again
    assert rewritten(data, again.again, explained.RUST) is None
    theirs = peers.libwally(data)
    assert isinstance(theirs, str) == (case == EMPTY_IDENTIFIER)
    if isinstance(theirs, peers.Parsed):
        assert rewritten(data, theirs.again, explained.LIBWALLY) is None
        assert theirs.unsigned == mine.tx.serialize_stripped()


@pytest.mark.parametrize("case", sorted(psbts.EXAMPLES))
def test_libwally_reads_the_same_in_version_2(case: tuple[str, int]) -> None:
    data = psbts.with_example(*case, 2)
    mine, theirs = peers.ours(data), peers.libwally(data)
    assert isinstance(mine, UntrustedPsbt)
    assert isinstance(theirs, str) == (case == EMPTY_IDENTIFIER)
    if isinstance(theirs, peers.Parsed):
        assert rewritten(data, theirs.again, explained.LIBWALLY) is None
        assert theirs.unsigned == mine.tx.serialize_stripped()


@pytest.mark.parametrize("inputs", [1, 2, 40])
def test_a_large_psbt_is_the_same_to_all(inputs: int) -> None:
    everything = {
        where: [
            (bytes((kind,)) + data, value)
            for (place, kind), (data, value) in psbts.EXAMPLES.items()
            if place == where and (place, kind) not in {*psbts.ONLY_V2, EMPTY_IDENTIFIER}
        ]
        for where in ("global", "input", "output")
    }
    data = psbts.v0(inputs=inputs, outputs=inputs, added=everything)
    mine, theirs, again = peers.ours(data), peers.libwally(data), peers.rust(data)
    assert isinstance(mine, UntrustedPsbt)
    assert isinstance(theirs, peers.Parsed)
    assert isinstance(again, peers.Parsed)
    assert rewritten(data, theirs.again, explained.LIBWALLY) is None
    assert rewritten(data, again.again, explained.RUST) is None
    # the step to version 2 is the one that libwally takes, but for the flags: it opens the transaction for changes
    psbt = wallycore.psbt_from_bytes(data, 0)
    wallycore.psbt_set_version(psbt, 0, 2)
    wallycore.psbt_set_tx_modifiable_flags(psbt, 0)
    converted = bytes(wallycore.psbt_to_bytes(psbt, wallycore.WALLY_PSBT_SERIALIZE_FLAG_REDUNDANT))
    assert rewritten(to_version(mine, 2).raw, converted, explained.LIBWALLY) is None
