"""Wallets, policies, keys, the machine's key and receipts as codes for others, and wallets as others write them."""

from __future__ import annotations

import pytest

from falconer_shared.exchange import receipts
from falconer_shared.exchange.receipt import verify_receipt
from falconer_shared.policy import bundle
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.send import Spelling
from falconer_shared.wallet import arrival
from falconer_shared.wallet.formats import Form, render
from tests.offline.test_cli import confirmations, founded, home, plain, request_file, signer
from tests.support import codes, ways
from tests.support.treasury import key_expression, wsh_wallet

__all__ = ["founded", "home", "request_file", "signer"]

WALLET = wsh_wallet()
TEXT = render(WALLET, Form.DESCRIPTOR, "x")


@pytest.mark.parametrize(
    ("data", "kind", "spelling", "type_name"),
    [
        (TEXT, Kind.DESCRIPTOR, Spelling.UR, "crypto-output"),
        (TEXT, Kind.DESCRIPTOR, Spelling.UR, "output-descriptor"),
        (TEXT, Kind.DESCRIPTOR, Spelling.ADDWALLET, None),
        (render(WALLET, Form.MULTISIG_TEXT, "\u202evault"), Kind.WALLET, Spelling.UR, "bytes"),
        (render(WALLET, Form.JSON_DESC, "vault"), Kind.JSON, Spelling.BBQR, None),
    ],
)
def test_a_wallet_of_every_form_is_shown_before_it_is_registered(
    signer, tmp_path, data, kind, spelling, type_name
):
    pictures = ways.drawn(tmp_path / "codes", data, kind, spelling, 36, type_name, "Ours")
    answers = [
        ("Who holds key 1 of", ""), ("Who holds key 2 of", "south"), ("Who holds key 3 of", "bank"),
        ("Last 4 characters of the wallet id: ", ""),
    ]  # fmt: skip
    done = signer.run(
        "wallet", "register", "vault", "--scan", *pictures, answers=answers, expect=8, json_output=True
    )
    assert done.refusals == ["person-declined"]
    assert WALLET.wallet_id in done.shown.replace("\n", "")
    assert "\u202e" not in done.shown


@pytest.mark.parametrize("form", [Form.MULTISIG_TEXT, Form.JSON_DESC])
def test_files_of_others_are_wallets_too(signer, tmp_path, form):
    (tmp_path / "wallet.file").write_bytes(render(WALLET, form, "vault"))
    answers = [
        ("Who holds key 1 of", ""), ("Who holds key 2 of", "south"), ("Who holds key 3 of", "bank"),
        ("Last 4 characters of the wallet id: ", WALLET.wallet_id[-4:]),
    ]  # fmt: skip
    done = signer.run(
        "wallet", "register", "vault", tmp_path / "wallet.file", answers=answers, json_output=True
    )
    assert done.json["wallet_id"] == WALLET.wallet_id


def test_what_is_no_wallet_and_what_is_a_seed(home, signer, tmp_path):
    words = ("wallet", "register", "vault")
    account = f"wpkh({key_expression(1)})\ntr({key_expression(1, '86h/1h/0h')})\n".encode()
    shown = ways.drawn(tmp_path / "account", account, Kind.ACCOUNT, Spelling.UR)
    assert signer.run(*words, "--scan", *shown, expect=2, json_output=True).refusals == ["account-form"]
    # the account's key makes the very wallet that is here already
    known = signer.run(*words, "--form", "wpkh", "--scan", *shown, expect=9, json_output=True)
    assert known.refusals == ["wallet-exists"]
    bare = ways.drawn(tmp_path / "bare", WALLET.canonical.encode(), Kind.TEXT, Spelling.TEXT, 36)
    missing = signer.run(*words, "--scan", *bare, expect=3, json_output=True)
    assert missing.refusals == ["descriptor-checksum-missing"]
    key = ways.drawn(tmp_path / "key", key_expression(1).encode(), Kind.KEY, Spelling.UR)
    assert signer.run(*words, "--scan", *key, expect=3, json_output=True).refusals == ["scan-other-kind"]
    seed = "legal winner thank year wave sausage worth useful legal winner thank yellow"
    secret = codes.write_code(tmp_path / "seed.png", seed)
    for command in (words, ("policy", "install"), ("inspect",)):
        done = signer.run(*command, "--scan", secret, *key, expect=3, json_output=True)
        assert done.refusals == ["secret-in-code"]
        assert "sausage" not in done.shown + done.stdout
    assert not any(b"sausage" in path.read_bytes() for path in home.home.rglob("*") if path.is_file())


