"""The audit log: one spelling for a record, no gap, and no past that can be changed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.audit.log import AuditHead, AuditLog, check_growth, check_record
from falconer_shared.audit.record import MAX_FACTS, MAX_LINE, MAX_NUMBER, AuditRecord
from falconer_shared.canonical import MAX_TIME
from falconer_shared.errors import AuditError, StateError


def log_of(count: int) -> tuple[AuditLog, list[AuditRecord]]:
    log = AuditLog()
    records = []
    for number in range(count):
        record = log.next(
            1_767_225_600 + number, "proposal-created", {"proposal": f"p-{number}", "sats": number}
        )
        log.append(record)
        records.append(record)
    return log, records


def refused(rule: str, action: Callable[[], object]) -> None:
    with pytest.raises(AuditError) as caught:
        action()
    assert caught.value.rule == rule
    assert isinstance(caught.value, StateError)


def test_a_record_is_one_line_of_json():
    record = AuditRecord(0, 1_767_225_600, "proposal-created", {"sats": 50_000, "proposal": "p-1"})
    assert record.line == (
        b'{"at":1767225600,"event":"proposal-created","facts":{"proposal":"p-1","sats":50000},"n":0}'
    )
    assert AuditRecord.parse(record.line) == record
    assert (
        AuditRecord(0, 0, "e", {"note": "gr\u00fc\u00df\n"}).line
        == b'{"at":0,"event":"e","facts":{"note":"gr\\u00fc\\u00df\\n"},"n":0}'
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"null",
        b'{"at":0,"event":"e","facts":{},"n":0}\n',
        b' {"at":0,"event":"e","facts":{},"n":0}',
        b'{"at":0,"event":"e","facts":{},"n":0,"x":0}',
        b'{"at":0,"event":"e","facts":{}}',
        b'{"n":0,"at":0,"event":"e","facts":{}}',
        b'{"at":0,"at":0,"event":"e","facts":{},"n":0}',
        b'{"at":0,"event":"e","facts":{"a":1,"a":1},"n":0}',
        b'{"at":0,"event":"e","facts":{"b":1,"a":1},"n":0}',
        b'{"at":0.0,"event":"e","facts":{},"n":0}',
        b'{"at":0,"event":"e","facts":{"a":1e3},"n":0}',
        b'{"at":0,"event":"e","facts":{"a":NaN},"n":0}',
        b'{"at":0,"event":"e","facts":{"a":true},"n":0}',
        b'{"at":0,"event":"e","facts":{"a":null},"n":0}',
        b'{"at":0,"event":"e","facts":{"a":[]},"n":0}',
        b'{"at":0,"event":"e","facts":{"A":1},"n":0}',
        b'{"at":0,"event":"e","facts":[],"n":0}',
        b'{"at":0,"event":"E","facts":{},"n":0}',
        b'{"at":0,"event":1,"facts":{},"n":0}',
        b'{"at":0,"event":"\\u0065","facts":{},"n":0}',
        b'{"at":-1,"event":"e","facts":{},"n":0}',
        b'{"at":0,"event":"e","facts":{},"n":-1}',
        b'{"at":0,"event":"e","facts":{},"n":true}',
        '{"at":0,"event":"e","facts":{"a":"\u00fc"},"n":0}'.encode(),
        b'{"at":0,"event":"e","facts":{"a":' + b"9" * 5000 + b'},"n":0}',
        b"[" * 60_000,
        b'{"at":0,"event":"e","facts":{"a":"' + b"x" * MAX_LINE + b'"},"n":0}',
    ],
)
def test_any_other_spelling_is_refused(line: bytes):
    refused("audit-record-malformed", lambda: AuditRecord.parse(line))


def test_a_record_has_bounds():
    AuditRecord(MAX_NUMBER, MAX_TIME, "e", {f"f{n}": -MAX_NUMBER for n in range(MAX_FACTS)})
    refused("audit-record-malformed", lambda: AuditRecord(0, MAX_TIME + 1, "e", {}))
    refused(
        "audit-record-malformed", lambda: AuditRecord(0, 0, "e", {f"f{n}": 0 for n in range(MAX_FACTS + 1)})
    )
    refused("audit-record-malformed", lambda: AuditRecord(0, 0, "e", {"f": MAX_NUMBER + 1}))
    empty = len(AuditRecord(0, 0, "e", {"f": ""}).line)
    AuditRecord(0, 0, "e", {"f": "x" * (MAX_LINE - empty)})
    refused("audit-record-malformed", lambda: AuditRecord(0, 0, "e", {"f": "x" * (MAX_LINE - empty + 1)}))


def test_a_record_does_not_change_with_the_dictionary_it_was_made_from():
    facts: dict[str, int | str] = {"sats": 1}
    record = AuditRecord(0, 0, "e", facts)
    facts["sats"] = 2
    assert record.facts["sats"] == 1
    with pytest.raises(TypeError):
        record.facts["sats"] = 2  # type: ignore[index]


@given(
    st.integers(0, MAX_NUMBER),
    st.integers(0, MAX_TIME),
    st.dictionaries(
        st.text("abc-._09", min_size=1, max_size=9),
        st.integers(-MAX_NUMBER, MAX_NUMBER) | st.text(max_size=20),
        max_size=5,
    ),
)
def test_parse_and_line_are_inverses(number: int, at: int, facts: dict[str, int | str]):
    record = AuditRecord(number, at, "event", facts)
    assert AuditRecord.parse(record.line) == record
    assert json.loads(record.line)["facts"] == facts


def test_numbers_leave_no_gap():
    log, records = log_of(3)
    assert len(AuditLog.read(record.line for record in records)) == 3
    for wrong in (records[1:], records[:1] + records[2:], [*records, records[2]], [records[1], records[0]]):
        refused("audit-record-gap", lambda wrong=wrong: AuditLog(wrong))
    refused("audit-record-gap", lambda: log.append(records[0]))


def test_an_earlier_head_finds_every_change_of_the_past():
    log, records = log_of(9)
    heads = [log.head_at(size) for size in range(10)]
    assert heads[9] == log.head
    for head in heads:
        log.check_continues(head)
    for number in range(9):
        edited = list(records)
        edited[number] = AuditRecord(number, records[number].at, "proposal-created", {"sats": 999})
        forged = AuditLog(edited)
        for head in heads[: number + 1]:
            forged.check_continues(head)
        for head in heads[number + 1 :]:
            refused("audit-log-rewritten", lambda forged=forged, head=head: forged.check_continues(head))
    refused("audit-log-truncated", lambda: AuditLog(records[:8]).check_continues(heads[9]))
    AuditLog(records[:8]).check_continues(heads[8])


def test_records_and_growth_are_proved_to_whoever_has_heads_only():
    log, records = log_of(7)
    for record in records:
        check_record(record, log.head, log.prove_record(record.n))
        other = AuditRecord(record.n, record.at, record.event, {"sats": 1_000_000})
        refused("audit-inclusion-unproven", lambda o=other: check_record(o, log.head, log.prove_record(o.n)))
    for size in range(1, 8):
        check_growth(log.head_at(size), log.head, log.prove_growth(size))
    fork, _ = log_of(6)
    fork.append(fork.next(0, "other", {}))
    refused("audit-consistency-unproven", lambda: check_growth(fork.head, log.head, ()))
    refused("audit-consistency-unproven", lambda: check_growth(log.head, log.head_at(3), log.prove_growth(3)))


def test_a_head_is_a_count_and_a_root():
    assert AuditLog().head == AuditHead(
        0, bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    )
    assert AuditLog().head.root_hex.startswith("e3b0")
    with pytest.raises(ValueError, match="head"):
        AuditHead(-1, bytes(32))
    with pytest.raises(ValueError, match="head"):
        AuditHead(0, bytes(31))
