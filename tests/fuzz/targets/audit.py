"""Lines of the audit log: one record has one spelling, and a log that is cut or changed no longer has its heads."""

from __future__ import annotations

import random

from falconer_shared.audit.log import AuditLog, check_growth, check_record
from falconer_shared.audit.record import AuditRecord
from tests.fuzz import mutate as changes
from tests.fuzz.target import attempt

MAX_LEN = 8_192


def seeds() -> dict[str, bytes]:
    log = AuditLog()
    lines = []
    for number, facts in enumerate(
        ({}, {"proposal": "p-1", "sats": 50_000}, {"text": 'a "b" \\ \u202e\x1b[2J', "least": -(2**62)})
    ):
        record = log.next(1_800_000_000 + number, "proposal-created", facts)
        log.append(record)
        lines.append(record.line)
    return {
        "log": b"\n".join(lines),
        "one": lines[1],
        "deep": b'{"at":' + b"[" * 900 + b"]" * 900 + b"}",
        "big": b'{"at":0,"event":"e","facts":{"a":' + b"9" * 4_400 + b'},"n":0}',
        "float": b'{"at":0,"event":"e","facts":{"a":1e5},"n":0}',
    }


def check(data: bytes) -> bool:
    lines = data.split(b"\n")
    for line in lines[:4]:
        record = attempt(lambda line=line: AuditRecord.parse(line))
        assert record is None or record.line == line
    log = attempt(lambda: AuditLog.read(lines))
    if log is None:
        return False
    head = log.head
    assert head.size == len(lines)
    for number, line in enumerate(lines):
        check_record(AuditRecord.parse(line), head, log.prove_record(number))
    earlier = AuditLog.read(lines[: (len(lines) + 1) // 2])
    log.check_continues(earlier.head)
    check_growth(earlier.head, head, log.prove_growth(earlier.head.size))
    return True


def mutate(data: bytes, choose: random.Random) -> bytes:
    return changes.lines(data, choose)