def test_a_wallet_is_given_in_the_form_that_the_signer_reads(home, signer, tmp_path):
    for name in ("falconer", "sparrow", "coldcard", "specter"):
        out = tmp_path / name
        signer.run("wallet", "show", "treasury", "--for", name, "--qr-images", out)
        found = codes.received(path.read_bytes() for path in sorted(out.iterdir()))
        assert found is not None
        text = arrival.read_arrived(found.data, found.type).descriptor
        assert text == home.wallet.descriptor_text
    refusal = signer.run(
        "wallet", "show", "treasury", "--for", "jade", "--gif", tmp_path / "x.gif", expect=2, json_output=True
    )
    assert refusal.refusals == ["wallet-not-multisig-text"]
    again = signer.run(
        "wallet", "show", "treasury", "--qr-images", tmp_path / "sparrow", expect=9, json_output=True
    )
    assert again.refusals == ["file-exists"]
    assert plain("wallet", "show", "treasury", "--qr", home=signer.home).returncode == 2


def test_a_policy_is_given_with_its_signatures(home, signer, tmp_path):
    out = tmp_path / "policy"
    said = signer.run("policy", "show", "--qr-images", out, json_output=True).json
    _, data = ways.shown(out)
    assert bundle.split(data).text.decode() == said["text"]
    again = signer.run("policy", "install", "--scan", *out.iterdir(), json_output=True).json
    assert again["digest"] == said["digest"]


def test_the_machines_key_is_given(home, signer, tmp_path):
    signer.run("machine", "show", "--qr-images", tmp_path / "ur")
    assert ways.shown(tmp_path / "ur") == (Kind.TEXT, (home.home / "machine.pub").read_bytes())
    signer.run("machine", "show", "--dialect", "text", "--qr-images", tmp_path / "text")
    assert ways.shown(tmp_path / "text")[1].decode() == f"{home.machine.public.text()} north"


def test_receipts_are_given_again(home, signer, request_file, tmp_path):
    signer.run("sign", request_file, "--out", tmp_path / "answer.psbt", answers=confirmations(home))
    out, file = tmp_path / "receipts", tmp_path / "receipts.json"
    signer.run("receipt", "show", "--out", file, "--qr-images", out)
    assert ways.shown(out) == (Kind.JSON, file.read_bytes())
    (signed,) = receipts.read(file.read_bytes())
    assert verify_receipt(signed, home.machine.public).number == 1


def test_a_key_is_given_to_whom_it_is_for(signer, tmp_path):
    words = ("key", "xpub", "key-1", "--path", "84h/1h/0h")
    signer.run(*words, "--qr-images", tmp_path / "plain", "--html", tmp_path / "key.html")
    assert ways.shown(tmp_path / "plain") == (Kind.KEY, key_expression(1).encode())
    assert len(list((tmp_path / "plain").iterdir())) == 1
    assert b"<" in (tmp_path / "key.html").read_bytes()[:20]
    signer.run(*words, "--for", "sparrow", "--qr-images", tmp_path / "sparrow")
    found = codes.received(path.read_bytes() for path in sorted((tmp_path / "sparrow").iterdir()))
    assert found is not None
    assert (found.type, found.data.decode()) == ("crypto-hdkey", key_expression(1))
    refusal = signer.run(*words, "--for", "jade", "--gif", tmp_path / "x.gif", expect=2, json_output=True)
    assert refusal.refusals == ["signer-cannot-take"]
    taken = signer.run(*words, "--html", tmp_path / "key.html", expect=9, json_output=True)
    assert taken.refusals == ["file-exists"]
