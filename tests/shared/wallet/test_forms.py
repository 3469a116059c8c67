"""Forms in which wallets travel beside the plain file: Coldcard's lines, and JSON."""

from __future__ import annotations

import json

import pytest

from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.errors import Malformed, UsageError
from falconer_shared.transport import profiles
from falconer_shared.wallet import multisig_text
from falconer_shared.wallet.formats import Form, read_wallet, render
from falconer_shared.wallet.multisig_text import WalletText
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.refusal import refused
from tests.support.treasury import wallet_of, wpkh_wallet, wsh_wallet

WALLET = wsh_wallet()
LINES = multisig_text.write(WALLET, "treasury")


def again(found: WalletText) -> RegisteredWallet:
    """Registered from the text, with a checksum where the form has none."""
    text = found.descriptor if found.checked else with_checksum(found.descriptor)
    return RegisteredWallet.register("again", Network.REGTEST, text)


def test_the_forms_of_profiles_are_these() -> None:
    assert {form.value for form in Form} == {form.value for form in profiles.Form}


@pytest.mark.parametrize("form", Form)
def test_every_form_there_and_back(form: Form) -> None:
    found = read_wallet(render(WALLET, form, "treasury"))
    assert again(found).wallet_id == WALLET.wallet_id
    assert found.name == ("" if form is Form.DESCRIPTOR else "treasury")
    assert found.checked == (form is not Form.MULTISIG_TEXT)


@pytest.mark.parametrize(("form", "name"), [("wsh", "P2WSH"), ("sh-wsh", "P2SH-P2WSH"), ("sh", "P2SH")])
def test_formats(form: str, name: str) -> None:
    wallet = wallet_of(form, 2, (1, 2, 3), "sortedmulti")
    lines = multisig_text.write(wallet, "x")
    assert f"\nFormat: {name}\n" in lines
    assert again(read_wallet(lines.encode())).wallet_id == wallet.wallet_id


def test_the_lines_as_others_write_them() -> None:
    """Derivation before each key, upper and lower case, comments, CR LF; `P2WSH-P2SH` is an older name."""
    keys = WALLET.keys
    text = "# Exported by somebody\r\n\r\nName: Our treasury\r\nPolicy: 2 of 3\r\nFormat: P2WSH\r\n"
    for key in keys:
        text += f"\r\nDerivation: m/48h/1h/0'/2'\r\n{key.fingerprint.hex()}: {key.xpub.text(key.network)}\r\n"
    found = read_wallet(text.encode())
    assert found.name == "Our treasury"
    assert again(found).wallet_id == WALLET.wallet_id
    assert read_wallet(text.replace("P2WSH", "P2WSH-P2SH").encode()).descriptor.startswith(
        "sh(wsh(sortedmulti(2,"
    )


def test_what_has_no_such_lines() -> None:
    for wallet in (wpkh_wallet(), wallet_of("wsh", 2, (1, 2, 3), "multi")):
        with refused("wallet-not-multisig-text", UsageError):
            render(wallet, Form.MULTISIG_TEXT, "x")


def test_names_are_made_harmless() -> None:
    assert "Name: a\\nPolicy: 1 of 1\n" in multisig_text.write(WALLET, "a\nPolicy: 1 of 1") or (
        multisig_text.write(WALLET, "a\nPolicy: 1 of 1").count("\nPolicy") == 1
    )
    assert f"Name: {'x' * 20}\n" in multisig_text.write(WALLET, "x" * 50)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("Policy: 2 of 3\n", ""),
        lambda text: text.replace("2 of 3", "2 of 4"),
        lambda text: text.replace("2 of 3", "4 of 3"),
        lambda text: text.replace("2 of 3", "0 of 3"),
        lambda text: text.replace("2 of 3", "\u0662 of 3"),
        lambda text: text.replace("2 of 3", "2of3"),
        lambda text: text.replace("P2WSH", "P2TR"),
        lambda text: text.replace("Format: P2WSH\n", ""),
        lambda text: text.replace("Name:", "Nickname:"),
        lambda text: text.replace("Name: treasury", "Name treasury"),
        lambda text: text.replace("Name: treasury", "Name: treasury\nName: other"),
        lambda text: text.replace("Name: treasury", "Name: treasury\nSorted: false"),
        lambda text: "\n".join(line for line in text.split("\n") if not line.startswith("Derivation")),
        lambda text: text + "# \u202e",
        # facts in what an editor shows as one comment, and keys that no count knows of
        lambda text: text.replace("Policy:", "# \x0bPolicy:"),
        lambda text: text + "# \x1b[2J",
        lambda text: text.replace(": tpub", ": tpub11/<0;1>/*,[00000000/1h]tpub", 1),
        lambda text: text.rstrip("\n") + "/<2;3>/*\n",
        lambda text: text + "#" * 20_000,
        lambda text: "",
    ],
)
def test_malformed_lines(change) -> None:
    with refused("multisig-text-malformed", Malformed):
        read_wallet(change(LINES).encode())


def test_json_of_others() -> None:
    text = WALLET.descriptor_text
    for names in (("label", "descriptor"), ("name", "desc")):
        document = {names[0]: "treasury", names[1]: text, "blockheight": 0, "devices": []}
        found = read_wallet(json.dumps(document).encode())
        assert found == WalletText("treasury", text, checked=True)
    assert read_wallet(json.dumps({"desc": text.split("#")[0]}).encode()).checked is False


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"desc": 5}',
        '{"desc": "wpkh(\u00e9)"}',
        '{"desc": "wpkh(a)", "descriptor": "wpkh(b)"}',
        '{"desc": "wpkh(a)", "desc": "wpkh(b)"}',
        '{"a": ' + "[" * 100_000,
        '{"desc": "' + "x" * 40_000 + '"}',
    ],
)
def test_malformed_json(text: str) -> None:
    with refused("wallet-json-malformed", Malformed):
        read_wallet(text.encode())
