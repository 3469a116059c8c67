"""A wallet as it arrives: whose checksum stands for whose, and which key of an account is meant."""

from __future__ import annotations

import json

import pytest

from falconer_shared.bitcoin.network import Network
from falconer_shared.crossing import collect
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.errors import Malformed, UsageError
from falconer_shared.transport.registry.types import TYPES
from falconer_shared.wallet import arrival, multisig_text
from falconer_shared.wallet.formats import Form, render
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.refusal import refused
from tests.support.treasury import key_expression, wpkh_wallet, wsh_wallet

WALLET = wsh_wallet()
BARE = WALLET.canonical.encode()


def registered(data: bytes, type_name: str = "", form: str | None = None) -> str:
    found = arrival.read_arrived(data, type_name, form)
    return RegisteredWallet.register("again", Network.REGTEST, found.descriptor).wallet_id


@pytest.mark.parametrize("form", Form)
def test_every_form_arrives(form: Form) -> None:
    assert registered(render(WALLET, form, "treasury")) == WALLET.wallet_id


@pytest.mark.parametrize("name", ["crypto-output", "output-descriptor"])
def test_the_checksum_of_the_code_stands_for_the_descriptors(name: str) -> None:
    received = TYPES[name].unwrap(TYPES[name].wrap(render(WALLET, Form.DESCRIPTOR, "x"), "Treasury"))
    assert b"#" not in received.data
    assert registered(received.data, received.type) == WALLET.wallet_id
    assert name in arrival.COVERED


@pytest.mark.parametrize(
    ("data", "type_name"),
    [
        (BARE, ""),
        (BARE, "bytes"),
        (BARE, "text"),
        (BARE, "addwallet"),
        (json.dumps({"name": "x", "desc": WALLET.canonical}).encode(), ""),
        (json.dumps({"label": "x", "descriptor": WALLET.canonical}).encode(), "bytes"),
    ],
)
def test_any_other_text_brings_its_own(data: bytes, type_name: str) -> None:
    with refused("descriptor-checksum-missing", Malformed):
        registered(data, type_name)


def test_a_wrong_checksum_is_never_replaced() -> None:
    wrong = with_checksum(WALLET.canonical)[:-1] + "q"
    for type_name in ("", "crypto-output", "output-descriptor"):
        with pytest.raises(Malformed):
            registered(wrong.encode(), type_name)


def test_the_name_is_the_senders() -> None:
    lines = multisig_text.write(WALLET, "treasury").encode()
    assert arrival.read_arrived(lines).name == "treasury"
    assert arrival.read_arrived(b"\n" + lines + b"\n\n").checked


def account(*forms: str) -> bytes:
    return "".join(
        form.format(key_expression(1, path)) + "\n" for form, path in (_FORMS[f] for f in forms)
    ).encode()


_FORMS = {
    "pkh": ("pkh({})", "44h/1h/0h"),
    "sh-wpkh": ("sh(wpkh({}))", "49h/1h/0h"),
    "wpkh": ("wpkh({})", "84h/1h/0h"),
    "tr": ("tr({})", "86h/1h/0h"),
    "sh": ("sh(cosigner({}))", "45h"),
    "sh-wsh": ("sh(wsh(cosigner({})))", "48h/1h/0h/1h"),
    "wsh": ("wsh(cosigner({}))", "48h/1h/0h/2h"),
}


@pytest.mark.parametrize("name", sorted(arrival.ACCOUNTS))
def test_an_account_that_came_by_code(name: str) -> None:
    data = TYPES[name].unwrap(TYPES[name].wrap(account(*_FORMS))).data
    keys = arrival.account_keys(data)
    assert keys == {form: key_expression(1, path) for form, (_, path) in _FORMS.items()}
    assert registered(data, name, "wpkh") == wpkh_wallet().wallet_id
    assert arrival.account_key(data, "wsh") == key_expression(1, "48h/1h/0h/2h")


def test_an_account_with_one_usable_key_needs_no_word() -> None:
    assert registered(account("wpkh", "wsh"), "crypto-account") == wpkh_wallet().wallet_id
    assert arrival.account_key(account("wsh"), None) == key_expression(1, "48h/1h/0h/2h")
    # SeedSigner's spelling has no cosigner
    plain = account("wsh").replace(b"cosigner(", b"").replace(b"))", b")")
    assert arrival.account_key(plain, "wsh") == key_expression(1, "48h/1h/0h/2h")


@pytest.mark.parametrize(
    ("forms", "form"),
    [(("wpkh", "tr"), None), (("wpkh", "tr"), "pkh"), (("wsh",), None), (("wsh", "sh"), "wsh")],
)
def test_which_key_is_meant_is_never_guessed(forms: tuple[str, ...], form: str | None) -> None:
    with refused("account-form", UsageError):
        arrival.read_arrived(account(*forms), "crypto-account", form)


def test_a_whole_wallet_takes_no_form() -> None:
    with refused("account-form", UsageError):
        arrival.read_arrived(render(WALLET, Form.DESCRIPTOR, "x"), form="wpkh")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"wsh(multi(1,a,b))",
        "wpkh(\u00e9)".encode(),
        account("wpkh") + account("wpkh"),
        account("wpkh").replace(b")", b"))"),
        b" " * arrival.MAX_ACCOUNT + account("wpkh"),
    ],
)
def test_what_is_no_account(data: bytes) -> None:
    with refused("account-malformed", Malformed):
        arrival.account_keys(data)
    assert arrival.account_keys(b" " * (arrival.MAX_ACCOUNT - 200) + account("wpkh"))


def test_a_seed_among_other_codes_is_said_at_once() -> None:
    """Whatever else is whole in the pictures (A039, A093)."""
    descriptor = render(WALLET, Form.DESCRIPTOR, "x").strip()
    words = b"abandon " * 11 + b"about"
    for frames in ([descriptor, words], [words, descriptor], [b"0" * 48, descriptor]):
        with refused("secret-in-code", Malformed) as found:
            collect.gather(frames)
        assert b"abandon" not in str(found.value.as_json()).encode()
    assert collect.gather([descriptor])[0].data == descriptor
