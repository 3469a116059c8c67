"""A process of its own that decides inputs under limits, and says what each took.

    worker.py < {header} LF warm input {header} LF ...   ->   {"verdict": ..., "seconds": ..., "base": ..., "peak": ...} LF ...

Each input is handed to the function that the programs hand it to (`ENTRIES`). Before it, whatever a running program has loaded is
loaded, with a small input of the same kind; what is derived and remembered for one wallet is new for each input.

The kernel keeps the limits: `RLIMIT_DATA`, on everything that the process has besides its code, its libraries' own data and the
input included, and `RLIMIT_CPU`. `seconds` are this process's own (of a session of codes: those of the one that took longest).
`base` is what the process held in memory (RSS) before the decision, and `peak` the most that it held during it, in bytes.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from falconer_online import batch, bip21, labels
from falconer_online.paying import AddressBook
from falconer_shared.approval.intent import Intent
from falconer_shared.audit.log import AuditLog
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.descriptor.parse import parse_descriptor
from falconer_shared.encoding import cbor
from falconer_shared.errors import FalconerError
from falconer_shared.exchange.envelope import check_request, extract
from falconer_shared.exchange.lines import check_verdicts
from falconer_shared.exchange.receipt import Receipt
from falconer_shared.exchange.request import SigningRequest
from falconer_shared.exchange.response import parse_response
from falconer_shared.policy import bundle, destinations
from falconer_shared.policy.compile import compile_toml
from falconer_shared.policy.document import Policy
from falconer_shared.policy.engine import approve
from falconer_shared.policy.history import Recorded
from falconer_shared.policy.signed import InstalledPolicy, PinnedAdmins, SignedPolicy, install
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import SshSignature
from falconer_shared.text import describe_foreign, safe, safe_bytes
from falconer_shared.transport.receive import Receiver
from falconer_shared.verify.transaction import verify
from falconer_shared.wallet.formats import read_descriptor_file
from falconer_shared.wallet.ownership import KnownIndexes
from falconer_shared.wallet.registration import RegisteredWallet

MEMORY = 128 * 1024 * 1024
PROCESSOR = 10
"""Seconds of one decision after which the kernel ends the process."""


class IncompleteError(Exception):
    """Not all of it came; nothing is wrong with what did."""


NETWORK = Network.REGTEST
LONGEST_SHOWN = 100_000
"""More than any caller asks for."""

BOOK = AddressBook(NETWORK, (), ())


class Request:
    """What a signer decides about a request: from the bytes to the page that it would show."""

    def __init__(self, header: dict[str, object]) -> None:
        self._wallet = RegisteredWallet.restore("treasury", NETWORK, str(header["wallet"]), 20)
        self._installed = _installed(header)
        self._now = int(str(header["now"]))

    def __call__(self, data: bytes) -> None:
        psbt = UntrustedPsbt.parse(data)
        envelope = extract(psbt)
        verified = verify(psbt, self._wallet, KnownIndexes({}))
        checked = check_request(envelope, verified, self._installed.policy)
        approved = approve(
            verified,
            self._installed,
            checked.intent,
            checked.approvals,
            Recorded.of(()),
            self._now,
            signer="machine-a",
            mandatory_done=checked.signed_by,
            request_digest=checked.request.digest,
        )
        check_verdicts(checked.request.rules, approved.verdicts)


def _installed(header: dict[str, object]) -> InstalledPolicy:
    text, signatures, admins = header["policy"], header["signatures"], header["admins"]
    if not (isinstance(text, str) and isinstance(signatures, list) and isinstance(admins, list)):
        raise TypeError("a header of another form")
    return install(
        SignedPolicy(text.encode(), tuple(bytes.fromhex(each) for each in signatures)),
        PinnedAdmins(tuple(SshPublicKey.parse(each) for each in admins)),
        network=NETWORK,
        wallet_id=Policy.parse(text.encode()).wallet_id,
    )


def _answer(data: bytes) -> None:
    parse_response(UntrustedPsbt.parse(data))


def _canonical(data: bytes) -> None:
    for kind in (Intent, SigningRequest, Receipt, Policy):
        _tried(lambda kind=kind: kind.parse(data))
    bundle.split(data)


def _ssh(data: bytes) -> None:
    _tried(lambda: SshPublicKey.parse(data.decode("latin-1")))
    SshSignature.parse(data)


def _descriptor(data: bytes) -> None:
    _tried(lambda: parse_descriptor(data.decode("latin-1"), NETWORK))
    RegisteredWallet.register("treasury", NETWORK, read_descriptor_file(data))


def _codes(data: bytes) -> None:
    receiver = Receiver()
    for line in data.split(b"\n"):
        receiver.feed(line)
    if receiver.feed(b"").received is None:
        raise IncompleteError


def _session(data: bytes) -> float:
    """The seconds of the code that took longest, the last of which makes the message whole."""
    receiver = Receiver()
    longest = 0.0
    for line in data.split(b"\n"):
        start = time.process_time()
        receiver.feed(line)
        longest = max(longest, time.process_time() - start)
    if receiver.feed(b"").received is None:
        raise IncompleteError
    return longest


def _text(data: bytes) -> None:
    for text in (data.decode("latin-1"), data.decode("utf-8", "surrogateescape")):
        safe(text)
        safe(text, LONGEST_SHOWN)
        describe_foreign(text)
    safe_bytes(data)
    safe_bytes(data, LONGEST_SHOWN)


def _tried(call: Callable[[], object]) -> None:
    try:
        call()
    except FalconerError:
        return


ENTRIES: dict[str, Callable[[bytes], object]] = {
    "answer": _answer,
    "audit": lambda data: AuditLog.read(data.split(b"\n")),
    "batch": lambda data: batch.parse(data, BOOK),
    "canonical": _canonical,
    "cbor": lambda data: cbor.decode(
        data, "message", max_bytes=4 * 1024 * 1024, tags=frozenset({303, 304, 308, 310})
    ),
    "codes": _codes,
    "descriptor": _descriptor,
    "greedy": lambda data: bytearray(MEMORY * len(data)),
    "labels": lambda data: labels.read(data, NETWORK),
    "session": _session,
    "policy": lambda data: compile_toml(data.decode()),
    "ssh": _ssh,
    "text": _text,
    "transaction": Transaction.parse,
    "uri": lambda data: bip21.parse(data.decode("latin-1"), BOOK),
}


def memory(field: str) -> int:
    """Bytes, as the kernel counts this process."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field + ":"))


