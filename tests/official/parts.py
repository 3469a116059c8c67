"""All parts, and what becomes of the vector files that have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.official import bitbox, descriptors, encodings, keys, links, psbts, roles, scripts, signatures
from tests.official.cases import Part

PARTS: Final[tuple[Part, ...]] = (
    *keys.PARTS,
    *encodings.PARTS,
    *signatures.PARTS,
    *scripts.PARTS,
    *psbts.PARTS,
    *roles.PARTS,
    *bitbox.PARTS,
    *descriptors.PARTS,
    *links.PARTS,
)

_BLOCKS = "raw/vinteumorg_Floresta"

ELSEWHERE: Final[Mapping[str, str]] = {
    "json/bcr_registry_vectors.json": "tests/shared/transport/test_vectors.py",
    "json/merkle_rfc6962_vectors.json": "tests/shared/audit/test_merkle.py",
    "json/seedqr_vectors.json": "tests/offline/keys/test_seedqr.py",
    "json/bip129_text.json": "tests/attacks/test_wallets.py",
    "raw/coinkite_BBQr/test_data/real-scan.txt": "tests/shared/transport/test_bbqr.py",
    **{
        f"{_BLOCKS}/block_{height}/{name}": "tests/official/blocks.py"
        for height in (367891, 866342)
        for name in ("raw.zst", "spent_utxos.zst")
    },
}
"""Files that another test reads whole, and keeps its own counts of."""

_MUSIG = "MuSig2: no nonce, partial signature or aggregate key is ever made or checked here; a PSBT that asks for it is refused"
_SAME = "the same lines, verbatim and in one piece, as the file without `_blocks`"
_BIP322 = "signed messages: nothing here signs or checks a Bitcoin message"

UNUSED: Final[Mapping[str, str]] = {
    "json/bip49_blocks.json": _SAME,
    "json/bip84_blocks.json": _SAME,
    "json/bip86_blocks.json": _SAME,
    "json/bip85_text.json": "no case was extracted (0 of them), and no key is derived for another application",
    "json/bip129_blocks.json": "the same files as `bip129_text.json`",
    **{
        f"raw/bitcoin_bips/bip-0327/vectors/{name}_vectors.json": _MUSIG
        for name in (
            "det_sign",
            "key_agg",
            "key_sort",
            "nonce_agg",
            "nonce_gen",
            "sig_agg",
            "sign_verify",
            "tweak",
        )
    },
    "raw/bitcoin_bips/bip-0328/vectors.json": _MUSIG,
    "raw/bitcoin_bips/bip-0322/basic-test-vectors.json": _BIP322,
    "raw/bitcoin_bips/bip-0322/generated-test-vectors.json": _BIP322,
    "raw/bitcoin_bips/bip-0352/send_and_receive_test_vectors.json": "silent payments: no such address is read or paid, and a PSBT"
    " that asks for it is refused",
    "raw/trezor_python-shamir-mnemonic/vectors.json": "SLIP 39: seeds are BIP 39 words; shares are not read",
    "raw/C2SP_wycheproof/testvectors_v1/ecdh_secp256k1_test.json": "no shared secret is ever computed on this curve",
    "raw/BlockchainCommons_bc-ur/LICENSE": "no vectors",
    f"{_BLOCKS}/headers.zst": "block headers are not read yet",
    f"{_BLOCKS}/signet_headers": "block headers are not read yet",
}
"""Files that nothing here could run, with the reason."""
