"""What a device is given, and what is taken of its answer: one lie each."""

from __future__ import annotations

import pytest

from falconer_offline.hardware.answer import differing, signatures_of
from falconer_offline.hardware.request import device_psbt
from falconer_shared.errors import VerificationError
from falconer_shared.psbt.build import new_psbt, to_version
from falconer_shared.psbt.fields import InputType, field_key
from falconer_shared.psbt.parse import UntrustedPsbt, from_maps
from falconer_shared.verify.signatures import verify_made
from falconer_shared.verify.transaction import verify
from tests.offline.hardware.devices import honest, refuses
from tests.support.treasury import FORMS, NOTHING_KNOWN, Payment, root, wallet_of


class Case:
    """A verified transaction, what its device is given, and the honest answer of key 1."""

    def __init__(self, form: str = "wpkh", seed: int = 1) -> None:
        self.wallet = wallet_of(form)
        self.psbt = Payment(self.wallet).psbt()
        self.verified = verify(self.psbt, self.wallet, NOTHING_KNOWN)
        self.given = device_psbt(self.verified)
        self.honest = honest(self.given, seed)

    def take(self, answer: UntrustedPsbt | bytes, positions=(0,)):
        raw = answer if isinstance(answer, bytes) else answer.raw
        return signatures_of(self.verified, self.given, raw, positions)

    def refuses(self, rule: str, answer: UntrustedPsbt | bytes, positions=(0,)):
        return refuses(rule, VerificationError, self.take, answer, positions)


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


def changed(psbt: UntrustedPsbt, *, inputs=None, outputs=None, glob=None) -> UntrustedPsbt:
    """The PSBT with fields set (or, where None, left out) in one map of each kind."""

    def edit(fields, edits):
        found = {**fields, **{key: value for key, value in (edits or {}).items() if value is not None}}
        return {key: value for key, value in found.items() if (edits or {}).get(key, b"") is not None}

    first, *inputs_left = psbt.input_maps
    output, *outputs_left = psbt.output_maps
    return from_maps(
        edit(psbt.global_map, glob),
        [edit(first, inputs), *inputs_left],
        [edit(output, outputs), *outputs_left],
    )


# What the device is given


@pytest.mark.parametrize("form", FORMS)
def test_a_device_is_given_what_was_verified_and_can_sign_it(form):
    case = Case(form)
    assert case.given.tx == case.verified.tx
    assert case.given.version == 0
    again = verify(case.given, case.wallet, NOTHING_KNOWN)
    assert again.unsigned_hash == case.verified.unsigned_hash
    assert [item.digest for item in again.inputs] == [item.digest for item in case.verified.inputs]
    assert [output.place for output in again.outputs] == [output.place for output in case.verified.outputs]
    taken = case.take(case.honest)
    assert [len(made) for made in taken] == [1] * len(case.verified.inputs)
    assert verify_made(case.verified, taken).signers == {0}


@pytest.mark.parametrize("form", FORMS)
def test_the_cosigners_stand_in_it_where_there_are_several_keys(form):
    case = Case(form)
    several = form in {"sh", "sh-wsh", "wsh"}
    assert len(case.given.xpubs) == (3 if several else 0)
    if several:
        assert {origin[0] for origin in case.given.xpubs.values()} == {
            k.fingerprint for k in case.wallet.keys
        }


def test_nothing_of_the_coordinator_s_reaches_a_device(case):
    noted = case.psbt.with_fields(
        [(b"\xfc\x08falconer\x00", b"request"), (b"\xfa", b"unknown")],
        {0: [(b"\xfa", b"note")]},
        {0: [(b"\xfa", b"note")]},
    )
    verified = verify(noted, case.wallet, NOTHING_KNOWN)
    assert device_psbt(verified).raw == case.given.raw


def test_a_previous_transaction_goes_without_its_witnesses():
    """Its txid does not commit to them, so that whoever made the request could have written anything there."""
    wallet = wallet_of("wpkh")
    psbt = Payment(wallet).psbt()
    key = field_key(InputType.NON_WITNESS_UTXO)
    previous = psbt.inputs[0].non_witness_utxo
    stripped = previous.serialize_stripped()
    junk = b"\x02" + b"\x05later" + b"\x00"
    witnessed = stripped[:4] + b"\0\x01" + stripped[4:-4] + junk * len(previous.inputs) + stripped[-4:]
    verified = verify(changed(psbt, inputs={key: witnessed}), wallet, NOTHING_KNOWN)
    assert device_psbt(verified).input_maps[0][key] == stripped
    assert b"later" not in device_psbt(verified).raw


