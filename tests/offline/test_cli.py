"""The program as a person runs it: a process of its own, a pseudo-terminal, prompts and exit statuses."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pyrage
import pytest

from falconer_offline.state import records
from tests.offline.office import Office
from tests.support.policies import SshKey, signed
from tests.support.programs import BIN, Signer, clean_environment
from tests.support.ssh_keygen import KeyFile, accepts
from tests.support.treasury import (
    Payment,
    key_expression,
    root,
    stranger_address,
    with_checksum,
    wpkh_descriptor,
    wpkh_wallet,
    wsh_descriptor,
)

MACHINE = "Passphrase of the machine key: "
AGAIN = "The same passphrase again: "
ABOUT = " ".join(["abandon"] * 11 + ["about"])
ABOUT_FINGERPRINT = "73c5da0a"


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    """A home of now, with what a coordinator would send it."""
    folder = tmp_path_factory.mktemp("cli")
    now = int(time.time())
    office = Office.make(folder / "home", wpkh_wallet(), now=now)
    (folder / "identity").write_text(f"{office.identity.value}\n")
    (folder / "request.psbt").write_bytes(office.request(now=now))
    return office, folder


@pytest.fixture
def home(founded, tmp_path):
    office, folder = founded
    shutil.copytree(office.home, tmp_path / "home")
    shutil.copy(folder / "request.psbt", tmp_path)
    shutil.copy(folder / "identity", tmp_path)
    return dataclasses.replace(office, home=tmp_path / "home")


@pytest.fixture
def signer(home):
    return Signer(home.home, "north", identity=home.home.parent / "identity")


@pytest.fixture
def request_file(home) -> Path:
    return home.home.parent / "request.psbt"


def confirmations(office: Office) -> list[tuple[str, str]]:
    return [
        ("Sum of the payments in satoshis: ", "70000"),
        ("Last 4 characters of destination 1: ", stranger_address()[-4:]),
    ]


def plain(*arguments: object, home: Path, **options) -> subprocess.CompletedProcess[str]:
    """Without a terminal."""
    return subprocess.run(
        ["unshare", "--map-current-user", "--net", str(BIN / "falconer-offline"), *map(str, arguments)],
        env=clean_environment(FALCONER_OFFLINE_HOME=str(home)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=60, **options,
    )  # fmt: skip


# Reading


def test_inspect_accepts_and_writes_nothing(home, signer, request_file):
    before = {path.name: path.read_bytes() for path in home.home.iterdir()}
    document = signer.run("inspect", request_file, json_output=True).json
    assert document["verdict"] == "accepted"
    assert document["transaction"]["fee_sats"] == 1_000
    assert [output["own"] for output in document["transaction"]["outputs"]] == [None, "change 2"]
    shown = signer.run("inspect", request_file).shown
    assert "Nothing was signed" in shown
    assert stranger_address() in shown
    assert {path.name: path.read_bytes() for path in home.home.iterdir()} == before


def test_inspect_needs_neither_terminal_nor_secret(home, request_file):
    done = plain("inspect", request_file, "--json", home=home.home)
    assert done.returncode == 0
    assert json.loads(done.stdout)["verdict"] == "accepted"
    assert done.stderr == ""


REFUSALS = {
    "not a PSBT": (lambda o, f: f.write_bytes(b"nothing of the kind"), 3, "psbt-not-recognised"),
    "an empty file": (lambda o, f: f.write_bytes(b""), 3, "file-empty"),
    "a folder": (lambda o, f: (f.unlink(), f.mkdir()), 3, "file-not-regular"),
    "no file": (lambda o, f: f.unlink(), 9, "file-unreadable"),
    "a cut file": (lambda o, f: f.write_bytes(f.read_bytes()[:-20]), 3, None),
    "17 MiB": (lambda o, f: f.write_bytes(bytes(17 << 20)), 3, "file-too-large"),
    "a PSBT without a request": (lambda o, f: f.write_bytes(Payment(o.wallet).psbt().raw), 4, "request-missing"),
    "no such home": (lambda o, f: shutil.rmtree(o.home), 9, "state-missing"),
    "a home for all to read": (lambda o, f: o.home.chmod(0o755), 9, "state-permissions"),
    "a state edited by hand": (lambda o, f: edit(o, "UPDATE wallets SET gap_limit = 1000"), 9, "state-tampered"),
    "a policy edited by hand": (lambda o, f: edit(o, "UPDATE policies SET text = x'00'"), 9, "state-tampered"),
    "a state that is no database": (lambda o, f: (o.home / "state.sqlite").write_bytes(bytes(9000)), 9, None),
    "another public key": (
        lambda o, f: (o.home / "machine.pub").write_text(SshKey.of("x").public.text() + "\n"), 9, "state-tampered",
    ),
}  # fmt: skip


def edit(office: Office, statement: str) -> None:
    connection = sqlite3.connect(office.home / "state.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("what", REFUSALS)
@pytest.mark.parametrize("command", ["inspect", "sign"])
def test_wrong_input_is_one_sentence_and_its_status(home, signer, request_file, what, command):
    break_it, status, rule = REFUSALS[what]
    break_it(home, request_file)
    out = ["--out", request_file.parent / "answer.psbt"] if command == "sign" else []
    done = signer.run(command, request_file, *out, expect=status, json_output=True)
    assert done.json["verdict"] == "refused"
    assert rule is None or done.refusals == [rule]
    assert done.json["rules"][0]["message"]
    assert "Traceback" not in done.shown
    assert done.shown.count("Refused: ") == 1
    assert not (request_file.parent / "answer.psbt").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "rule"),
    [
        ((), 2, None),
        (("nonsense",), 2, "usage"),
        (("inspect",), 2, "usage"),
        (("sign", "x"), 2, "usage"),
        (("sign", "x", "--out", "y", "--yes"), 2, "usage"),
        (("wallet", "show", "nothing"), 9, "wallet-unknown"),
        (("key", "xpub", "nobody", "--path", "84h/1h/0h"), 9, "key-unknown"),
        (("key", "xpub", "key-1", "--path", "84h/0h/0h"), 4, "path-coin-type"),
        (("key", "xpub", "key-1", "--path", "84h/x"), 3, "derivation-path-malformed"),
        (("key", "new", "Key"), 2, "usage"),
        (("key", "new", "key-1"), 9, "key-exists"),
        (("key", "new", "other", "--words", "13"), 2, "usage"),
        (("wallet", "address", "treasury", "--index", "2147483648"), 2, "usage"),
        (("journal", "verify", "--head", "3:xyz"), 2, "usage"),
        (("journal", "verify", "--head", "4:" + "00" * 32), 9, "audit-log-rewritten"),
        (("journal", "verify", "--head", "40:" + "00" * 32), 9, "audit-log-truncated"),
        (("policy", "show", "--wallet", "nothing"), 9, "wallet-unknown"),
        (("init", "--network", "regtest", "--admin", "/dev/null"), 3, "file-not-regular"),
        (("init", "--network", "testnet3", "--admin", "x"), 2, "usage"),
    ],
)
def test_wrong_use_is_one_sentence_and_its_status(home, signer, arguments, status, rule):
    done = signer.run(*arguments, expect=status, json_output=rule is not None)
    assert "Traceback" not in done.shown
    if rule is not None:
        assert done.refusals == [rule]


def test_debug_shows_where_a_mistake_of_ours_arose(home):
    program = (
        "import sys\nfrom falconer_offline import airgap\nairgap.arm()\nfrom falconer_offline.cli import run, shell\n"
        "shell.Shell.state = lambda self: 1 // 0\nsys.exit(run(sys.argv[1:]))\n"
    )
    words = ["unshare", "--map-current-user", "--net", str(BIN / "python"), "-c", program]
    done = subprocess.run([*words, "machine", "show", "--json"], capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["rules"][0]["id"]) == (1, "unexpected")
    assert "Traceback" not in done.stderr
    done = subprocess.run([*words, "--debug", "machine", "show"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr.splitlines()[-1]
    program = program.replace("1 // 0", "open('/nowhere/at/all')")
    done = subprocess.run(
        [*words[:-1], program, "machine", "show", "--json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, json.loads(done.stdout)["rules"][0]["id"]) == (9, "system-error")


def test_every_report_is_one_json_document(home, signer):
    for arguments in (
        ("machine", "show"), ("key", "list"), ("wallet", "list"), ("wallet", "show", "treasury"),
        ("wallet", "address", "treasury"), ("policy", "show"), ("journal", "show"), ("journal", "verify"),
        ("receipt", "show"), ("selfcheck",), ("key", "xpub", "key-1", "--path", "84h/1h/0h"),
    ):  # fmt: skip
        document = signer.run(*arguments, json_output=True).json
        assert isinstance(document, dict)
        assert signer.run(*arguments).shown.strip()


def test_what_the_reports_say(home, signer):
    assert signer.run("machine", "show", json_output=True).json["machine"] == home.machine.public.text()
    xpub = signer.run("key", "xpub", "key-1", "--path", "m/84h/1h/0h", json_output=True).json["key"]
    assert xpub == key_expression(1)
    wallet = signer.run("wallet", "show", "treasury", json_output=True).json
    assert wallet["wallet_id"] == home.wallet.wallet_id
    assert wallet["quorums_without_this_machine"] == []
    for branch, flag in ((0, []), (1, ["--change"])):
        shown = signer.run("wallet", "address", "treasury", "--index", 7, *flag, json_output=True).json
        assert shown["address"] == home.wallet.address(branch, 7)
    size, head = home.state().head
    verified = signer.run("journal", "verify", "--head", f"{size}:{head}", json_output=True).json
    assert (verified["size"], verified["head"]) == (size, head)
    assert len(signer.run("journal", "show", "--since", 3, json_output=True).json["entries"]) == size - 3


def test_an_xpub_is_written_to_a_new_file_only(home, signer, tmp_path):
    signer.run("key", "xpub", "key-1", "--path", "84h/1h/0h", "--out", tmp_path / "key.txt")
    assert (tmp_path / "key.txt").read_text() == key_expression(1) + "\n"
    again = signer.run(
        "key",
        "xpub",
        "key-1",
        "--path",
        "84h/1h/0h",
        "--out",
        tmp_path / "key.txt",
        expect=9,
        json_output=True,
    )
    assert again.refusals == ["file-exists"]


# Signing


def test_sign_writes_the_answer_and_the_receipt(home, signer, request_file, tmp_path):
    done = signer.run(
        "sign", request_file, "--out", tmp_path / "answer.psbt", answers=confirmations(home), json_output=True
    )
    assert done.json["signed"]
    assert done.json["receipt"]["number"] == 1
    assert (tmp_path / "answer.psbt").stat().st_mode & 0o777 == 0o600
    shown = signer.run("receipt", "show", "--out", tmp_path / "receipts.json", json_output=True).json[
        "receipts"
    ]
    assert json.loads((tmp_path / "receipts.json").read_text())["receipts"] == shown
    assert shown[0]["digest"] == done.json["receipt"]["digest"]
    assert accepts(
        tmp_path,
        home.machine.public.text(),
        shown[0]["signature"].encode(),
        shown[0]["text"].encode(),
        "falconer-receipt@1",
    )
    assert signer.run("receipt", "show", "--since", 2, json_output=True).json["receipts"] == []
    assert signer.run("journal", "verify").shown


def test_an_answer_is_replaced_only_after_a_yes(home, signer, request_file, tmp_path):
    out = tmp_path / "answer.psbt"
    out.write_bytes(b"old")
    question = f"{out} exists. Replace it? Type yes: "
    done = signer.run(
        "sign", request_file, "--out", out, answers=[(question, "y")], expect=8, json_output=True
    )
    assert done.refusals == ["person-declined"]
    assert out.read_bytes() == b"old"
    signer.run("sign", request_file, "--out", out, answers=[(question, "yes"), *confirmations(home)])
    assert out.read_bytes()[:5] == b"psbt\xff"


@pytest.mark.parametrize(
    ("answers", "rule"),
    [
        ([("Sum of the payments in satoshis: ", "")], "person-declined"),
        ([("Sum of the payments in satoshis: ", "\x03")], "person-declined"),
        ([("Sum of the payments in satoshis: ", "\x04")], "person-declined"),
        (
            [("Sum of the payments in satoshis: ", wrong) for wrong in ("7000", "0.0007", "70001")],
            "confirmation-wrong",
        ),
        ([("Sum of the payments in satoshis: ", "70000"), ("destination 1: ", "")], "person-declined"),
        (
            [
                ("Sum of the payments in satoshis: ", "70000"),
                *[("destination 1: ", wrong) for wrong in ("abcd", "j4", "yes")],
            ],
            "confirmation-wrong",
        ),
    ],
)
def test_who_does_not_confirm_gets_no_signature_but_a_receipt(
    home, signer, request_file, tmp_path, answers, rule
):
    out = tmp_path / "answer.psbt"
    done = signer.run("sign", request_file, "--out", out, answers=answers, expect=8, json_output=True)
    assert done.refusals == [rule]
    shown = signer.run("receipt", "show", json_output=True).json["receipts"]
    assert [f"refusal {rule}" in receipt["text"] for receipt in shown] == [True]
    assert not records.JournalHistory(home.state(), home.wallet.wallet_id).entries(0)
    assert home.state().rows["spends"] == ()
    assert out.exists()


def test_a_refusal_says_why_and_writes_its_numbered_receipt(home, signer, request_file, tmp_path):
    now = int(time.time())
    home.install(dataclasses.replace(home.draft, version=2, rules={"max_fee_sats": 999}), now)
    home.draft = dataclasses.replace(home.draft, version=2, rules={"max_fee_sats": 999})
    request_file.write_bytes(home.request(now=now))
    for number in (1, 2):
        out = tmp_path / f"answer-{number}.psbt"
        done = signer.run("sign", request_file, "--out", out, expect=5, json_output=True)
        assert done.refusals == ["policy-fee-limit"]
        assert {rule["outcome"] for rule in done.json["judgement"]} == {"pass", "fail"}
        assert out.exists()
    shown = signer.run("receipt", "show", json_output=True).json["receipts"]
    assert [receipt["number"] for receipt in shown] == [1, 2]
    assert "verdict refused\nrefusal policy-fee-limit\n" in shown[1]["text"]


def test_a_pipe_signs_nothing(home, request_file, tmp_path):
    done = plain("sign", request_file, "--out", tmp_path / "answer.psbt", "--json", home=home.home)
    assert done.returncode == 2
    assert json.loads(done.stdout)["rules"][0]["id"] == "terminal-needed"
    assert home.state().rows["spends"] == ()


def test_a_place_that_cannot_be_written_is_said_before_anything_is_signed(home, signer, request_file):
    done = signer.run(
        "sign", request_file, "--out", "/nowhere/at/all/answer.psbt", expect=9, json_output=True
    )
    assert done.refusals == ["file-not-writable"]
    assert home.state().rows["spends"] == ()


def test_an_answer_that_cannot_be_written_can_be_had_again(home, signer, request_file, tmp_path):
    # the kernel takes no file there, and says so only when one is made
    done = signer.run(
        *("sign", request_file, "--out", "/proc/answer.psbt"),
        answers=confirmations(home),
        expect=9,
        json_output=True,
    )
    assert done.refusals == ["file-not-writable"]
    signer.run("sign", request_file, "--out", tmp_path / "answer.psbt", answers=confirmations(home))
    found = home.judge(request_file.read_bytes(), int(time.time())).approved.verdicts
    assert {v.rule: v.value for v in found}["max_daily_spend_sats"] == "71000"


def test_the_identity_is_needed(home, request_file, tmp_path):
    without = Signer(home.home, "north")
    done = without.run("key", "xpub", "key-1", "--path", "84h/1h/0h", expect=10, json_output=True)
    assert done.refusals == ["identity-missing"]
    (home.home.parent / "identity").write_text(f"{pyrage.x25519.Identity.generate()}\n")
    other = Signer(home.home, "north", identity=home.home.parent / "identity")
    assert other.run("key", "xpub", "key-1", "--path", "84h/1h/0h", expect=10, json_output=True).refusals == [
        "identity-wrong"
    ]
    (home.home.parent / "identity").write_text("nonsense\n")
    assert other.run("key", "xpub", "key-1", "--path", "84h/1h/0h", expect=10, json_output=True).refusals == [
        "identity-malformed"
    ]


# The ceremony


def admin(folder: Path, name: str = "ada") -> KeyFile:
    return KeyFile(folder / name) if (folder / name).exists() else KeyFile.make(folder, name)


@pytest.fixture
def fresh(tmp_path):
    (tmp_path / "identity").write_text(f"{pyrage.x25519.Identity.generate()}\n")
    machine = Signer(tmp_path / "fresh", "south", identity=tmp_path / "identity")
    machine.run("init", "--network", "regtest", "--name", "south", "--admin", f"{admin(tmp_path).path}.pub")
    return machine


def test_init_makes_a_private_home_once(fresh, tmp_path):
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o700
    assert {
        path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "fresh").iterdir()
    } == dict.fromkeys(("machine.age", "machine.pub", "state.sqlite"), 0o600)
    assert (tmp_path / "fresh" / "machine.pub").read_text().endswith(" south\n")
    public = f"{admin(tmp_path).path}.pub"
    again = fresh.run("init", "--network", "regtest", "--admin", public, expect=9, json_output=True)
    assert again.refusals == ["home-exists"]
    other = dataclasses.replace(fresh, home=tmp_path / "twice")
    assert other.run(
        "init", "--network", "regtest", "--admin", public, "--admin", public, expect=2, json_output=True
    ).refusals == ["usage"]
    assert other.run(
        "init", "--network", "regtest", "--name", "No", "--admin", public, expect=2, json_output=True
    ).refusals == ["usage"]


def _shown_word(match: re.Match[str] | None, shown: str) -> str:
    assert match is not None
    found = re.search(rf"^\s*{match[1]} ([a-z]+)$", shown, re.MULTILINE)
    assert found is not None
    return found[1]


WORD = re.compile(r"Word (\d+): ")
NO_PASSPHRASE = ("BIP 39 passphrase (empty for none): ", "")


@pytest.mark.parametrize("words", [12, 15, 18, 21, 24])
def test_new_words_are_what_the_key_is_made_of(fresh, words):
    done = fresh.run(
        "key",
        "new",
        "main",
        "--words",
        words,
        answers=[(WORD, _shown_word)] * 3 + [NO_PASSPHRASE],
        json_output=True,
    )
    phrase = re.findall(r"^ *\d+ ([a-z]+)$", done.shown, re.MULTILINE)
    assert len(phrase) == words == done.json["words"]
    from embit import bip32, bip39

    assert (
        bip32.HDKey.from_seed(bip39.mnemonic_to_seed(" ".join(phrase))).my_fingerprint.hex()
        == done.json["fingerprint"]
    )


def test_dice_are_mixed_in_so_that_anybody_can_check(fresh):
    rolls = "123456" * 10
    done = fresh.run(
        "key", "new", "main", "--words", 12, "--dice",
        answers=[("Dice rolls, digits 1 to 6: ", rolls), *[(WORD, _shown_word)] * 3, NO_PASSPHRASE],
    )  # fmt: skip
    system = bytes.fromhex(re.search(r"The system's part: ([0-9a-f]{64})", done.shown)[1])
    assert f"SHA-256 of the system's part: {hashlib.sha256(system).hexdigest()}" in done.shown
    assert (
        done.shown.index("SHA-256 of")
        < done.shown.index("Dice rolls")
        < done.shown.index("The system's part: ")
    )
    from embit import bip39

    expected = bip39.mnemonic_from_bytes(hashlib.sha256(system + rolls.encode()).digest()[:16]).split()
    assert re.findall(r"^ *\d+ ([a-z]+)$", done.shown, re.MULTILINE) == expected


@pytest.mark.parametrize(
    ("dice", "answers", "status", "rule"),
    [
        (["--dice"], [("Dice rolls, digits 1 to 6: ", "12345x")], 3, "dice-malformed"),
        (["--dice"], [("Dice rolls, digits 1 to 6: ", "")], 8, "person-declined"),
        ([], [(WORD, "wrong")] * 3, 10, "words-not-retyped"),
        (
            [],
            [*[(WORD, _shown_word)] * 3, ("BIP 39 passphrase (empty for none): ", "a"), (AGAIN, "b")],
            10,
            "passphrases-differ",
        ),
    ],
)
def test_a_key_that_was_not_made_to_its_end_is_not_kept(fresh, dice, answers, status, rule):
    done = fresh.run(
        "key", "new", "main", "--words", 12, *dice, answers=answers, expect=status, json_output=True
    )
    assert done.refusals == [rule]
    assert fresh.run("key", "list", json_output=True).json["keys"] == []


def test_words_are_imported_hidden_and_with_their_passphrase(fresh):
    done = fresh.run("key", "import", "a", answers=[("Words: ", ABOUT), NO_PASSPHRASE], json_output=True)
    assert done.json["fingerprint"] == ABOUT_FINGERPRINT
    assert "abandon" not in done.shown
    secret = [("BIP 39 passphrase (empty for none): ", "TREZOR"), (AGAIN, "TREZOR")]
    other = fresh.run("key", "import", "b", "--echo", answers=[("Words: ", ABOUT), *secret], json_output=True)
    assert other.json["fingerprint"] == "b4e3f5ed"
    assert "abandon" in other.shown
    assert "TREZOR" not in other.shown
    twice = fresh.run(
        "key", "import", "c", answers=[("Words: ", ABOUT), NO_PASSPHRASE], expect=9, json_output=True
    )
    assert twice.refusals == ["key-exists"]
    names = [key["name"] for key in fresh.run("key", "list", json_output=True).json["keys"]]
    assert names == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("abandon " * 12, "words-checksum"),
        ("abandon", "words-count"),
        (ABOUT.replace("about", "abuot"), "words-unknown"),
    ],
)
def test_wrong_words_are_not_imported(fresh, words, rule):
    done = fresh.run("key", "import", "a", answers=[("Words: ", words)], expect=10, json_output=True)
    assert done.refusals == [rule]


def test_a_typed_key_is_typed_each_time_and_must_be_the_same(fresh):
    fresh.run("key", "import", "a", "--typed", answers=[("Words: ", ABOUT), NO_PASSPHRASE])
    assert not fresh.run("key", "list", json_output=True).json["keys"][0]["sealed"]
    typed = [("Words: ", ABOUT), NO_PASSPHRASE]
    shown = fresh.run("key", "xpub", "a", "--path", "84h/1h/0h", answers=typed, json_output=True).json["key"]
    assert shown.startswith(f"[{ABOUT_FINGERPRINT}/84h/1h/0h]tpub")
    other = [("Words: ", ABOUT), ("BIP 39 passphrase (empty for none): ", "slip")]
    refused = fresh.run("key", "xpub", "a", "--path", "84h/1h/0h", answers=other, expect=10, json_output=True)
    assert refused.refusals == ["key-other-fingerprint"]


def register(signer: Signer, descriptor: str, holders=(), ending: str | None = None, **options):
    file = signer.home.parent / "descriptor.txt"
    file.write_text(descriptor + "\n")
    answers = [(f"Who holds key {number} of", who) for number, who in enumerate(holders, 1)]
    if ending is not None:
        answers.append(("Last 4 characters of the wallet id: ", ending))
    return signer.run("wallet", "register", "vault", file, answers=answers, json_output=True, **options)


def wallet_id(descriptor: str) -> str:
    return hashlib.sha256(descriptor.partition("#")[0].encode()).hexdigest()


def test_a_multisig_is_registered_with_who_holds_what(home, signer):
    descriptor = wsh_descriptor(2, (1, 2, 3))
    done = register(signer, descriptor, ("", "south", "safe at the bank"), wallet_id(descriptor)[-4:])
    assert [key["held_by"] for key in done.json["keys"]] == ["this machine", "south", "safe at the bank"]
    assert [key["own"] for key in done.json["keys"]] == ["key-1", None, None]
    assert done.json["quorums_without_this_machine"] == [[2, 3]]
    assert "WITHOUT this machine 1 sets of keys can spend" in done.shown
    assert "key 2 (south) with key 3 (safe at the bank)" in done.shown


def test_a_backup_elsewhere_takes_the_guarantee_away(home, signer):
    descriptor = wsh_descriptor(1, (1, 2))
    done = register(signer, descriptor, ("backup at home", "south"), wallet_id(descriptor)[-4:])
    assert done.json["quorums_without_this_machine"] == [[1], [2]]


@pytest.mark.parametrize(
    ("descriptor", "holders", "ending", "status", "rule"),
    [
        (wpkh_descriptor(2), (), None, 4, "wallet-without-our-key"),
        (wpkh_descriptor(1), (), None, 9, "wallet-exists"),
        (wpkh_descriptor(1)[:-1] + "q", (), None, 3, None),
        (wsh_descriptor(2, (1, 2, 3)), ("",), None, 8, None),
        (wsh_descriptor(1, (1, 2)), ("", "south"), "", 8, "person-declined"),
        ("\u00e9", (), None, 3, "multisig-text-malformed"),
    ],
)
def test_what_is_not_registered(home, signer, descriptor, holders, ending, status, rule):
    if holders == ("",):
        file = signer.home.parent / "descriptor.txt"
        file.write_text(descriptor)
        answers = [
            ("Who holds key 1 of", ""),
            *[("Who holds key 2 of", wrong) for wrong in ("", "this machine", "x" * 65)],
        ]
        done = signer.run("wallet", "register", "vault", file, answers=answers, expect=8, json_output=True)
        rule = "person-declined"
    else:
        done = register(signer, descriptor, holders, ending, expect=status)
    assert rule is None or done.refusals == [rule]
    assert [w["name"] for w in signer.run("wallet", "list", json_output=True).json["wallets"]] == ["treasury"]


def test_our_fingerprint_on_another_key_is_an_alarm(home, signer):
    """A027, A023: a descriptor made to look as if it were ours."""
    stranger = root(2).derive("m/84h/1h/0h").to_public().to_base58()
    ours = root(1).my_fingerprint.hex()
    descriptor = with_checksum(f"wpkh([{ours}/84h/1h/0h]{stranger}/<0;1>/*)")
    assert register(signer, descriptor, expect=4).refusals == ["wallet-key-swapped"]


def install(signer: Signer, text: bytes, signatures, answers=(), **options):
    folder = signer.home.parent
    (folder / "policy.txt").write_bytes(text)
    words = []
    for number, signature in enumerate(signatures):
        (folder / f"{number}.sig").write_bytes(signature)
        words += ["--signature", folder / f"{number}.sig"]
    return signer.run(
        "policy", "install", folder / "policy.txt", *words, answers=answers, json_output=True, **options
    )


def test_a_policy_is_installed_shown_and_never_taken_back(home, signer):
    second = dataclasses.replace(home.draft, version=2, rules={"max_fee_sats": 777})
    candidate = signed(second.text(), "admin-a", "admin-b")
    question = "Last 4 characters of the policy digest: "
    declined = install(signer, candidate.text, candidate.signatures, [(question, "")], expect=8)
    assert declined.refusals == ["person-declined"]
    done = install(signer, candidate.text, candidate.signatures, [(question, second.policy().digest[-4:])])
    assert (done.json["version"], done.json["signer"]) == (2, "north")
    assert "rule max_fee_sats 777" in done.shown
    assert install(signer, candidate.text, candidate.signatures).json["version"] == 2
    first = signed(home.draft.text(), "admin-a", "admin-b")
    assert install(signer, first.text, first.signatures, expect=5).refusals == ["policy-version-rollback"]
    fork = signed(dataclasses.replace(second, rules={}).text(), "admin-a", "admin-b")
    assert install(signer, fork.text, fork.signatures, expect=5).refusals == ["policy-version-fork"]
    assert signer.run("policy", "show", json_output=True).json["digest"] == second.policy().digest


@pytest.mark.parametrize(
    ("names", "status", "rule"),
    [
        (("admin-a",), 6, "policy-signature-missing"),
        (("admin-a", "mallory"), 6, "policy-signature-unknown-key"),
        (("admin-a", "admin-a"), 6, "policy-signature-missing"),
    ],
)
def test_too_few_or_strange_signatures(home, signer, names, status, rule):
    candidate = signed(dataclasses.replace(home.draft, version=2).text(), *names)
    assert install(signer, candidate.text, candidate.signatures, expect=status).refusals == [rule]


def test_a_policy_without_this_machine_can_be_installed_and_says_so(home, signer):
    others = dataclasses.replace(
        home.draft,
        version=2,
        signers=(dataclasses.replace(home.draft.signers[0], key=SshKey.of("x").public),),
    )
    candidate = signed(others.text(), "admin-a", "admin-b")
    done = install(
        signer, candidate.text, candidate.signatures, [("policy digest: ", others.policy().digest[-4:])]
    )
    assert done.json["signer"] is None
    assert "NOT a signer" in done.shown


def test_a_policy_for_another_wallet_is_refused(home, signer):
    other = dataclasses.replace(home.draft, wallet_id="ab" * 32)
    candidate = signed(other.text(), "admin-a", "admin-b")
    assert install(signer, candidate.text, candidate.signatures, expect=4).refusals == [
        "wallet-not-registered"
    ]


def test_policy_show_asks_which_wallet(home, signer):
    descriptor = wsh_descriptor(1, (1, 2))
    register(signer, descriptor, ("", "south"), wallet_id(descriptor)[-4:])
    assert signer.run("policy", "show", expect=2, json_output=True).refusals == ["usage"]
    assert signer.run("policy", "show", "--wallet", "vault", expect=9, json_output=True).refusals == [
        "policy-missing"
    ]
    assert signer.run("policy", "show", "--wallet", "treasury", json_output=True).json["version"] == 1


# Passphrases, as people use them


@pytest.mark.slow
def test_the_ceremony_with_passphrases(tmp_path):
    machine = Signer(tmp_path / "home", "north")
    public = f"{admin(tmp_path).path}.pub"
    new = ("New passphrase for the machine key: ", "correct horse")
    short = machine.run(
        "init",
        "--network",
        "regtest",
        "--admin",
        public,
        answers=[(new[0], "short")],
        expect=10,
        json_output=True,
    )
    assert short.refusals == ["passphrase-too-short"]
    machine.run("init", "--network", "regtest", "--admin", public, answers=[new, (AGAIN, new[1])])
    assert "correct horse" not in (tmp_path / "home" / "machine.age").read_bytes().decode("latin-1")
    imported = [
        (MACHINE, "wrong horse"), (MACHINE, "correct horse"), ("Words: ", ABOUT), NO_PASSPHRASE,
        ("New passphrase for key main: ", "battery staple"), (AGAIN, "battery staple"),
    ]  # fmt: skip
    done = machine.run("key", "import", "main", answers=imported)
    assert "horse" not in done.shown
    xpub = machine.run(
        "key",
        "xpub",
        "main",
        "--path",
        "84h/1h/0h",
        answers=[("Passphrase of key main: ", "battery staple")],
        json_output=True,
    )
    assert xpub.json["key"].startswith(f"[{ABOUT_FINGERPRINT}/84h/1h/0h]tpub")
    gave_up = machine.run(
        "key",
        "xpub",
        "main",
        "--path",
        "84h/1h/0h",
        answers=[("Passphrase of key main: ", "")],
        expect=8,
        json_output=True,
    )
    assert gave_up.refusals == ["person-declined"]


@pytest.mark.slow
def test_a_machine_passphrase_by_descriptor(tmp_path):
    public = f"{admin(tmp_path).path}.pub"
    (tmp_path / "passphrase").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("wrong horse\n")
    (tmp_path / "short").write_text("short\n")

    def run(passphrase: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        with (tmp_path / passphrase).open("rb") as file:
            os.set_inheritable(file.fileno(), True)
            return plain(
                "--machine-passphrase-fd",
                file.fileno(),
                *arguments,
                "--json",
                home=tmp_path / "home",
                pass_fds=(file.fileno(),),
            )

    short = run("short", "init", "--network", "regtest", "--admin", public)
    assert (short.returncode, json.loads(short.stdout)["rules"][0]["id"]) == (10, "passphrase-too-short")
    assert run("passphrase", "init", "--network", "regtest", "--admin", public).returncode == 0
    # the words are asked after the machine key opened: only the right passphrase gets so far
    right = run("passphrase", "key", "import", "main")
    assert json.loads(right.stdout)["rules"][0]["id"] == "terminal-needed"
    wrong = run("wrong", "key", "import", "main")
    assert (wrong.returncode, json.loads(wrong.stdout)["rules"][0]["id"]) == (10, "passphrase-wrong")


# Walls, and speed


def with_interface_up(tmp_path: Path) -> list[str]:
    """A command line in which the program finds an interface up, as it would read it from /proc."""
    (tmp_path / "net").mkdir(exist_ok=True)
    (tmp_path / "net" / "dev").write_text("a\nb\n    lo: 0\n  eth9: 0\n")
    program = (
        "import sys\nfrom falconer_offline import airgap\n"
        f"airgap.interfaces_up.__defaults__ = ({str(tmp_path / 'net')!r},)\n"
        "from falconer_offline.__main__ import main\nsys.argv[0] = 'falconer-offline'\nmain()\n"
    )
    return [str(BIN / "python"), "-c", program]


def test_a_machine_with_a_network_is_refused(home, tmp_path, request_file):
    words = [*with_interface_up(tmp_path), "--home", str(home.home)]
    done = subprocess.run(
        [*words, "inspect", str(request_file), "--json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, json.loads(done.stdout)["rules"][0]["id"]) == (9, "network-interface-up")
    assert "eth9" in done.stderr
    for command in ([], ["sign"], ["key"], ["key", "new"], ["policy", "install"], ["init"], ["selfcheck"]):
        done = subprocess.run([*words, *command, "--help"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout[:6]) == (0, "Usage:")
    allowed = [*words, "--allow-network-interfaces", "inspect", str(request_file), "--json"]
    assert subprocess.run(allowed, capture_output=True, text=True, check=False).returncode == 0


def test_no_command_runs_while_a_network_is_up(tmp_path):
    """Every command that there is, by whatever way it gets at the shell."""
    import click

    from falconer_offline.cli import root

    def leaves(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        if not isinstance(command, click.Group):
            return [path]
        context = click.Context(command)
        return [
            leaf
            for name in command.list_commands(context)
            for leaf in leaves(command.get_command(context, name), (*path, name))
        ]

    found = leaves(root, ())
    assert len(found) >= 20
    needed = {
        "init": ["--network", "regtest", "--admin", "x"],
        "sign": ["x", "--out", "y"],
        "xpub": ["x", "--path", "84h"],
        "hardware sign": ["73c5da0a", "x", "--out", "y"],
        "hardware xpub": ["73c5da0a", "--path", "84h"],
    }
    words = [*with_interface_up(tmp_path), "--home", str(tmp_path / "home")]
    for path in found:
        if path == ("completion",):
            continue
        arguments = needed.get(" ".join(path)) or needed.get(
            path[-1], ["x"] if path[-1] in {"new", "import", "check", "remove", "address", "register"} else []
        )
        if path in {("wallet", "show"), ("qr", "show")}:
            arguments = ["x"]
        done = subprocess.run([*words, *path, *arguments], capture_output=True, text=True, check=False)
        assert (path, done.returncode, "network-interface-up" in done.stderr) == (path, 9, True)


def test_a_network_is_allowed_on_regtest_alone(tmp_path):
    words = [*with_interface_up(tmp_path), "--home", str(tmp_path / "home"), "--allow-network-interfaces"]
    public = f"{admin(tmp_path).path}.pub"
    for network in ("mainnet", "signet", "testnet4"):
        done = subprocess.run(
            [*words, "init", "--network", network, "--admin", public, "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, json.loads(done.stdout)["rules"][0]["id"]) == (
            9,
            "network-interface-not-here",
        )
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(("network", "refuses"), [("MAINNET", True), ("REGTEST", False)])
def test_swap_is_refused_where_it_could_hold_secrets(monkeypatch, capsys, network, refuses):
    from falconer_offline import airgap
    from falconer_offline.cli.shell import Shell
    from falconer_shared.bitcoin.network import Network
    from falconer_shared.errors import StateError
    from tests.support.refusal import refused

    monkeypatch.setattr(airgap, "_launches_closed", False)  # noted, so that it is put back after the test
    monkeypatch.setattr(airgap, "swap_areas", lambda: ("/dev/sda2",))
    monkeypatch.setattr(airgap, "lock_memory", lambda: False)
    shell = Shell(json_output=False, debug=False)
    if refuses:
        with refused("swap-in-use", StateError):
            shell.guard_secrets(Network[network])
    else:
        shell.guard_secrets(Network[network])
        assert "/dev/sda2" in capsys.readouterr().err
    monkeypatch.setattr(airgap, "lock_memory", lambda: True)
    Shell(json_output=False, debug=False).guard_secrets(Network[network])
    assert airgap._launches_closed, "no worker may be started once a secret was read"


def best_of(count: int, *arguments: object, home: Path) -> float:
    """Processor seconds of the best of a few runs, process start included.

    The program waits for nothing here, so on a free machine this is what a person waits; on one that other tests
    keep busy it still is what the program takes.
    """
    times = []
    for _ in range(count):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert plain(*arguments, home=home).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(times)


def test_help_within_a_quarter_of_a_second(home):
    assert best_of(5, "--help", home=home.home) < 0.25


def test_inspect_of_two_inputs_within_0_4_seconds(home, request_file):
    assert best_of(5, "inspect", request_file, home=home.home) < 0.4
