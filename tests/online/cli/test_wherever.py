"""Wallets, keys, policies, intents, approvals and receipts by codes and in the files of others, at the coordinator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from falconer_online.cli import root
from falconer_shared.policy.bundle import join, split
from falconer_shared.policy.signed import SignedPolicy
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.send import Spelling
from falconer_shared.wallet import multisig_text
from falconer_shared.wallet.formats import Form, render
from tests.online.office import Office
from tests.support import ways
from tests.support.node import RegtestNode
from tests.support.treasury import key_expression, wpkh_wallet, wsh_wallet

MULTISIG = "48h/1h/0h/2h"


def test_a_wallet_is_registered_in_every_form(office: Office, regtest_node: RegtestNode) -> None:
    office.init(regtest_node)
    wallet = wsh_wallet()
    text = render(wallet, Form.DESCRIPTOR, "x")
    lines, document = (render(wallet, form, "vault \u202e") for form in (Form.MULTISIG_TEXT, Form.JSON_DESC))
    shown = {
        "output": ways.drawn(
            office.folder / "output", text, Kind.DESCRIPTOR, Spelling.UR, type_name="crypto-output"
        ),
        "named": ways.drawn(
            office.folder / "named",
            text,
            Kind.DESCRIPTOR,
            Spelling.UR,
            type_name="output-descriptor",
            label="Ours",
        ),
        "lines": ways.drawn(office.folder / "lines", lines, Kind.WALLET, Spelling.UR, type_name="bytes"),
        "json": ways.drawn(office.folder / "json", document, Kind.JSON, Spelling.BBQR),
        "specter": ways.drawn(
            office.folder / "specter", text, Kind.DESCRIPTOR, Spelling.ADDWALLET, version=36, label="Ours"
        ),
    }
    for pictures in shown.values():
        done = office.run("wallet", "register", "vault", "--scan", *pictures)
        assert done.json["wallet_id"] == wallet.wallet_id
        assert "\u202e" not in done.stdout + done.stderr
    for data in (text, lines, document):
        found = office.run("wallet", "register", "vault", office.path("wallet.txt", data)).json
        assert found["wallet_id"] == wallet.wallet_id
    account = f"wpkh({key_expression(1)})\ntr({key_expression(1, '86h/1h/0h')})\n".encode()
    pictures = ways.drawn(office.folder / "account", account, Kind.ACCOUNT, Spelling.UR)
    assert office.run("wallet", "register", "single", "--scan", *pictures, expect=2).ids == ["account-form"]
    found = office.run("wallet", "register", "single", "--form", "wpkh", "--scan", *pictures).json
    assert found["wallet_id"] == wpkh_wallet().wallet_id
    out = office.folder / "coldcard.json"
    assert office.run("wallet", "show", "vault", "--for", "coldcard", "--out", out).json["file"] == str(out)
    assert json.loads(out.read_bytes())["desc"] == wallet.descriptor_text
    out = office.folder / "jade.txt"
    office.run("wallet", "show", "vault", "--for", "jade", "--out", out)
    assert multisig_text.read(out.read_bytes()).name == "vault"
    assert office.run("wallet", "show", "vault", "--for", "electrum", "--out", out, expect=2).ids == [
        "signer-cannot-take"
    ]
    assert office.run("wallet", "show", "single", "--for", "jade", "--out", out, expect=2).ids == [
        "wallet-not-multisig-text"
    ]


def test_what_is_no_wallet_is_refused_and_a_seed_is_not_kept(office: Office) -> None:
    office.init()
    wallet = wsh_wallet()
    words = ("wallet", "register", "vault", "--scan")
    bare = ways.drawn(office.folder / "bare", wallet.canonical.encode(), Kind.TEXT, Spelling.TEXT, version=36)
    assert office.run(*words, *bare, expect=3).ids == ["descriptor-checksum-missing"]
    key = ways.drawn(office.folder / "key", key_expression(1).encode(), Kind.KEY, Spelling.UR)
    assert office.run(*words, *key, expect=3).ids == ["scan-other-kind"]
    assert office.run("wallet", "register", "vault", expect=2).ids == ["usage"]
    assert office.run("wallet", "register", "vault", "a", "b", expect=2).ids == ["usage"]
    seed = "legal winner thank year wave sausage worth useful legal winner thank yellow"
    from tests.support import codes

    secret = codes.write_code(office.folder / "seed.png", seed)
    commands = (
        words,
        ("wallet", "compose", "--out", office.folder / "d.txt", "--scan"),
        ("policy", "install", "--scan"),
        ("receipt", "receive", "--scan"),
        ("proposals", "receive", "--scan"),
        ("proposals", "approve", "p1", "--scan"),
    )
    for command in commands:
        done = office.run(*command, secret, *key, expect=3)
        assert done.ids == ["secret-in-code"]
        assert "sausage" not in done.stdout + done.stderr
    kept = [path.read_bytes() for path in office.home.rglob("*") if path.is_file()]
    assert kept
    assert not any(b"sausage" in data for data in kept)


def test_a_descriptor_is_composed_of_keys_in_codes(office: Office) -> None:
    office.init()
    keys = [key_expression(seed, MULTISIG) for seed in (1, 2, 3, 4)]
    files = [office.path(f"{number}.key", key + "\n") for number, key in enumerate(keys)]
    expected = office.run(
        "wallet", "compose", "--threshold", 2, *files, "--out", office.folder / "a.txt"
    ).json
    account = f"wpkh({key_expression(2)})\nwsh(cosigner({keys[1]}))\n".encode()
    # one scan of a key as UR, an account, and a plain code; pictures of each in its own order
    pictures = [
        *ways.drawn(office.folder / "k1", keys[0].encode(), Kind.KEY, Spelling.UR, version=30),
        *ways.drawn(office.folder / "k2", account, Kind.ACCOUNT, Spelling.UR, version=30),
        *ways.drawn(office.folder / "k3", keys[2].encode(), Kind.KEY, Spelling.TEXT, version=30),
    ]
    words = ("wallet", "compose", "--threshold", 2, "--key-file", files[3], "--scan", *pictures)
    found = office.run(*words, "--out", office.folder / "b.txt").json
    assert found["descriptor"] == expected["descriptor"]
    # the account as a file, and a form that says which of its keys
    single = office.run(
        "wallet",
        "compose",
        "--form",
        "wpkh",
        office.path("account.txt", account),
        "--out",
        office.folder / "c.txt",
    ).json
    assert single["descriptor"] == wpkh_wallet(2).descriptor_text
    out = ("--out", office.folder / "d.txt")
    assert office.run("wallet", "compose", *out, expect=2).ids == ["usage"]
    assert office.run("wallet", "compose", *out, "--key-file", files[0], expect=2).ids == ["usage"]
    assert office.run(
        "wallet", "compose", "--form", "tr", *out, office.folder / "account.txt", expect=2
    ).ids == ["account-form"]


def test_a_policy_is_installed_from_codes(treasury: Callable[..., Office]) -> None:
    office = treasury()
    text, folder = office.folder / "policy2.txt", office.folder / "draft"
    source = office.path("policy.toml", office.policy_toml(2))
    office.run("policy", "compile", source, "--out", text, "--qr-images", folder)
    assert ways.shown(folder)[1] == text.read_bytes()
    signatures = [
        Path(office.run("policy", "sign", text, "--key", office.person(name).path).json["file"])
        for name in ("alice", "bob")
    ]
    draft = sorted(folder.iterdir())
    alone = office.run("policy", "install", "--scan", *draft, expect=3)
    assert alone.ids == ["policy-bundle-malformed"]
    named = [word for path in signatures for word in ("--signature", path)]
    assert office.run("policy", "install", text, expect=2).ids == ["usage"]
    assert office.run("policy", "install", *named, expect=2).ids == ["usage"]
    assert office.run("policy", "install", *named, "--scan", *draft).json["version"] == 2
    third = office.path("policy3.toml", office.policy_toml(3))
    office.run("policy", "compile", third, "--out", text)
    raw = tuple(office.person(name).sign(text.read_bytes(), "falconer-policy@1") for name in ("alice", "bob"))
    bundle = join(SignedPolicy(text.read_bytes(), raw))
    for spelling, new in ((Spelling.UR, True), (Spelling.BBQR, False)):
        pictures = ways.drawn(office.folder / spelling.value, bundle, Kind.BYTES, spelling, version=25)
        done = office.run("policy", "install", "--scan", *pictures).json
        assert (done["version"], done["new"]) == (3, new)
    office.run("policy", "show", "--gif", office.folder / "policy.gif")
    again = office.run("policy", "install", "--scan", office.folder / "policy.gif").json
    assert again["digest"] == done["digest"]
    assert split(bundle).text == text.read_bytes()


def test_an_intent_and_its_approvals_cross_by_code(
    treasury: Callable[..., Office], stranger: Callable[[], str]
) -> None:
    office = treasury(500_000)
    name = office.create((stranger(), 300_000)).json["proposal"]["id"]
    folder, out = office.folder / "intent", office.folder / "intent.txt"
    words = ("proposals", "request-approval", name, "--out", out)
    office.run(*words, "--qr-images", folder)
    assert ways.shown(folder) == (Kind.TEXT, out.read_bytes())
    # what a telephone reads: the text itself, in one code
    office.run(*words, "--dialect", "text", "--qr-images", office.folder / "plain")
    assert len(list((office.folder / "plain").iterdir())) == 1
    assert ways.shown(office.folder / "plain")[1] == out.read_bytes().strip()
    armoured = office.person("anna").sign(out.read_bytes(), "falconer-approval@1")
    pictures = ways.drawn(office.folder / "sig", armoured, Kind.TEXT, Spelling.TEXT, version=30)
    assert office.run("proposals", "approve", name, *pictures, expect=2).ids == ["usage"]
    done = office.run("proposals", "approve", name, "--scan", *pictures).json
    assert (done["approved_by"], done["proposal"]["state"]) == (["anna"], "approved")
    other = ways.drawn(office.folder / "other", b"no signature", Kind.TEXT, Spelling.TEXT)
    refusal = office.run("proposals", "approve", name, "--scan", *other, expect=3)
    assert refusal.json["verdict"] == "refused"


def test_lost_receipts_come_back_by_file_and_by_code(
    treasury: Callable[..., Office], stranger: Callable[[], str]
) -> None:
    office = treasury(500_000)
    name = office.create((stranger(), 10_000)).json["proposal"]["id"]
    office.request(name)
    office.run("proposals", "receive", office.answer(name, office.machines[0]))
    folder, out = office.folder / "receipts", office.folder / "receipts.json"
    office.run("receipt", "show", "machine-a", 1, "--out", out, "--qr-images", folder)
    assert ways.shown(folder) == (Kind.JSON, out.read_bytes())
    for words in ((out,), ("--scan", *folder.iterdir())):
        done = office.run("receipt", "receive", *words).json
        assert [(each["number"], each["new"]) for each in done["receipts"]] == [(1, False)]
    assert office.run("receipt", "receive", expect=2).ids == ["usage"]
    assert office.run("receipt", "receive", office.path("x.json", b"{}"), expect=3).ids == [
        "receipts-malformed"
    ]


def test_help_of_these_commands_is_a_page(office: Office, capsys: object) -> None:
    for words in (
        ("wallet", "register"),
        ("wallet", "compose"),
        ("wallet", "show"),
        ("policy", "install"),
        ("policy", "show"),
        ("receipt", "show"),
        ("receipt", "receive"),
        ("proposals", "psbt"),
        ("proposals", "approve"),
        ("proposals", "request-approval"),
    ):
        assert root.run([*words, "--help"]) == 0
        text = capsys.readouterr().out  # type: ignore[attr-defined]
        assert 8 < len(text.splitlines()) <= 60, words