def test_a_request_of_version_2_reaches_the_device_as_version_0():
    wallet = wallet_of("wpkh")
    verified = verify(Payment(wallet, psbt_version=2).psbt(), wallet, NOTHING_KNOWN)
    assert device_psbt(verified).raw == Case().given.raw


# What is taken of its answer


def test_a_sighash_type_that_was_asked_for_may_be_written_down(case):
    """Coldcard does."""
    case.take(changed(case.honest, inputs={field_key(InputType.SIGHASH_TYPE): (1).to_bytes(4, "little")}))


def test_no_psbt_is_refused(case):
    case.refuses("device-answer-malformed", b"")
    case.refuses("device-answer-malformed", case.honest.raw[:-1])
    case.refuses("device-answer-malformed", case.honest.raw + b"\0")


def test_another_transaction_is_refused(case):
    payment = Payment(case.wallet)
    payment.pay = [(payment.pay[0][0], payment.pay[0][1] + 1)]
    other = device_psbt(verify(payment.psbt(), case.wallet, NOTHING_KNOWN))
    case.refuses("device-changed-transaction", honest(other, 1))


def test_another_lock_time_or_version_of_the_transaction_is_another_transaction(case):
    import dataclasses

    for change in ({"version": 1}, {"locktime": 7}):
        tx = dataclasses.replace(case.given.tx, **change)
        other = new_psbt(tx, input_add=dict(enumerate(case.given.input_maps)))
        case.refuses("device-changed-transaction", other)


