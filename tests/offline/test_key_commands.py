"""Keys by command: dice with a transcript, SeedQR by digits and pictures, the check of the paper, removal."""

from __future__ import annotations

import hashlib
import re

import pexpect
import pytest

from falconer_offline import airgap
from falconer_offline.cli.shell import Shell
from falconer_offline.keys import words as bip39
from falconer_offline.state import records
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import StateError
from tests.offline.test_cli import (
    ABOUT,
    ABOUT_FINGERPRINT,
    AGAIN,
    NO_PASSPHRASE,
    WORD,
    _shown_word,
    founded,
    fresh,
    home,
    request_file,
    signer,
)
from tests.offline.test_gap import terminal
from tests.support import codes
from tests.support.refusal import refused
from tests.support.treasury import wsh_descriptor

__all__ = ["founded", "fresh", "home", "request_file", "signer"]

DIGITS = "0000" * 11 + "0003"
PASSPHRASE = "BIP 39 passphrase (empty for none): "


# Dice


def test_a_transcript_is_written_when_asked_and_gives_the_words(fresh, tmp_path):
    rolls = "54 321 6" * 9
    answers = [("Dice rolls, digits 1 to 6: ", rolls), *[(WORD, _shown_word)] * 3, NO_PASSPHRASE]
    words = ("key", "new", "main", "--words", 15, "--dice")
    done = fresh.run(*words, "--transcript", tmp_path / "dice.txt", answers=answers)
    assert (tmp_path / "dice.txt").stat().st_mode & 0o777 == 0o600
    facts = dict(line.split(" ") for line in (tmp_path / "dice.txt").read_text().splitlines())
    assert facts["rolls"] == rolls.replace(" ", "")
    system = bytes.fromhex(facts["system"])
    assert facts["commitment"] == hashlib.sha256(system).hexdigest()
    entropy = hashlib.sha256(system + facts["rolls"].encode()).digest()[:20]
    assert tuple(re.findall(r"^ *\d+ ([a-z]+)$", done.shown, re.MULTILINE)) == bip39.words_of(entropy)
    before = set(tmp_path.rglob("*"))
    other = [answers[0], *answers[1:]]
    fresh.run("key", "new", "other", "--words", 15, "--dice", answers=other)
    assert set(tmp_path.rglob("*")) == before


def test_a_transcript_overwrites_nothing_and_outlives_no_failure(fresh, tmp_path):
    (tmp_path / "dice.txt").write_text("old")
    words = ("key", "new", "main", "--words", 12, "--dice", "--transcript")
    done = fresh.run(*words, tmp_path / "dice.txt", expect=9, json_output=True)
    assert done.refusals == ["file-exists"]
    answers = [("Dice rolls, digits 1 to 6: ", "123456"), *[(WORD, "wrong")] * 3]
    fresh.run(*words, tmp_path / "other.txt", answers=answers, expect=10)
    assert not (tmp_path / "other.txt").exists()


# SeedQR


def test_the_digits_of_a_seedqr_are_typed_hidden(fresh):
    done = fresh.run(
        "key",
        "import",
        "a",
        "--digits",
        answers=[("SeedQR digits: ", DIGITS), NO_PASSPHRASE],
        json_output=True,
    )
    assert done.json["fingerprint"] == ABOUT_FINGERPRINT
    assert DIGITS not in done.shown
    wrong = [("SeedQR digits: ", DIGITS[:-1] + "4")]
    assert fresh.run(
        "key", "import", "b", "--digits", answers=wrong, expect=10, json_output=True
    ).refusals == ["words-checksum"]


@pytest.mark.parametrize("compact", [False, True])
def test_a_seedqr_is_scanned_and_no_worker_lives_when_it_is_used(fresh, tmp_path, compact):
    if compact:
        picture = codes.write_bytes_code(tmp_path / "seed.png", bytes(16))
    else:
        picture = codes.write_code(tmp_path / "seed.png", DIGITS)
    child = terminal(fresh, 24, 80, "key", "import", "a", "--scan", picture)
    child.expect_exact(PASSPHRASE)
    assert "SeedQR of 12 words" in child.before
    assert "abandon" not in child.before
    assert DIGITS not in child.before
    assert codes.processes_of(child.pid) == []
    child.sendline("")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert fresh.run("key", "list", json_output=True).json["keys"][0]["fingerprint"] == ABOUT_FINGERPRINT


