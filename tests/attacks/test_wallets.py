"""Wallet setup, descriptors and policies: A027 to A046."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from dataclasses import replace
from typing import Any

import wallycore
from embit.descriptor import Descriptor
from embit.ec import PublicKey
from embit.networks import NETWORKS

from falconer_offline.state import records
from falconer_online.wallets import compose
from falconer_shared.approval.quorum import QuorumRequirement
from falconer_shared.bitcoin.bip32 import ExtendedPublicKey
from falconer_shared.bitcoin.curve import check_pubkey
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.parse import parse_descriptor, with_checksum
from falconer_shared.policy.document import Policy
from falconer_shared.policy.parts import ApprovalTier
from falconer_shared.policy.signed import install
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.finalize import finalize
from falconer_shared.verify.signatures import verify_signatures
from falconer_shared.wallet.formats import read_descriptor_file
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet, quorums_without
from tests.attacks.mutations import (
    NON_WITNESS_UTXO,
    REDEEM_SCRIPT,
    WITNESS_SCRIPT,
    WITNESS_UTXO,
    bare,
    claimed_utxo,
    proven,
    raw,
    resealed,
    with_global,
    with_input,
    with_output,
    with_tx_output,
)
from tests.attacks.trial import Attacks, Trial
from tests.offline.office import NOW, Office
from tests.support.descriptors import TAIL, fingerprint, full_key, parse, xprv, xpub
from tests.support.policies import PolicyDraft, SshKey
from tests.support.policies import signed as signed_policy
from tests.support.programs import Signer
from tests.support.treasury import (
    FORMS,
    MULTI_PATH,
    Payment,
    descriptor_of,
    key_expression,
    root,
    signed,
    wallet_of,
    wpkh_wallet,
    wsh_descriptor,
    wsh_wallet,
)

attack = Attacks()


def test_attack(case, request):
    case.run(request)


def load(trial: Trial, name: str) -> Any:
    return json.loads((trial.vectors / "json" / name).read_text())


def signer_of(trial: Trial, office) -> Signer:
    identity = trial.folder / "identity"
    identity.write_text(f"{office.identity.value}\n")
    identity.chmod(0o600)
    return Signer(office.home, "north", identity=identity)


@attack("A027", "wallet-key-swapped", "wallet-without-our-key")
def cosigner_set_without_us(trial: Trial) -> None:
    """At the machine itself: its own key is derived again from its secret, not looked up by its fingerprint."""
    office = Office.make(trial.folder / "now", wpkh_wallet(), now=int(time.time()))
    signer = signer_of(trial, office)
    ours = key_expression(1, MULTI_PATH)
    theirs = key_expression(66, MULTI_PATH)
    disguised = theirs.replace(fingerprint(66), fingerprint(1))
    assert disguised[:10] == ours[:10]

    def register(name: str, *keys: str, expect: int = 4) -> list[str]:
        file = trial.folder / f"{name}.txt"
        file.write_text(with_checksum(f"wsh(sortedmulti(2,{','.join(key + TAIL for key in keys)}))"))
        return signer.run("wallet", "register", name, file, expect=expect, json_output=True).refusals

    others = (key_expression(2, MULTI_PATH), key_expression(3, MULTI_PATH))
    for name, keys, rule in (
        ("disguised", (disguised, *others), "wallet-key-swapped"),
        ("without", (theirs, *others), "wallet-without-our-key"),
        (
            "moved",
            (key_expression(1, "48h/1h/1h/2h").replace("48h/1h/1h/2h", MULTI_PATH), *others),
            "wallet-key-swapped",
        ),
    ):
        assert register(name, *keys) == [rule]
        trial.rules.add(rule)
    file = trial.folder / "right.txt"
    right = with_checksum(f"wsh(sortedmulti(2,{','.join(key + TAIL for key in (ours, *others))}))")
    file.write_text(right)
    wallet_id = RegisteredWallet.register("right", Network.REGTEST, right).wallet_id
    holders = [(f"Who holds key {number} of 3: ", who) for number, who in ((1, ""), (2, "bert"), (3, "carl"))]
    done = trial.passes(
        lambda: signer.run(
            "wallet", "register", "right", file,
            answers=[*holders, ("Last 4 characters of the wallet id: ", wallet_id[-4:])], json_output=True,
        )
    )  # fmt: skip
    # every key and the id stand on the screen, to be compared with the others'
    assert wallet_id in done.shown
    for seed in (1, 2, 3):
        assert xpub(seed, MULTI_PATH) in "".join(done.shown.split())


@attack("A028", "wallet-not-registered", "input-not-ours")
def definition_out_of_the_proposal(trial: Trial) -> None:
    """Global keys of another wallet teach nothing: ours stays ours, and coins of theirs are nobody's."""
    office = trial.office(multisig=True)
    data = office.request()
    before = trial.passes(lambda: office.judge(data))
    evil = wsh_wallet(1, (2, 66, 67), name="evil")
    taught = bare(data)
    for key in evil.keys:
        serialised = bytes(wallycore.base58check_to_bytes(key.xpub.text(Network.REGTEST)))
        path = b"".join(step.to_bytes(4, "little") for step in key.origin)
        taught = with_global(taught, b"\x01" + serialised, key.fingerprint + path)
    psbt = UntrustedPsbt.parse(taught)
    assert len(psbt.xpubs) >= 3
    after = trial.passes(lambda: office.judge(resealed(data, psbt)))
    assert after.verified.inputs == before.verified.inputs
    assert after.verified.outputs == before.verified.outputs
    theirs = Payment(evil, change=[]).psbt()
    trial.refused("input-not-ours", lambda: office.judge(resealed(data, theirs)))
    named = resealed(data, psbt, request=lambda each: replace(each, wallet_id=evil.wallet_id))
    trial.refused("wallet-not-registered", lambda: office.judge(named))