FIELDS = {
    "a script of an input": {"inputs": {field_key(InputType.WITNESS_UTXO): None}},
    "an unknown field of an input": {"inputs": {b"\xfa": b"x"}},
    "a finished input": {"inputs": {field_key(InputType.FINAL_SCRIPTSIG): b"\x01\x00"}},
    "a signature of a script path": {"inputs": {b"\x14" + bytes(64): bytes(64)}},
    "a field of an output": {"outputs": {b"\xfa": b"x"}},
    "a global field": {"glob": {b"\xfa": b"x"}},
    "a signature in an output": {"outputs": {b"\xfb": b"x"}},
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_was_changed_is_refused(case, name):
    try:
        answer = changed(case.honest, **FIELDS[name])
    except Exception as malformed:  # noqa: BLE001 - a field that is not even well-formed is no case of this test
        pytest.fail(f"not a PSBT: {malformed}")
    case.refuses("device-changed-fields", answer)


def test_an_altered_previous_transaction_is_refused(case):
    key = field_key(InputType.BIP32_DERIVATION, case.verified.inputs[0].scripts.pubkeys[0])
    case.refuses("device-changed-fields", changed(case.honest, inputs={key: bytes(24)}))


def test_another_version_of_the_psbt_is_refused(case):
    case.refuses("device-changed-fields", to_version(case.honest, 2))


def partial(case: Case, number: int = 0) -> tuple[bytes, bytes]:
    """The field of the honest signature of an input, and its value."""
    return next(iter(case.honest.inputs[number].signature_fields.items()))


def test_a_signature_of_another_key_is_refused(case):
    _, signature = partial(case)
    stranger = field_key(InputType.PARTIAL_SIG, root(9).get_public_key().sec())
    case.refuses("device-wrong-key", changed(case.honest, inputs={stranger: signature}))


def test_a_valid_signature_of_a_cosigner_is_not_the_device_s():
    case = Case("wsh", seed=2)
    case.refuses("device-wrong-key", case.honest)
    assert len(case.take(case.honest, (1,))) == 2


def test_the_wrong_kind_of_signature_is_refused(case):
    answer = changed(case.given, inputs={field_key(InputType.TAP_KEY_SIG): bytes(64)})
    case.refuses("device-wrong-key", answer)
    tap = Case("tr")
    key = field_key(InputType.PARTIAL_SIG, tap.verified.inputs[0].scripts.pubkeys[0])
    _, ecdsa = partial(case)
    tap.refuses("device-wrong-key", changed(tap.given, inputs={key: ecdsa}))


@pytest.mark.parametrize("byte", [0x00, 0x02, 0x03, 0x81, 0x83])
def test_another_sighash_byte_is_refused(case, byte):
    key, signature = partial(case)
    case.refuses("device-sighash", changed(case.honest, inputs={key: signature[:-1] + bytes((byte,))}))


@pytest.mark.parametrize("kind", [0x02, 0x03, 0x81])
def test_another_sighash_type_written_down_is_refused(case, kind):
    field = {field_key(InputType.SIGHASH_TYPE): kind.to_bytes(4, "little")}
    case.refuses("device-sighash", changed(case.honest, inputs=field))


@pytest.mark.parametrize("byte", [0x01, 0x02, 0x83])
def test_a_taproot_signature_with_a_byte_that_was_not_asked_for_is_refused(byte):
    tap = Case("tr")
    key, signature = partial(tap)
    tap.refuses("device-sighash", changed(tap.honest, inputs={key: signature + bytes((byte,))}))


@pytest.mark.parametrize("form", FORMS)
def test_a_signature_over_something_else_is_refused(form):
    case = Case(form)
    key, signature = partial(case)
    _, other = partial(case, 1)
    assert signature != other
    case.refuses("device-signature-invalid", changed(case.honest, inputs={key: other}))


def test_a_signature_with_high_s_is_refused(case):
    key, signature = partial(case)
    r_end = 4 + signature[3]
    s = int.from_bytes(signature[r_end + 2 : -1], "big")
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = b"\0" + (order - s).to_bytes(32, "big")
    body = signature[2:r_end] + b"\x02" + bytes((len(high),)) + high
    altered = b"\x30" + bytes((len(body),)) + body + b"\x01"
    case.refuses("device-signature-invalid", changed(case.honest, inputs={key: altered}))


def test_no_signature_at_all_is_named(case):
    case.refuses("device-signed-nothing", case.given)


def test_an_input_without_its_signature_is_named(case):
    key, _ = partial(case)
    found = case.refuses("device-signed-partly", changed(case.honest, inputs={key: None}))
    assert found.details["input"] == 0


def test_a_device_with_two_keys_gives_both_signatures():
    case = Case("wsh")
    both = honest(case.given, 1, 2)
    assert [len(made) for made in case.take(both, (0, 1))] == [2, 2]
    case.refuses("device-signed-partly", case.honest, (0, 1))


def test_a_repeated_nonce_is_refused():
    """Two signatures under one r, made by hand with the textbook's formula."""
    case = Case()
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    nonce = 1234567
    import wallycore

    r = int.from_bytes(wallycore.ec_public_key_from_private_key(nonce.to_bytes(32, "big"))[1:], "big") % order
    fields = {}
    for item in case.verified.inputs:
        node = root(1).derive([*case.wallet.keys[0].origin, item.place.branch, item.place.index])
        secret = int.from_bytes(node.key.secret, "big")
        s = pow(nonce, -1, order) * (int.from_bytes(item.digest, "big") + r * secret) % order
        s = min(s, order - s)
        body = b"".join(_integer(value) for value in (r, s))
        signature = b"\x30" + bytes((len(body),)) + body + b"\x01"
        fields[item.index] = {field_key(InputType.PARTIAL_SIG, item.scripts.pubkeys[0]): signature}
    case.refuses("device-nonce-repeated", case.given.with_fields(input_add=fields))


def _integer(value: int) -> bytes:
    data = value.to_bytes(33, "big").lstrip(b"\0")
    data = b"\0" + data if data[0] & 0x80 else data
    return b"\x02" + bytes((len(data),)) + data


def test_who_has_no_key_is_not_asked(case):
    with pytest.raises(ValueError, match="not asked"):
        case.take(case.honest, ())


def test_a_second_signing_is_compared_for_ecdsa_alone(case):
    first = case.take(case.honest)
    assert differing(first, first) == 0
    assert differing(first, [{}, {}]) == 2
    tap = Case("tr")
    assert differing(tap.take(tap.honest), [{}, {}]) == 0
