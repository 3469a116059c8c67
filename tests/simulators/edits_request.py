"""The edits of requests and of the receipts that ride along."""

from __future__ import annotations

import hashlib
import random

from tests.simulators import wire
from tests.simulators.draft import Desk, Draft, fingerprint, key_hash, moment, receipt_field
from tests.simulators.edits import edit
from tests.simulators.edits_around import once

# Requests


@edit("request", 3)
def _by_another(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Sealed by a key that is not the coordinator's, whosever it claims to be."""
    draft.by = chance.choice(("mallory", "anna", "north", "admin-a"))
    if chance.random() < 0.5:
        draft.set(draft.request, "coordinator", fingerprint(draft.by))


@edit("request", 3)
def _bad_seal(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """The coordinator's signature over another text, or for another purpose."""
    if chance.random() < 0.5:
        draft.seal_over = lambda text: text.replace(b"\nid ", b"\nid x")
    else:
        draft.namespace = chance.choice((wire.APPROVALS, wire.RECEIPTS, b"file"))


@edit("request", 4)
def _stale(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A request that names another transaction, or another intent, than it comes with."""
    if chance.random() < 0.5:
        draft.follow_transaction = False
        draft.set(draft.request, "unsigned", chance.choice((chance.randbytes(32).hex(), "00" * 32)))
    else:
        draft.follow_intent = False
        draft.set(draft.request, "intent", chance.randbytes(32).hex())


@edit("request", 1)
def _request_line(draft: Draft, desk: Desk, chance: random.Random) -> None:
    key, *values = chance.choice(
        (
            ("id", "r", "R", "", "x" * 65), ("created", moment(0), moment(desk.now + 10**8), "now"),
            ("network", "mainnet", "signet"), ("wallet", "ab" * 32, "x"),
            ("coordinator", fingerprint("mallory"), "SHA256:x", ""), ("audit", f"0 {'00' * 32}", "-1 x"),
        )
    )  # fmt: skip
    draft.set(draft.request, key, chance.choice(values))


@edit("request", 1)
def _request_spelling(draft: Draft, desk: Desk, chance: random.Random) -> None:
    def respell(text: bytes) -> bytes:
        if not text:
            return b"\n"
        at = chance.randrange(len(text))
        return chance.choice(
            (
                text[:-1],
                text + b"\n",
                text[:at] + b"  " + text[at:],
                text + b"rule zz pass - -\n",
                b"",
                text[at:],
            )
        )

    draft.request_text = once(respell)


@edit("request", 2)
def _missing_part(draft: Draft, desk: Desk, chance: random.Random) -> None:
    part = wire.OURS + chance.choice((wire.REQUEST, wire.INTENT, wire.SIGNATURE))
    draft.raw.append(
        lambda maps: maps[0].__setitem__(slice(None), [each for each in maps[0] if each[0] != part])
    )


@edit("request", 3)
def _parts_of_another(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Request, intent, approvals or all of it from an earlier request, around this transaction."""
    if not desk.past:
        return
    other = chance.choice(desk.past)[0]
    match chance.randrange(4):
        case 0:
            draft.intent, draft.intent_text = [list(line) for line in other.intent], other.intent_text
            draft.approvals, draft.approvers = list(other.approvals), other.approvers
        case 1:
            draft.request = [list(line) for line in other.request]
            draft.follow_transaction = draft.follow_intent = draft.follow_rules = False
        case 2:
            draft.approvals, draft.approvers = list(other.approvals), other.approvers
        case _:
            # their transaction under our intent and approvals
            copied = other.copy()
            draft.inputs, draft.outputs = copied.inputs, copied.outputs
            draft.version, draft.locktime = copied.version, copied.locktime


# Receipts


@edit("receipt", 5)
def _mark(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """What the coordinator claims to remember of a machine: less, more, something else, or of somebody else."""
    places = [number for number, line in enumerate(draft.request) if line[0] == "receipt"]
    place = chance.choice(places) if places else None
    if place is None:
        return
    name = draft.request[place][1].split(" ")[0]
    mine = len(desk.receipts)
    match chance.randrange(7):
        case 0:
            draft.request[place][1] = f"{name} 0 -"
        case 1:
            draft.request[place][1] = f"{name} {mine + chance.choice((1, 2**53))} {'ab' * 32}"
        case 2:
            draft.request[place][1] = f"{name} {max(mine, 1)} {'ab' * 32}"
        case 3:
            draft.request.pop(place)
        case 4:
            draft.request.insert(place + 1, ["receipt", f"zed {chance.choice((0, 1))} -"])
        case 5 if desk.receipts:
            number = chance.randrange(1, mine + 1)
            draft.request[place][1] = f"{name} {number} {_digest(desk.receipts[number - 1])}"
        case _:
            draft.request[place][1] = f"{name} 1 -"


def _digest(value: bytes) -> str:
    length, at = wire._read_size(value, 0)
    return hashlib.sha256(value[at : at + length]).hexdigest()


@edit("receipt", 5)
def _forged_receipt(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """That another machine signed this request, by whatever key; or what this machine is said to have done."""
    draft.seal()
    digest = hashlib.sha256(
        draft.request_text("".join(f"{k} {v}\n" for k, v in draft.request).encode("utf-8", "replace"))
    ).hexdigest()
    name, by = chance.choice(
        (
            ("south", "coordinator"),
            ("south", "mallory"),
            ("north", "coordinator"),
            ("south", "anna"),
            ("west", "mallory"),
        )
    )
    number = chance.choice((1, 2, len(desk.receipts) + 1))
    key, value = receipt_field(
        name, by, number, chance.choice((digest, "ab" * 32)), chance.choice(((), (), ("person-declined",)))
    )
    if chance.random() < 0.5:
        key = key_hash(name)
    draft.receipts = [each for each in draft.receipts if each[0] != key] + [(key, value)]


@edit("receipt", 4)
def _old_receipt(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A true receipt: of this machine, marked or not, or of another one for another request."""
    found = [(key_hash("north"), value) for value in desk.receipts[-3:]]
    found += [each for other, _ in desk.past[-6:] for each in other.receipts]
    if found:
        key, value = chance.choice(found)
        draft.receipts = [each for each in draft.receipts if each[0] != key] + [(key, value)]
        if chance.random() < 0.5:
            length, at = wire._read_size(value, 0)
            lines = value[at : at + length].decode("ascii", "replace").split("\n")
            words = dict(line.partition(" ")[::2] for line in lines)
            for line in draft.request:
                if line[0] == "receipt" and line[1].startswith(f"{words.get('signer')} "):
                    line[1] = f"{words.get('signer')} {words.get('number')} {_digest(value)}"


@edit("receipt", 2)
def _no_receipts(draft: Draft, desk: Desk, chance: random.Random) -> None:
    draft.receipts = []


@edit("receipt", 1)
def _damaged_receipt(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if draft.receipts:
        key, value = draft.receipts[0]
        if not value:
            return
        at = chance.randrange(len(value))
        draft.receipts[0] = chance.choice(
            ((key, value[:at]), (key, value[:at] + b"\x31" + value[at + 1 :]), (chance.randbytes(32), value))
        )


@edit("receipt", 3)
def _countersign(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """The other machine really signs what the coordinator made of it, where it must be the first."""
    desk.countersign(draft)