@attack("A029", "input-witness-script-mismatch", "input-redeem-script-mismatch", "input-not-ours")
def another_threshold_or_order(trial: Trial) -> None:
    for form, key in (("wsh", WITNESS_SCRIPT), ("sh-wsh", WITNESS_SCRIPT), ("sh", REDEEM_SCRIPT)):
        wallet = wallet_of(form)
        data = raw(Payment(wallet))
        trial.passes(lambda d=data, w=wallet: proven(d, w))
        scripts = wallet.scripts(0, 3)
        right = scripts.witness_script or scripts.redeem_script
        assert right is not None
        rule = "input-witness-script-mismatch" if key == WITNESS_SCRIPT else "input-redeem-script-mismatch"
        unsorted = right[:1] + right[35:69] + right[1:35] + right[69:]
        for wrong in (
            b"\x51" + right[1:],
            b"\x53" + right[1:],
            right[:-2] + b"\x52\xae",
            unsorted,
            right[:-1] + b"\xaf",
        ):
            lied = with_input(data, 0, key, wrong)
            trial.refused(rule, lambda lied=lied, w=wallet: proven(lied, w))
        # and coins of a wallet that has the threshold or the order that is claimed
        for other in (
            wallet_of(form, 1),
            wallet_of(form, 3),
            wallet_of(form, script="multi", seeds=(3, 2, 1)),
        ):
            theirs = Payment(other, coins=[(OwnPlace(0, 3), 110_000)], change=[])
            assert other.wallet_id != wallet.wallet_id
            trial.refused("input-not-ours", lambda theirs=theirs, w=wallet: proven(theirs, w))


@attack("A029", "store-wallet-differs", "state-tampered")
def registered_wallet_edited_where_it_is_kept(trial: Trial) -> None:
    office = trial.office(multisig=True)
    desk = trial.desk(multisig=True)
    weaker = wsh_wallet(1)
    trial.passes(lambda: records.wallet(office.state(), "vault"))
    trial.passes(lambda: desk.create(20_000))
    for path in (office.home / "state.sqlite", desk.home.database):
        with sqlite3.connect(path) as database:
            text = weaker.canonical if path.name == "state.sqlite" else weaker.descriptor_text
            assert database.execute("UPDATE wallets SET descriptor = ?", (text,)).rowcount == 1
        database.close()
    trial.refused("state-tampered", lambda: records.wallet(office.state(), "vault"))
    trial.refused("store-wallet-differs", lambda: desk.create(20_000))


@attack("A030", "policy-version-rollback", "policy-version-fork", "policy-first-version")
def older_or_other_policy(trial: Trial) -> None:
    """Version 1 after version 2, another text under one version, and a first version that is none; validly signed all."""
    office = trial.office()
    strict = office.draft
    wallet = {"network": Network.REGTEST, "wallet_id": strict.wallet_id}
    admins = ("admin-a", "admin-b")
    drafts = {number: replace(strict, version=number) for number in (1, 2, 3)}
    texts = {number: signed_policy(draft.text(), *admins) for number, draft in drafts.items()}
    first = trial.passes(lambda: install(texts[1], strict.pinned(), **wallet))
    second = trial.passes(lambda: install(texts[2], first, **wallet))
    trial.passes(lambda: install(texts[3], second, **wallet))
    trial.refused("policy-version-rollback", lambda: install(texts[1], second, **wallet))
    looser = replace(drafts[2], rules={"max_daily_spend_sats": 10**9})
    fork = signed_policy(looser.text(), *admins)
    trial.refused("policy-version-fork", lambda: install(fork, second, **wallet))
    trial.refused("policy-first-version", lambda: install(texts[2], strict.pinned(), **wallet))
    # where it is kept: the machine does not forget the second by having its row removed
    office.install(drafts[2], NOW)
    assert records.policy(office.state(), office.wallet).policy.version == 2


@attack("A030", "state-tampered", "request-other-policy")
def second_policy_cut_out_of_the_state(trial: Trial) -> None:
    office = trial.office()
    request = office.request()
    trial.passes(lambda: office.judge(request))
    office.install(replace(office.draft, version=2), NOW)
    # a request that was judged under the first is not judged under it again
    trial.refused("request-other-policy", lambda: office.judge(request))
    with sqlite3.connect(office.home / "state.sqlite") as database:
        assert database.execute("DELETE FROM policies WHERE version = 2").rowcount == 1
    database.close()
    trial.refused("state-tampered", lambda: office.judge(request))


