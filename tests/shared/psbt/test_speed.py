"""Time and memory: what a large treasury needs, and the worst that 2 MB can do (A079, A080)."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable

import pytest

from falconer_shared.errors import Malformed
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.parse import UntrustedPsbt
from tests.support import psbts
from tests.support.psbts import DERIVATION, PUBKEY, SIGNATURE, XONLY, joined, prefixed, transaction, u32, u64
from tests.support.rawpsbt import RawPsbt, size
from tests.support.work import calls

TWO_MEGABYTES = 2_000_000
SECONDS = 1.0
BYTES = 128 * 1024 * 1024


def thousand_inputs(version: int, *, same_previous: bool) -> bytes:
    raw = RawPsbt(psbts.v0(inputs=1_000, outputs=2))
    for index in range(1_000):
        previous = psbts.PREVIOUS if same_previous else psbts.PREVIOUS[:-4] + u32(index)
        raw.input(index).extend(
            [
                (b"\x00", previous),
                (b"\x01", u64(150_000) + prefixed(psbts.P2WPKH)),
                (b"\x03", u32(1)),
                (b"\x06" + PUBKEY, DERIVATION),
                (b"\x02" + PUBKEY, SIGNATURE),
            ]
        )
    return to_version(UntrustedPsbt.parse(raw.bytes()), version).raw


def best_of(runs: int, act: Callable[[], object]) -> float:
    """Seconds of this process's own time, so that what else the machine does does not matter."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        act()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("version", [0, 2])
def test_a_thousand_inputs_are_parsed_at_once(version):
    data = thousand_inputs(version, same_previous=False)
    # some sixty for each input, and none that grows with their number
    assert calls(lambda: UntrustedPsbt.parse(data)) < 100 * 1_000


def test_one_previous_transaction_for_many_inputs_is_read_once():
    same, different = (
        UntrustedPsbt.parse(thousand_inputs(0, same_previous=same_previous))
        for same_previous in (True, False)
    )
    first = same.inputs[0].non_witness_utxo
    assert all(view.non_witness_utxo is first for view in same.inputs)
    assert len({id(view.non_witness_utxo) for view in different.inputs}) == 1_000


def fields(count: int, value: bytes = b"abc") -> bytes:
    return (
        b"".join(b"\x04\xf0" + number.to_bytes(3, "little") + prefixed(value) for number in range(count))
        + b"\0"
    )


HEAD = joined([[(b"\x00", transaction([(bytes(32), 0, 0)], [(5, b"")]))]])


def cut(data: bytes) -> bytes:
    return data[:TWO_MEGABYTES]


WORST = {
    "fields to the bound": HEAD + fields(222_000) + b"\0",
    "fields over the bound": HEAD + fields(333_000, b""),
    "fields in base64": base64.b64encode(cut(HEAD + fields(400_000, b""))[:1_499_999]),
    "witness of empty items": HEAD + b"\x01\x08" + prefixed(size(1_999_000) + bytes(1_999_000)) + b"\0\0",
    "many witnesses": HEAD + b"\x01\x08" + prefixed(b"\xfd\xfd\x00" + bytes(252)) + b"\0\0",
    "deep tree": HEAD + b"\0\x01\x06" + prefixed(b"\x80\xc0\x00" * 660_000) + b"\0",
    "wide tree": HEAD + b"\0\x01\x06" + prefixed(b"\x13\xc0\x00" * 2**19) + b"\0",
    "derivations": HEAD
    + b"".join(b"\x22\x06\x02" + number.to_bytes(32, "little") + b"\x04abcd" for number in range(49_000))
    + b"\0\0",
    "taproot derivation": HEAD
    + b"\x21\x16"
    + XONLY
    + prefixed(size(62_000) + bytes(32 * 62_000) + bytes(4))
    + b"\0\0",
    "preimages": HEAD + b"\x21\x0b" + bytes(32) + prefixed(bytes(520)) + b"\0\0",
    "outputs of the unsigned transaction": joined(
        [[(b"\x00", u32(2) + b"\x00" + size(110_000) + bytes(9 * 110_000) + bytes(4))]]
    ),
    "previous transaction of many outputs": HEAD
    + b"\x01\x00"
    + prefixed(transaction([(bytes(32), 0, 0)], [(0, b"")] * 110_000))
    + b"\0\0",
    "maps without end": psbts.v0(inputs=10_000, outputs=10_000)[:-20_000]
    + (b"\x02\xf0a\x03abc\0" * 20_000)[:1_000_000],
    "version 2 maps": cut(psbts.v2(inputs=10_000, outputs=10_000)),
    "musig2 participants": HEAD + b"\x22\x1a" + PUBKEY + prefixed(PUBKEY * 60_000) + b"\0\0",
    "proprietary": HEAD
    + b"".join(b"\x0c\xfc\x08falconer" + number.to_bytes(2, "big") + b"\0" for number in range(60_000))
    + b"\0\0",
    "nothing but zeros": b"psbt\xff" + bytes(TWO_MEGABYTES - 5),
    "one long key": HEAD + size(1_990_000) + b"\xf0" + bytes(1_989_999) + b"\0\0\0",
    "one long value": HEAD + b"\x01\xf0" + prefixed(bytes(1_990_000)) + b"\0\0",
}


def decide(data: bytes) -> None:
    try:
        psbt = UntrustedPsbt.parse(data)
        for view in psbt.inputs:
            for read in ("non_witness_utxo", "partial_sigs", "bip32_derivations", "final_script_witness"):
                getattr(view, read)
    except Malformed:
        pass


@pytest.mark.parametrize("name", sorted(WORST))
def test_two_megabytes_are_decided_in_a_second(name):
    data = WORST[name]
    assert len(data) <= TWO_MEGABYTES + 100
    assert best_of(2, lambda: decide(data)) < SECONDS


MEASURE = """
import re, sys
from pathlib import Path
from falconer_shared.errors import Malformed
from falconer_shared.psbt.build import to_version
from falconer_shared.psbt.parse import UntrustedPsbt
try:
    psbt = UntrustedPsbt.parse(sys.stdin.buffer.read())
    for view in psbt.inputs:
        view.non_witness_utxo, view.partial_sigs, view.bip32_derivations, view.final_script_witness
except Malformed:
    pass
print(re.search(r"VmHWM:\\s*([0-9]+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("name", sorted(WORST))
def test_two_megabytes_take_little_memory(name):
    """Everything counted: the interpreter, the modules, the file and what was made of it."""
    done = subprocess.run([sys.executable, "-c", MEASURE], input=WORST[name], capture_output=True, check=True)
    assert int(done.stdout) * 1024 < BYTES


def test_work_grows_with_the_bytes_and_not_with_their_square():
    """A080: ten times the outputs take about ten times the work."""
    small, large = psbts.v2(outputs=1_000), psbts.v2(outputs=10_000)
    first, second = (calls(lambda data=data: UntrustedPsbt.parse(data)) for data in (small, large))
    assert second < 12 * first


@pytest.mark.parametrize(
    "data", [HEAD, joined([[(b"\x00", u32(2) + size(2**22) + bytes(45))]])], ids=["none", "four-million"]
)
def test_a_lie_about_counts_costs_nothing(data):
    """A079: 2^22 inputs claimed in 60 bytes."""
    assert len(data) < 70
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            UntrustedPsbt.parse(data)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