def judged(header: dict[str, object], warm: bytes, data: bytes) -> dict[str, object]:
    """Decide one input."""
    name = str(header["entry"])
    with suppress(IncompleteError):
        _tried(lambda: decider(name, header)(warm))
    decide = decider(name, header)
    destinations._REACHES.clear()
    gc.collect()
    # what the last one freed goes back to the kernel, so that it is not counted again
    ctypes.CDLL(None).malloc_trim(0)
    # the highest mark starts anew here (proc(5), clear_refs)
    Path("/proc/self/clear_refs").write_text("5")
    base = memory("VmRSS")
    used = int(time.process_time()) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used + PROCESSOR, resource.RLIM_INFINITY))
    start = time.process_time()
    longest: object = None
    try:
        longest = decide(data)
        verdict = "accepted"
    except FalconerError as refusal:
        verdict = refusal.rule
    except IncompleteError:
        verdict = "incomplete"
    except MemoryError:
        verdict = "out of memory"
    seconds = longest if isinstance(longest, float) else time.process_time() - start
    return {"verdict": verdict, "seconds": seconds, "base": base, "peak": memory("VmHWM")}


def decider(name: str, header: dict[str, object]) -> Callable[[bytes], object]:
    """A new one for each input: nothing that was derived for another helps it."""
    return Request(header) if name == "request" else ENTRIES[name]


def main() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    source = sys.stdin.buffer
    while line := source.readline():
        header = json.loads(line)
        warm, data = source.read(header["warm"]), source.read(header["size"])
        print(json.dumps(judged(header, warm, data)), flush=True)


if __name__ == "__main__":
    main()