@attack("A031", "descriptor-key-duplicate")
def one_key_twice(trial: Trial) -> None:
    """The same text, the same key under other origins, a key and what derives from it."""
    first, second = full_key(1), full_key(2)
    trial.passes(lambda: parse(f"wsh(multi(2,{first},{second}))"))
    renamed = first.replace(fingerprint(1), fingerprint(2))
    elsewhere = first.replace(MULTI_PATH, "48h/1h/7h/2h")
    account = key_expression(1, MULTI_PATH)
    branch = f"[{fingerprint(1)}/{MULTI_PATH}/0]{xpub(1, MULTI_PATH + '/0')}{TAIL}"
    leaf = f"[{fingerprint(1)}/{MULTI_PATH}/1/5]{xpub(1, MULTI_PATH + '/1/5')}{TAIL}"
    deep = f"[{fingerprint(1)}/{MULTI_PATH}/7/9]{xpub(1, MULTI_PATH + '/7/9')}{TAIL}"
    hidden = branch.replace(fingerprint(1), "deadbeef")
    assert account in first
    for other in (first, renamed, elsewhere, branch, leaf, deep, hidden):
        for body in (
            f"wsh(multi(2,{first},{other}))",
            f"wsh(sortedmulti(2,{other},{second},{first}))",
            f"sh(multi(1,{first},{other}))",
            f"sh(wsh(sortedmulti(2,{first},{other})))",
        ):
            trial.refused("descriptor-key-duplicate", lambda body=body: parse(body))


@attack("A031", "policy-key-twice", "quorum-key-repeated", "policy-machine-key-of-person")
def one_approver_twice(trial: Trial) -> None:
    """The same trick on people: one SSH key under two names."""

    trial.passes(lambda: PolicyDraft().policy())
    anna = PolicyDraft().approvers[0]
    twice = (*PolicyDraft().approvers, replace(anna, name="zoe"))
    trial.refused("policy-key-twice", lambda: PolicyDraft(approvers=twice).policy())
    double = (*PolicyDraft().signers, replace(PolicyDraft().signers[0], name="zoe"))
    trial.refused("policy-key-twice", lambda: PolicyDraft(signers=double).policy())
    machine = (*PolicyDraft().approvers, replace(PolicyDraft().signers[0], name="zoe"))
    trial.refused("policy-machine-key-of-person", lambda: PolicyDraft(approvers=machine).policy())
    trial.refused("quorum-key-repeated", lambda: QuorumRequirement(2, {"anna": anna.key, "zoe": anna.key}))


NOT_READ = {"descriptor-form-unsupported", "descriptor-syntax", "descriptor-key-raw", "descriptor-key-origin-missing",
            "descriptor-threshold", "private-key-in-public-data", "descriptor-too-deep", "descriptor-character"}  # fmt: skip


@attack("A032", "descriptor-form-unsupported")
def conditions_without_a_signature(trial: Trial) -> None:
    """All 97 expressions of Bitcoin Core's tests, sane or not: none is a wallet here, whatever it would mean elsewhere."""
    trial.passes(lambda: parse(f"wsh(multi(1,{full_key(1)}))"))
    tests = load(trial, "core_miniscript_tests.json")
    assert len(tests) == 97
    for test in tests:
        for body in (f"wsh({test['ms']})", f"sh(wsh({test['ms']}))", f"tr({full_key(1)},{test['ms']})"):
            trial.refused_as({"descriptor-form-unsupported"}, lambda body=body: parse(body))
    ours = full_key(1)
    for body in (
        "wsh(older(100))",
        f"wsh(or_b(pk({ours}),s:pk({full_key(2)})))",
        f"wsh(and_v(v:after(500000001),and_v(v:after(100),pk({ours}))))",
        f"wsh(andor(pk({ours}),older(100),after(600000000)))",
        f"wsh(and_v(v:pk({ours}),1))",
    ):
        trial.refused("descriptor-form-unsupported", lambda body=body: parse(body))


@attack("A033", "descriptor-form-unsupported", "private-key-in-public-data")
def conditions_that_are_misread(trial: Trial) -> None:
    """Only templates are read, so that nothing is; the unparsable ones of Bitcoin Core with them."""
    trial.passes(lambda: parse(f"wsh(sortedmulti(1,{full_key(1)}))"))
    for body in ("wsh(ttvtvtvtvtvtvtv:after(2))", "wsh(tv:tv:after(2))", f"wsh(c:multi(1,{full_key(1)}))"):
        trial.refused_as({"descriptor-form-unsupported"}, lambda body=body: parse(body))
    last = [
        each["args"] for each in load(trial, "core_descriptor_tests.json") if each["fn"] == "CheckUnparsable"
    ][-4:]
    assert len(last) == 4
    for arguments in last:
        for text in arguments[:2]:
            trial.refused_as(
                {"descriptor-form-unsupported", "private-key-in-public-data"},
                lambda text=text: parse(text.partition("#")[0]),
            )


