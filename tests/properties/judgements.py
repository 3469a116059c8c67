"""Things to judge, and their judgement as a text that can be compared.

    python -m tests.properties.judgements < {kind} {hex} LF ...   ->   {judgement} LF ...

As a program it judges each line in a child of its own that has judged nothing before, forked from a process that has neither.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
from functools import cache

from falconer_shared.errors import FalconerError
from falconer_shared.policy.compile import compile_toml
from falconer_shared.transport.receive import Receiver
from tests.fuzz.targets import envelope, policy, psbt, ur
from tests.support.requests import desks, requests, verdict
from tests.support.treasury import FORMS

Thing = tuple[str, bytes]
"""Kind (a form of wallet, "codes" or "policy") and bytes."""


def judgement(thing: Thing) -> str:
    """All that comes of it."""
    kind, data = thing
    if kind == "codes":
        return _receive(data)
    if kind == "policy":
        return _compile(data)
    return repr(verdict(data, desks()[FORMS.index(kind)]))


def _receive(data: bytes) -> str:
    receiver = Receiver()
    told = []
    for line in data.split(b"\n"):
        progress = receiver.feed(line)
        refusal = progress.refusal and progress.refusal.rule
        told.append(
            (
                progress.total,
                progress.have,
                progress.senders,
                refusal,
                progress.received and progress.received.digest,
            )
        )
    return repr(told)


def _compile(data: bytes) -> str:
    try:
        return compile_toml(data.decode("utf-8", "replace")).digest
    except FalconerError as refusal:
        return f"{refusal.rule} {refusal.message}"


@cache
def pool() -> tuple[Thing, ...]:
    """Valid things and things near them, always the same ones."""
    choose = random.Random("things to judge")
    found: list[Thing] = []
    for form in FORMS:
        for raw in requests(form)[:2]:
            found.append((form, raw))
            found += [(form, envelope.mutate(raw, choose)) for _ in range(2)]
            found += [(form, psbt.mutate(raw, choose)) for _ in range(2)]
        # another wallet's request
        found.append((form, requests(choose.choice(FORMS))[0]))
    for seed in ur.seeds().values():
        found += [("codes", seed), ("codes", ur.mutate(seed, choose))]
    toml = policy.seeds()["toml"]
    return (*found, ("policy", toml), *[("policy", policy.mutate(toml, choose)) for _ in range(8)])


def main() -> None:
    # loaded once: a child that reads libraries for itself takes ten times as long
    for module in ("embit.script", "embit.transaction", "cryptography.hazmat.primitives.asymmetric.ed25519"):
        importlib.import_module(module)
    for line in sys.stdin:
        kind, data = line.split()
        sys.stdout.flush()
        child = os.fork()
        if not child:
            # nothing of this process has been judged by it, and nothing that the child learns comes back
            print(json.dumps(judgement((kind, bytes.fromhex(data)))), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
