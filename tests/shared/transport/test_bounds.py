"""What a receiver may take of memory, whatever is shown to it: 64 MiB at most, held to by the kernel.

Each attack runs in a process of its own whose address space may grow by 64 MiB from where it stood before the
first frame. One byte more is a `MemoryError`, and the process says so.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

PRELUDE = """
import base64, random, resource, zlib
from falconer_shared.encoding import cbor
from falconer_shared.transport import bc32, bytewords, fountain
from falconer_shared.transport.parts import MAX_PARTS, MAX_PAYLOAD
from falconer_shared.transport.receive import Receiver

luck = random.Random(1)

def limit():
    pages = int(open("/proc/self/statm").read().split()[0])
    size = pages * resource.getpagesize() + 64 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))

def part(number, total, length, checksum, data):
    body = bytewords.encode(cbor.encode([number, total, length, checksum, data]))
    return f"ur:bytes/{number}-{total}/{body}"

def base32(data):
    return base64.b32encode(data).decode().rstrip("=")

receiver = Receiver()
"""

ATTACKS = {
    # the largest message there is, whole: 10,000 parts in any order, some of them mixed
    "largest message": """
message = cbor.encode(b"\\x80" + luck.randbytes(MAX_PARTS * 209 - 6))
encoder = fountain.Encoder(message, 209, bytewords.checksum(message))
numbers = list(range(11, encoder.n + 1)) + [encoder.n + i for i in range(1, 200)]
luck.shuffle(numbers)
limit()
for number in numbers:
    state = receiver.feed(part(number, encoder.n, len(message), encoder.checksum, encoder.part(number)))
    if state.complete:
        break
assert state.received and len(state.received.data) > 2_000_000, state
""",
    # A095, A097: parts of hundreds of messages, each of the largest size
    "many messages": """
limit()
for number in range(1, 4001):
    receiver.feed(part(number, MAX_PARTS, MAX_PARTS * 209, number % 40, luck.randbytes(209)))
assert receiver.feed("x").senders <= 32
""",
    # A095: one part that announces 2^26 of them, or 10^9 bytes
    "announcements": """
limit()
for total, length, size in ((2**26, 2**26, 1), (5_000_000, 10**9, 200), (10**9, 10**9, 1)):
    assert receiver.feed(part(1, total, length, 7, bytes(size))).refusal
assert receiver.feed("ur:bytes/1-4294967295/aeadaolazmjendeoti").refusal
""",
    # A104: CBOR that announces more than there is
    "CBOR": """
limit()
for head in ("5affffffff", "9affffffff", "baffffffff", "5bffffffffffffffff", "9b7fffffffffffffff", "81" * 100, "d90190" * 100):
    for name in ("bytes", "crypto-output", "crypto-account", "hdkey", "crypto-psbt"):
        assert receiver.feed(f"ur:{name}/{bytewords.encode(bytes.fromhex(head) + b'x')}").refusal
""",
    # A105: deflate streams that unpack to 100 MiB, in one part and in many
    "bombs": """
stream = zlib.compressobj(1, wbits=-10)
bomb = b"".join(stream.compress(bytes(2**20)) for _ in range(100)) + stream.flush()
limit()
size = 2560
total = -(-len(bomb) // size)
digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
for index in range(total):
    head = f"B$ZB{digits[total // 36]}{digits[total % 36]}{digits[index // 36]}{digits[index % 36]}"
    state = receiver.feed(head + base32(bomb[index * size : (index + 1) * size]))
assert state.refusal and state.refusal.rule == "bbqr-too-large", state
""",
    # A101: every part of the largest BBQr message with more contents than are kept
    "variants": """
limit()
digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
for index in range(1295):
    for _ in range(6):
        state = receiver.feed(f"B$2BZZ{digits[index // 36]}{digits[index % 36]}" + base32(luck.randbytes(1600)))
assert state.stuck and "different contents" in state.stuck, state
""",
    # the same for numbered parts of text, whose lengths nobody fixes
    "texts": """
limit()
for number in range(1, 1000):
    receiver.feed(f"p{number}of999 " + luck.randbytes(1050).hex())
    receiver.feed(f"p{number}of999 " + luck.randbytes(1050).hex())
digest = bc32.encode(bytes(32))
for number in range(1, 10_001):
    receiver.feed(f"ur:bytes/{number}of10000/{digest}/" + "q" * 330)
assert receiver.feed("x").senders <= 2
""",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_memory(attack: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + ATTACKS[attack] + "\nprint('held')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("held\n", 0), done.stderr[-2000:]
