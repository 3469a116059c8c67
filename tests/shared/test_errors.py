"""Errors: ids, exit statuses, the JSON form."""

from __future__ import annotations

import inspect

from falconer_shared import errors
from falconer_shared.errors import FalconerError, Malformed, VerificationError

CLASSES = [
    value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, FalconerError)
]

# DESIGN section 8; written out again, since scripts of users depend on these numbers
EXIT_STATUS = {
    "FalconerError": 1,
    "UsageError": 2,
    "Malformed": 3,
    "VerificationError": 4,
    "PolicyViolation": 5,
    "ApprovalError": 6,
    "DeviceError": 7,
    "Declined": 8,
    "StateError": 9,
    "AuditError": 9,
    "SecretError": 10,
}


def test_every_class_has_its_documented_exit_status():
    assert {c.__name__: c.EXIT_STATUS for c in CLASSES} == EXIT_STATUS


def test_an_error_carries_its_id_sentence_remedy_and_numbers():
    error = VerificationError("fee-too-high", "the fee is 5 sats", remedy="pay less", fee=5, cap=4, note=None)
    assert str(error) == error.message == "the fee is 5 sats"
    assert error.as_json() == {
        "id": "fee-too-high",
        "message": "the fee is 5 sats",
        "remedy": "pay less",
        "fee": 5,
        "cap": 4,
        "note": None,
    }


def test_a_detail_never_overwrites_the_id():
    assert Malformed("real-id", "sentence", id="other-id").as_json()["id"] == "real-id"


def test_classes_are_told_apart():
    # whoever catches one kind of no must not swallow another; audit errors alone are a kind of state errors
    pairs = {(a.__name__, b.__name__) for a in CLASSES for b in CLASSES if issubclass(a, b) and a is not b}
    assert {(a, b) for a, b in pairs if b != "FalconerError"} == {("AuditError", "StateError")}