@attack(
    "A034",
    "descriptor-not-canonical",
    prevented="text and script are made by one tree, which embit derives alike; read, written and read again it is itself",
)
def shown_and_compiled(trial: Trial) -> None:
    corpus = [descriptor_of(form, script=script) for form in FORMS for script in ("multi", "sortedmulti")]
    corpus += [
        wsh_descriptor(k, tuple(range(1, n + 1))) for k, n in ((1, 1), (2, 2), (1, 5), (7, 12), (20, 20))
    ]
    for text in corpus:
        node = trial.passes(lambda text=text: parse_descriptor(text, Network.REGTEST))
        again = parse_descriptor(with_checksum(node.text()), Network.REGTEST)
        assert again == node
        assert again.text() == node.text()
        wallet = RegisteredWallet.register("w", Network.REGTEST, text)
        theirs = Descriptor.from_string(wallet.canonical)
        for branch, index in ((0, 0), (1, 3), (0, 2**31 - 1)):
            script = theirs.derive(index, branch_index=branch).script_pubkey().data
            assert wallet.scripts(branch, index).script_pubkey == script
        # the stored form has one spelling: a hardened marker in another one is not it
        other = wallet.canonical.replace("h/", "'/", 1)
        if other == wallet.canonical:
            continue
        trial.refused(
            "descriptor-not-canonical", lambda o=other: RegisteredWallet.restore("w", Network.REGTEST, o, 20)
        )
        trial.passes(lambda w=wallet: RegisteredWallet.restore("w", Network.REGTEST, w.canonical, 20))


POLICY_REFUSALS = ("policy-malformed",)


@attack(
    "A034",
    *POLICY_REFUSALS,
    prevented="the policy that is shown is the text that is judged by: written anew from what was read, it is the same bytes",
)
def policy_shown_and_judged(trial: Trial) -> None:
    text = PolicyDraft().text()
    read = trial.passes(lambda: Policy.parse(text))
    assert read.text == text
    assert Policy.parse(read.text) == read
    lines = text.split(b"\n")
    for position in range(len(lines) - 1):
        for changed in (
            [*lines[:position], lines[position] + b" ", *lines[position + 1 :]],
            [*lines[:position], lines[position].replace(b" ", b"  ", 1), *lines[position + 1 :]],
            [*lines[:position], lines[position].upper(), *lines[position + 1 :]],
        ):
            other = b"\n".join(changed)
            if other != text:
                trial.refused_as(POLICY_REFUSALS, lambda other=other: Policy.parse(other))
    trial.refused("policy-malformed", lambda: Policy.parse(text + b"\n"))


@attack(
    "A035",
    "descriptor-checksum-missing",
    "descriptor-checksum-form",
    "descriptor-checksum-mismatch",
    "descriptor-character",
)
def checksum_of_a_descriptor(trial: Trial) -> None:
    right = descriptor_of("wsh")
    body, _, checksum = right.partition("#")
    read = trial.passes(lambda: parse_descriptor(right, Network.REGTEST))
    assert read
    for text, rule in (
        (body, "descriptor-checksum-missing"),
        (f"{body}#", "descriptor-checksum-form"),
        (f"{body}#{checksum}#{checksum}", "descriptor-checksum-form"),
        (f"{body}##{checksum}", "descriptor-checksum-form"),
        (f"{body}#{checksum}q", "descriptor-checksum-form"),
        (f"{body}#{checksum[:7]}", "descriptor-checksum-form"),
        (f"{body}#{checksum.upper()}", "descriptor-checksum-form"),
        (f"{body}#bbbbbbbb", "descriptor-checksum-form"),
        (f"{body}#aaaaaaaa", "descriptor-checksum-mismatch"),
        (f"{body}#{checksum[::-1]}", "descriptor-checksum-mismatch"),
        (right.replace("wsh", "w\u0455h"), "descriptor-character"),
    ):
        trial.refused(rule, lambda text=text: parse_descriptor(text, Network.REGTEST))
    for position in range(0, len(body), 7):
        other = "3" if body[position] != "3" else "4"
        mistyped = body[:position] + other + body[position + 1 :] + "#" + checksum
        trial.refused("descriptor-checksum-mismatch", lambda m=mistyped: parse_descriptor(m, Network.REGTEST))
    invalid = [
        each["value"] for each in load(trial, "bip380_descriptors.json") if each["kind"] == "checksum_invalid"
    ]
    assert len(invalid) == 6
    for text in invalid:
        trial.refused_as(
            {
                "descriptor-checksum-form",
                "descriptor-checksum-mismatch",
                "descriptor-checksum-missing",
                "descriptor-character",
            },
            lambda text=text: parse_descriptor(text, Network.REGTEST),
        )