@pytest.mark.parametrize(
    ("text", "status", "rule"),
    [
        ("x", 10, "seedqr-malformed"),
        (DIGITS[:-4], 10, "seedqr-malformed"),
        ("2048" + DIGITS[4:], 10, "seedqr-malformed"),
        ("0001" + DIGITS[4:], 10, "words-checksum"),
    ],
)
def test_codes_that_hold_no_seed(fresh, tmp_path, text, status, rule):
    picture = codes.write_code(tmp_path / "seed.png", text)
    done = fresh.run("key", "import", "a", "--scan", picture, expect=status, json_output=True)
    assert done.refusals == [rule]
    assert fresh.run("key", "list", json_output=True).json["keys"] == []


def test_two_codes_in_view_are_no_choice_of_ours(fresh, tmp_path):
    import numpy as np

    from tests.support import pictures

    one = pictures.grey(codes.write_code(tmp_path / "1.png", DIGITS).read_bytes())
    two = np.hstack(
        [one, pictures.grey(codes.write_code(tmp_path / "2.png", DIGITS[4:] + "0000").read_bytes())]
    )
    (tmp_path / "two.png").write_bytes(pictures.png(two))
    done = fresh.run("key", "import", "a", "--scan", tmp_path / "two.png", expect=3, json_output=True)
    assert done.refusals == ["scan-many-codes"]


@pytest.mark.parametrize(("network", "locked", "refuses"), [("MAINNET", True, True), ("SIGNET", True, False)])
def test_a_seed_is_not_scanned_where_the_worker_could_be_swapped_out(
    monkeypatch, capsys, network, locked, refuses
):
    monkeypatch.setattr(airgap, "swap_areas", lambda: ("/dev/sda2",))
    monkeypatch.setattr(airgap, "lock_memory", lambda: locked)
    Shell.guard_memory(Network[network])
    assert capsys.readouterr().err == ""
    if refuses:
        with refused("swap-in-use", StateError):
            Shell.guard_memory(Network[network], worker=True)
    else:
        Shell.guard_memory(Network[network], worker=True)
        assert "/dev/sda2" in capsys.readouterr().err
    monkeypatch.setattr(airgap, "swap_areas", lambda: ())
    Shell.guard_memory(Network[network], worker=True)


# Passphrases, checks, lists


def test_a_passphrase_is_another_key_and_both_fingerprints_are_shown(fresh):
    answers = [("Words: ", ABOUT), (PASSPHRASE, "TREZOR"), (AGAIN, "TREZOR")]
    done = fresh.run("key", "import", "a", answers=answers, json_output=True)
    assert (done.json["fingerprint"], done.json["fingerprint_without_passphrase"]) == (
        "b4e3f5ed",
        ABOUT_FINGERPRINT,
    )
    assert "b4e3f5ed" in done.shown
    assert ABOUT_FINGERPRINT in done.shown


def test_the_paper_is_checked(fresh, tmp_path):
    fresh.run("key", "import", "a", answers=[("Words: ", ABOUT), (PASSPHRASE, "TREZOR"), (AGAIN, "TREZOR")])
    right = [("Words: ", ABOUT), (PASSPHRASE, "TREZOR")]
    done = fresh.run("key", "check", "a", answers=right, json_output=True)
    assert done.json == {
        "verdict": "accepted", "name": "a", "fingerprint": "b4e3f5ed", "words": 12, "passphrase": True,
    }  # fmt: skip
    assert "abandon" not in done.shown
    digits = [("SeedQR digits: ", DIGITS), (PASSPHRASE, "TREZOR")]
    assert "These are the words" in fresh.run("key", "check", "a", "--digits", answers=digits).shown
    picture = codes.write_code(tmp_path / "seed.png", DIGITS)
    assert fresh.run("key", "check", "a", "--scan", picture, answers=right[1:]).status == 0
    for wrong in ([right[0], (PASSPHRASE, "trezor")], [right[0], (PASSPHRASE, "")]):
        other = fresh.run("key", "check", "a", answers=wrong, expect=10, json_output=True)
        assert other.refusals == ["key-other-fingerprint"]
    assert fresh.run("key", "check", "b", expect=9, json_output=True).refusals == ["key-unknown"]


