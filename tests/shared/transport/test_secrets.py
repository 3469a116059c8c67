"""Codes that hold a seed or a private key: refused in every dialect, and nothing of them kept or said."""

from __future__ import annotations

import ast
import base64
import gc
import json
import re
from pathlib import Path

import pytest

from falconer_shared.encoding import cbor
from falconer_shared.transport import bytewords, content
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.receive import Receiver

WORDS = ["abandon"] * 11 + ["about"]
XPRV = "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"
WIF = "Kxyjdi2KhJMBtPBJia5bmhZFfdMi1YrVYcq41QbnGToa2JXokeAu"

SECRETS = {
    "words": " ".join(WORDS),
    "words in upper case": " ".join(WORDS).upper(),
    "24 words": " ".join(["zoo"] * 23 + ["vote"]),
    "extended private key": XPRV,
    "private key of a multisig form": "Zprv" + XPRV[4:],
    "private key in a descriptor": f"wpkh([d34db33f/84h]{XPRV}/<0;1>/*)",
    "single private key": WIF,
    "single private key in a descriptor": f"pkh({WIF})",
    "codex32": "ms10testsxxxxxxxxxxxxxxxxxxxxxxxxxx4nzvca9cmczlw",
    "UR of a seed": "ur:crypto-seed/oeadgdstaslplabghydrpfmkbggufgludprfgmaotpiecffltnlpqdenos",
    "UR of a seed, version 2": "UR:SEED/OEADGDSTASLPLABGHYDRPFMKBGGUFGLUDPRFGMAOTPIECFFLTNLPQDENOS",
    "part of a UR of words": "ur:crypto-bip39/1-3/aeadaolazmjendeoti",
    "UR of a share": "ur:crypto-sskr/aeadaolazmjendeoti",
    "words as UR bytes": f"ur:bytes/{bytewords.encode(cbor.encode(' '.join(WORDS).encode()))}",
    "words in hexadecimal BBQr": "B$HU0100" + " ".join(WORDS).encode().hex().upper(),
    "words in BBQr as binary": "B$HB0100" + " ".join(WORDS).encode().hex().upper(),
    "a key in BBQr as CBOR": "B$HC0100" + XPRV.encode().hex().upper(),
    "a key in BBQr as a program": "B$2X0100" + base64.b32encode(WIF.encode()).decode().rstrip("="),
    "a key of Coldcard's teleport": "B$2S0100" + base64.b32encode(b"x" * 40).decode(),
}


@pytest.mark.parametrize("case", SECRETS)
def test_secrets(case: str) -> None:
    """A039, A093"""
    receiver = Receiver()
    secret = SECRETS[case]
    progress = receiver.feed(secret)
    assert progress.refusal is not None
    assert progress.refusal.rule == "secret-in-code"
    assert secret[:12] not in str(progress.refusal) + str(progress.refusal.as_json())
    assert progress.received is None
    assert secret not in kept(receiver)


def test_a_seed_in_parts() -> None:
    """It is known for what it is when it is whole; then its parts are dropped too."""
    frames = [SECRETS["words in hexadecimal BBQr"].replace("U0100", f"U020{n}") for n in (0, 1)]
    words = " ".join(WORDS).encode().hex().upper()
    frames = [frames[0][:8] + words[:100], frames[1][:8] + words[100:]]
    receiver = Receiver()
    assert receiver.feed(frames[0]).refusal is None
    progress = receiver.feed(frames[1])
    assert progress.refusal is not None
    assert progress.refusal.rule == "secret-in-code"
    assert progress.refusal.__traceback__ is None
    assert progress.senders == 0
    assert not any(frame in kept(receiver) for frame in frames)


def kept(receiver: Receiver) -> list[str]:
    """Every text that the receiver still holds."""
    seen: set[int] = set()
    waiting: list[object] = [receiver]
    texts = []
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type):
            continue
        seen.add(id(item))
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, Receiver | dict | list | tuple) or type(item).__module__.startswith(
            "falconer_shared"
        ):
            waiting += gc.get_referents(item)
    return texts


def test_seedqr(vectors: Path) -> None:
    """The vectors of SeedSigner, standard and compact: 48 or 96 digits, 16 or 32 bytes."""
    entries = json.loads((vectors / "vectors/json/seedqr_vectors.json").read_text())
    standard = [digits for entry in entries for digits in entry["standard"]]
    compact = [
        ast.literal_eval(found)
        for entry in entries
        for found in re.findall(r"^(b'.*'|b\".*\")$", entry["text"], re.MULTILINE)
    ]
    assert len(standard) == 9
    assert len(compact) >= 6
    for code in [*standard, *compact]:
        receiver = Receiver()
        progress = receiver.feed(code)
        assert progress.refusal is not None
        assert progress.refusal.rule == "secret-in-code"
        text = code if isinstance(code, str) else code.decode("latin-1")
        assert text not in kept(receiver)
        # and between the parts of something else it costs itself alone
        assert receiver.feed("p1of2 pay").refusal is None
        assert receiver.feed(code).refusal is not None
        assert receiver.feed("p2of2 me").complete


@pytest.mark.parametrize(
    "text",
    [
        "0" * 47,
        "0" * 64,
        "deadbeef" * 4,
        "a plain text of 16",
        "exactly 16 chars",
        " ".join(["word"] * 13),
        " ".join(["toolongforaword"] * 12),
        " ".join(["ab"] * 12),
        "xpub6CnQkivUEH9bSbWVWfDLCtigKKgnSWGaVSRyCbN2QNBJzuvHT1vUQpgSpY1NiVvoeNEuVwk748Cn9G3NtbQB1aGGsEL7aYEnjVWgjj9tefu",
        "K" * 52,  # as long as a private key, and no checksum fits
        WIF + "x",
        "ur:crypto-psbt/aeadaolazmjendeoti",
    ],
)
def test_what_is_no_secret(text: str) -> None:
    content.refuse_secret(text)


def test_bytes_of_other_lengths() -> None:
    for size in (15, 17, 31, 33):
        content.refuse_secret(bytes(range(200, 200 + size)).decode("latin-1"))
    assert content.kind_of(bytes(range(200, 232))) is Kind.BYTES