@attack("A036", "descriptor-redeem-script-too-large", "descriptor-too-many-keys")
def scripts_too_large_to_spend(trial: Trial) -> None:
    """15 keys in sh and 20 in wsh are taken, and spent from for a trial; one more is refused."""
    for form, keys in (("sh", 15), ("sh-wsh", 20), ("wsh", 20)):
        wallet = trial.passes(lambda f=form, k=keys: wallet_of(f, k, tuple(range(1, k + 1))))
        psbt = Payment(wallet, coins=[(OwnPlace(0, 3), 110_000)]).psbt()
        verified = proven(psbt.raw, wallet)
        done = signed(psbt, verified, range(1, keys + 1))
        finalize(verify_signatures(verified, done))
    for keys in (16, 17, 20):
        trial.refused(
            "descriptor-redeem-script-too-large", lambda k=keys: wallet_of("sh", 1, tuple(range(1, k + 1)))
        )
    for form in ("wsh", "sh-wsh", "sh"):
        for keys in (21, 22, 60):
            trial.refused(
                "descriptor-too-many-keys", lambda f=form, k=keys: wallet_of(f, 1, tuple(range(1, k + 1)))
            )


@attack(
    "A037", "descriptor-threshold", "descriptor-character", "descriptor-form-unsupported", "wallet-threshold"
)
def threshold_of_none_or_of_too_many(trial: Trial) -> None:
    keys = ",".join(full_key(seed) for seed in (1, 2))
    for form in ("wsh(multi({},{}))", "wsh(sortedmulti({},{}))", "sh(multi({},{}))", "sh(wsh(multi({},{})))"):
        for threshold in ("1", "2"):
            trial.passes(lambda f=form, t=threshold: parse(f.format(t, keys)))
        for threshold in (
            "0",
            "3",
            "-1",
            "01",
            "+1",
            "1e0",
            "2.0",
            "",
            "0x1",
            "1_0",
            "99999999999999999999",
            "a",
        ):
            trial.refused("descriptor-threshold", lambda f=form, t=threshold: parse(f.format(t, keys)))
    right = descriptor_of("wsh", 2, (1, 2))
    trial.refused(
        "descriptor-character", lambda: parse_descriptor(right.replace("(2,", "(\u0662,"), Network.REGTEST)
    )
    for threshold in ("0", "1", "3"):
        body = f"tr({full_key(3)},multi_a({threshold},{keys}))"
        trial.refused("descriptor-form-unsupported", lambda body=body: parse(body))
    accounts = [key_expression(seed, MULTI_PATH) for seed in (1, 2)]
    for k in (1, 2):
        trial.passes(lambda k=k: compose(accounts, k, Network.REGTEST, "wsh"))
    for k in (0, -1, 3, None):
        trial.refused("wallet-threshold", lambda k=k: compose(accounts, k, Network.REGTEST, "wsh"))


@attack("A037", "quorum-impossible", "policy-quorum-impossible")
def quorum_of_nobody(trial: Trial) -> None:
    """The same on people."""

    members = {name: SshKey.of(name).public for name in ("anna", "bert")}
    for k in (1, 2):
        trial.passes(lambda k=k: QuorumRequirement(k, members))
    for k in (0, -1, 3):
        trial.refused("quorum-impossible", lambda k=k: QuorumRequirement(k, members))
        trial.refused(
            "policy-quorum-impossible", lambda k=k: PolicyDraft(tiers=(ApprovalTier(0, k, "desk"),)).policy()
        )
    trial.refused("policy-quorum-impossible", lambda: PolicyDraft(admin_quorum=4).policy())


@attack(
    "A038",
    "pubkey-uncompressed",
    "descriptor-key-raw",
    "psbt-key-size",
    "private-key-in-public-data",
    "descriptor-form-unsupported",
    "descriptor-syntax",
)
def uncompressed_keys(trial: Trial) -> None:
    key = root(1).derive("m/84h/1h/0h/0/0").key.get_public_key()
    compressed = key.sec()
    loose = PublicKey.parse(compressed)
    loose.compressed = False
    whole = loose.sec()
    assert len(whole) == 65
    trial.passes(lambda: check_pubkey(compressed))
    trial.refused("pubkey-uncompressed", lambda: check_pubkey(whole))
    trial.refused("pubkey-uncompressed", lambda: check_pubkey(b"\x06" + whole[1:]))
    trial.passes(lambda: parse(f"wpkh({key_expression(1)}/<0;1>/*)"))
    for hexes in (whole.hex(), compressed.hex()):
        origin = f"[{fingerprint(1)}/84h/1h/0h]"
        trial.refused("descriptor-key-raw", lambda h=hexes, o=origin: parse(f"wpkh({o}{h})"))
        trial.refused("descriptor-key-raw", lambda h=hexes: parse(f"wpkh({h})"))
    data = raw(Payment(wallet_of("wpkh")))
    value = fingerprint(1).encode()[:4]
    trial.passes(lambda: UntrustedPsbt.parse(with_input(data, 0, b"\x06" + compressed, value)))
    trial.refused("psbt-key-size", lambda: UntrustedPsbt.parse(with_input(data, 0, b"\x06" + whole, value)))
    tried = 0
    for name in ("bip382_descriptors.json", "bip386_descriptors.json"):
        for case in load(trial, name):
            if case["kind"] != "valid":
                trial.refused_as(
                    {
                        "descriptor-key-raw",
                        "private-key-in-public-data",
                        "descriptor-form-unsupported",
                        "descriptor-syntax",
                    },
                    lambda case=case: parse(case["value"].partition("#")[0]),
                )
                tried += 1
    assert tried >= 10