def test_the_list_says_what_each_key_signs_for(home, signer):
    answers = [("Words: ", ABOUT), NO_PASSPHRASE]
    signer.run("key", "import", "spare", "--typed", answers=answers)
    listed = signer.run("key", "list", json_output=True).json["keys"]
    assert [(key["name"], key["wallets"], key["sealed"]) for key in listed] == [
        ("key-1", ["treasury"], True), ("spare", [], False),
    ]  # fmt: skip
    shown = signer.run("key", "list").shown
    assert "signs for treasury" in shown
    assert "in no wallet" in shown


# Removal


def test_a_key_is_removed_after_its_fingerprint_was_typed(home, signer):
    signer.run("key", "import", "spare", answers=[("Words: ", ABOUT), NO_PASSPHRASE])
    question = "Fingerprint of key spare, to remove it: "
    for wrong in ([(question, "")], [(question, "73c5da0b")] * 3, [(question, "yes")] * 3):
        done = signer.run("key", "remove", "spare", answers=wrong, expect=8, json_output=True)
        assert done.refusals == ["person-declined"]
    sealed = records.key(home.state(), "spare").sealed
    assert sealed is not None
    assert sealed[-40:] in (home.home / "state.sqlite").read_bytes()
    done = signer.run("key", "remove", "spare", answers=[(question, ABOUT_FINGERPRINT)], json_output=True)
    assert done.json == {"name": "spare", "fingerprint": ABOUT_FINGERPRINT, "wallets": []}
    assert [key["name"] for key in signer.run("key", "list", json_output=True).json["keys"]] == ["key-1"]
    assert sealed[-40:] not in (home.home / "state.sqlite").read_bytes()
    assert "key-removed" in signer.run("journal", "show").shown
    signer.run("key", "import", "spare", answers=[("Words: ", ABOUT), NO_PASSPHRASE])


def test_a_removed_key_no_longer_counts_as_held_here(home, signer, request_file, tmp_path):
    descriptor = wsh_descriptor(2, (1, 2, 3))
    (tmp_path / "descriptor.txt").write_text(descriptor)
    ending = hashlib.sha256(descriptor.partition("#")[0].encode()).hexdigest()[-4:]
    held = [("Who holds key 1 of", ""), ("Who holds key 2 of", "south"), ("Who holds key 3 of", "bank")]
    signer.run(
        "wallet", "register", "vault", tmp_path / "descriptor.txt",
        answers=[*held, ("Last 4 characters of the wallet id: ", ending)],
    )  # fmt: skip
    fingerprint = records.key(home.state(), "key-1").fingerprint
    answers = [
        ("Fingerprint of key key-1, to remove it: ", fingerprint),
        ("Who holds key 1 of 1 of treasury then: ", "this machine"),
        ("Who holds key 1 of 1 of treasury then: ", "nobody"),
        ("Who holds key 1 of 3 of vault then: ", "safe"),
    ]
    done = signer.run("key", "remove", "key-1", answers=answers, json_output=True)
    assert done.json["wallets"] == ["treasury", "vault"]
    wallet = signer.run("wallet", "show", "vault", json_output=True).json
    assert wallet["keys"][0]["held_by"] == "safe"
    assert wallet["keys"][0]["own"] is None
    assert len(wallet["quorums_without_this_machine"]) == 3
    refusal = signer.run("sign", request_file, "--out", tmp_path / "answer.psbt", expect=9, json_output=True)
    assert refusal.refusals == ["wallet-without-own-key"]


def test_new_key_fails_closed_on_a_bad_source(fresh):
    program = (
        "import os, sys\nfrom falconer_offline import airgap\nairgap.arm()\nos.getrandom = lambda size, flags=0: bytes(size)\n"
        "from falconer_offline.cli import run\nsys.exit(run(sys.argv[1:]))\n"
    )
    command = fresh.command("key", "new", "main")
    place = next(n for n, word in enumerate(command) if word.endswith("falconer-offline"))
    command[place : place + 1] = [str(command[place]).replace("falconer-offline", "python"), "-c", program]
    child = pexpect.spawn(
        "/bin/sh", ["-c", f'exec "$@" 9<{fresh.identity}', "sh", *command],
        env={"FALCONER_OFFLINE_HOME": str(fresh.home), "PATH": "/usr/bin:/bin"}, encoding="utf-8", timeout=60,
    )  # fmt: skip
    child.expect(pexpect.EOF)
    child.close()
    assert "random-source-unhealthy" in child.before
    assert child.exitstatus == 10
    assert fresh.run("key", "list", json_output=True).json["keys"] == []