AT_A_KEY = (
    "private-key-in-public-data",
    "descriptor-key-origin-form",
    "descriptor-multipath",
    "descriptor-single-path",
    "derivation-path-malformed",
    "base58-checksum",
)


@attack("A039", *AT_A_KEY, "derivation-hardened")
def private_keys_and_hardened_steps(trial: Trial) -> None:
    """Refused before the checksum is looked at, and nothing of the key is ever repeated."""
    origin = f"[{fingerprint(1)}/84h/1h/0h]"
    trial.passes(lambda: parse(f"wpkh({key_expression(1)}/<0;1>/*)"))
    node = root(1).derive("m/84h/1h/0h")
    secrets = [
        node.to_base58(),
        xprv(1),
        *(root(1).to_base58(NETWORKS["main"][name]) for name in ("xprv", "yprv", "zprv", "Yprv", "Zprv")),
        *(root(1).to_base58(NETWORKS["test"][name]) for name in ("xprv", "yprv", "zprv", "Yprv", "Zprv")),
        node.key.wif(NETWORKS["regtest"]),
        node.key.wif(NETWORKS["main"]),
    ]
    for secret in secrets:
        for body in (
            f"wpkh({origin}{secret}/<0;1>/*)",
            f"wpkh({secret})",
            f"wsh(multi(1,{full_key(2)},{secret}))",
            f"tr({secret})",
        ):
            # with a checksum that fits, with another one, and without any
            for text in (with_checksum(body), f"{body}#aaaaaaaa", body):
                refusal = trial.refused(
                    "private-key-in-public-data", lambda text=text: parse_descriptor(text, Network.REGTEST)
                )
                said = json.dumps(refusal.as_json()) + refusal.message
                assert not any(secret[at : at + 8] in said for at in range(len(secret) - 8))
        trial.refused(
            "private-key-in-public-data",
            lambda s=secret: ExtendedPublicKey.parse(s, Network.REGTEST, "key 1"),
        )
    # in the bytes of a PSBT
    data = raw(Payment(wallet_of("wpkh")))
    right = bytes(wallycore.base58check_to_bytes(node.to_public().to_base58()))
    wrong = bytes(wallycore.base58check_to_bytes(node.to_base58()))
    value = bytes.fromhex(fingerprint(1)) + b"".join(
        step.to_bytes(4, "little") for step in (0x80000054, 0x80000001, 0x80000000)
    )
    trial.passes(lambda: UntrustedPsbt.parse(with_global(data, b"\x01" + right, value)))
    trial.refused(
        "private-key-in-public-data", lambda: UntrustedPsbt.parse(with_global(data, b"\x01" + wrong, value))
    )
    # what cannot be derived in public
    account = key_expression(1)
    for tail in ("/0h/<0;1>/*", "/<0;1>/*h", "/<0h;1h>/*", "/<0;1>h/*", "/*h"):
        trial.refused_as(
            {"descriptor-multipath", "descriptor-single-path"},
            lambda tail=tail: parse(f"wpkh({account}{tail})"),
        )
    trial.refused("derivation-hardened", lambda: wallet_of("wpkh").keys[0].xpub.derive(0x80000000))
    faults = [each["value"] for each in load(trial, "bip380_descriptors.json") if each["kind"] == "invalid"]
    assert len(faults) > 15
    for text in faults:
        trial.refused_as(AT_A_KEY, lambda text=text: parse(f"wpkh({text})"))


@attack("A040", "descriptor-multipath", "descriptor-single-path")
def branches_that_differ(trial: Trial) -> None:
    first, second = key_expression(1, MULTI_PATH), key_expression(2, MULTI_PATH)
    trial.passes(lambda: parse(f"wsh(multi(2,{first}{TAIL},{second}{TAIL}))"))
    for tail in (
        "/<1;0>/*", "/<0;1;2>/*", "/<2;3>/*", "/<0;0>/*", "/<0>/*", "/<0;1>", "/<0;1>/0/*", "/0/<0;1>/*", "/<0;1>/<0;1>/*",
        "/<0;1>/*/*", "/<00;1>/*", "/<0;+1>/*", "/<0;>/*", "/<;>/*", "/<0,1>/*", "/<0;1/*", "/0;1>/*", "/<0;2147483648>/*",
    ):  # fmt: skip
        trial.refused(
            "descriptor-multipath", lambda t=tail: parse(f"wsh(multi(2,{first}{TAIL},{second}{t}))")
        )
        if "," not in tail:
            trial.refused("descriptor-multipath", lambda t=tail: parse(f"tr({first}{t})"))
    for tail in ("/0/*", "/1/*", "/*"):
        trial.refused(
            "descriptor-single-path", lambda t=tail: parse(f"wsh(multi(2,{first}{TAIL},{second}{t}))")
        )
    invalid = [each["value"] for each in load(trial, "bip389_descriptors.json") if each["kind"] == "invalid"]
    tails = [
        tail
        for text in invalid
        for tail in re.findall(r"[xt](?:pub|prv)[1-9A-HJ-NP-Za-km-z]+(/[^,)}]*)", text)
        if "<" in tail or ">" in tail
    ]
    assert len(tails) >= 8
    for tail in tails:
        trial.refused("descriptor-multipath", lambda t=tail: parse(f"wpkh({key_expression(1)}{t})"))


@attack(
    "A041", "descriptor-too-deep", "descriptor-too-long", "descriptor-form-unsupported", "descriptor-syntax"
)
def nested_until_it_falls(trial: Trial) -> None:
    """No text of any depth or length ends in a `RecursionError`, and none is read slowly."""
    ours = full_key(1)
    trial.passes(lambda: parse(f"sh(wsh(multi(1,{ours})))"))
    every = {"descriptor-too-deep", "descriptor-too-long", "descriptor-form-unsupported", "descriptor-syntax"}
    for body in (
        f"wsh({'c:' * 3_000}pk({ours}))",
        f"wsh({'c' * 3_000}:pk({ours}))",
        f"wsh({'and_v(v:1,' * 500}pk({ours}){')' * 500})",
        f"{'sh(' * 500}pkh({ours}){')' * 500}",
        f"{'wsh(' * 5_000}",
        f"{'(' * 16_000}",
        f"tr({ours},{'{' * 400}pk({ours}){'}' * 400})",
        f"wsh({',' * 16_000})",
        f"wsh(multi(1,{','.join([ours] * 400)}))",
        ")" * 10_000,
        "wsh" * 5_000,
    ):
        trial.refused_as(every, lambda body=body: parse(body))
    trial.refused("descriptor-form-unsupported", lambda: parse("wsh(" + "and_v(" * 31 + ")" * 32))
    trial.refused("descriptor-too-deep", lambda: parse("wsh(" + "and_v(" * 32 + ")" * 33))


@attack("A042", "xpub-slip132", "xpub-other-network", "xpub-version-unknown")
def version_bytes_of_a_key(trial: Trial) -> None:
    origin = f"[{fingerprint(1)}/84h/1h/0h]"
    shapes = ("wpkh({}/<0;1>/*)", "wsh(multi(1,{}/<0;1>/*))", "tr({}/<0;1>/*)", "sh(wpkh({}/<0;1>/*))")
    for shape in shapes:
        trial.passes(lambda s=shape: parse(s.format(origin + xpub(1, "84h/1h/0h"))))
        for network in ("main", "test"):
            for version in ("ypub", "zpub", "Ypub", "Zpub"):
                key = xpub(1, "84h/1h/0h", version=version, network=network)
                trial.refused("xpub-slip132", lambda s=shape, k=key: parse(s.format(origin + k)))
        main = xpub(1, "84h/1h/0h", network="main")
        trial.refused("xpub-other-network", lambda s=shape, k=main: parse(s.format(origin + k)))
        test = xpub(1, "84h/1h/0h")
        trial.refused(
            "xpub-other-network", lambda s=shape, k=test: parse(s.format(origin + k), Network.MAINNET)
        )
    other = wallycore.base58check_from_bytes(
        b"\x04\x88\xb2\x1f" + bytes(wallycore.base58check_to_bytes(xpub(1)))[4:]
    )
    trial.refused("xpub-version-unknown", lambda: parse(f"wpkh({origin}{other}/<0;1>/*)"))


@attack(
    "A043",
    "private-key-in-public-data",
    "xpub-malformed",
    "pubkey-malformed",
    "pubkey-not-on-curve",
    "base58-checksum",
)
def extended_keys_that_are_none(trial: Trial) -> None:
    vector = load(trial, "bip32.json")[4]
    keys = [each["key"] for each in vector["invalid"]]
    assert len(keys) >= 14
    valid = [chain["xpub"] for each in load(trial, "bip32.json")[:4] for chain in each["chains"]]
    for text in valid:
        trial.passes(lambda text=text: ExtendedPublicKey.parse(text, Network.MAINNET, "key 1"))
    for text in keys:
        trial.refused_as(
            {
                "private-key-in-public-data",
                "xpub-malformed",
                "pubkey-malformed",
                "pubkey-not-on-curve",
                "base58-checksum",
            },
            lambda text=text: ExtendedPublicKey.parse(text, Network.MAINNET, "key 1"),
        )


@attack("A044", "descriptor-file-malformed", "descriptor-checksum-missing")
def file_of_another_session(trial: Trial) -> None:
    """BIP 129's rounds are not spoken: its files are no descriptors, whole or with any line changed; the descriptor alone is."""
    descriptor = wsh_descriptor()
    trial.passes(lambda: parse_descriptor(read_descriptor_file(descriptor.encode() + b"\n"), Network.REGTEST))
    address = RegisteredWallet.register("w", Network.REGTEST, descriptor).address(0, 0)
    lines = ["BSMS 1.0", descriptor, "/0/*,/1/*", address]
    files = ["\n".join(lines)]
    for number in range(4):
        files += [
            "\n".join(lines[:number] + lines[number + 1 :]),
            "\n".join([*lines[:number], "No path restrictions", *lines[number + 1 :]]),
        ]
    for block in load(trial, "bip129_text.json")["pre"]:
        files.append(block)
    for text in files:
        for ending in ("", "\n", "\r\n"):
            trial.refused_as(
                # BIP 129's encrypted files are one line of hexadecimal digits
                {"descriptor-file-malformed" if "\n" in text else "descriptor-checksum-missing"},
                lambda t=text + ending: parse_descriptor(read_descriptor_file(t.encode()), Network.REGTEST),
            )


NUMS = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0"


@attack("A045", "descriptor-form-unsupported", "descriptor-key-raw", "wallet-without-our-key")
def internal_key_with_an_owner(trial: Trial) -> None:
    """Every key counts as one that can spend; there are no scripts beside it for which it would have to be dead."""
    trial.passes(lambda: parse(f"tr({full_key(1)})"))
    for internal in (full_key(66), NUMS, f"[{fingerprint(1)}/86h/1h/0h]{NUMS}"):
        trial.refused("descriptor-form-unsupported", lambda i=internal: parse(f"tr({i},pk({full_key(1)}))"))
        trial.refused(
            "descriptor-form-unsupported", lambda i=internal: parse(f"tr({i},multi_a(1,{full_key(1)}))")
        )
    trial.refused("descriptor-key-raw", lambda: parse(f"tr({NUMS})"))
    office = trial.office()
    file = trial.folder / "evil.txt"
    file.write_text(with_checksum(f"tr({full_key(66, '86h/1h/0h')})"))
    done = signer_of(trial, office).run("wallet", "register", "evil", file, expect=4, json_output=True)
    assert done.refusals == ["wallet-without-our-key"]
    trial.rules.add("wallet-without-our-key")
    assert quorums_without(wallet_of("tr"), ()) == ((0,),)


@attack(
    "A046",
    "input-taproot-script-path",
    "output-taproot-fields-mismatch",
    "input-internal-key-mismatch",
    "input-not-ours",
    "change-not-derived",
)
def leaf_that_nobody_was_shown(trial: Trial) -> None:
    """A tree with pk(evil) beside our key: in fields beside our own scripts, and in scripts that commit to it."""
    wallet = wallet_of("tr")
    data = raw(Payment(wallet))
    trial.passes(lambda: proven(data, wallet))
    leaf = b"\x20" + root(66).derive("m/86h/1h/0h/0/0").key.get_public_key().xonly() + b"\xac"
    internal = wallet.scripts(1, 2).internal_key
    assert internal is not None
    tree = b"\x00\xc0" + bytes([len(leaf)]) + leaf
    trial.refused(
        "output-taproot-fields-mismatch", lambda: proven(with_output(data, 1, b"\x06", tree), wallet)
    )
    evil = root(66).derive("m/86h/1h/0h/0/0").key.get_public_key().xonly()
    trial.refused(
        "output-taproot-fields-mismatch", lambda: proven(with_output(data, 1, b"\x05", evil), wallet)
    )
    control = b"\x15\xc0" + internal
    trial.refused(
        "input-taproot-script-path", lambda: proven(with_input(data, 0, control, leaf + b"\xc0"), wallet)
    )
    trial.refused(
        "input-taproot-script-path", lambda: proven(with_input(data, 0, b"\x18", bytes(32)), wallet)
    )
    trial.refused("input-internal-key-mismatch", lambda: proven(with_input(data, 0, b"\x17", evil), wallet))
    # outputs and coins that truly commit to the tree, made by embit
    place = root(1).derive("m/86h/1h/0h/1/2").key.get_public_key()
    assert b"\x51\x20" + place.taproot_tweak(b"").xonly() == wallet.scripts(1, 2).script_pubkey
    twisted = b"\x51\x20" + place.taproot_tweak(tap_leaf(leaf)).xonly()
    trial.refused("change-not-derived", lambda: proven(with_tx_output(data, 1, script=twisted), wallet))
    coin = with_input(
        with_input(data, 0, NON_WITNESS_UTXO, None), 0, WITNESS_UTXO, claimed_utxo(60_000, twisted)
    )
    trial.refused("input-not-ours", lambda: proven(coin, wallet))


def tap_leaf(script: bytes) -> bytes:
    """BIP 341, written here once more."""
    tag = hashlib.sha256(b"TapLeaf").digest()
    return hashlib.sha256(tag + tag + b"\xc0" + bytes([len(script)]) + script).digest()
