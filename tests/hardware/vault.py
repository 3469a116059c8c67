"""A 2-of-3 of a Ledger, a Trezor and a key in software, founded and used by the shipped commands, with recorded firmware for
the two devices.

The transaction is the recorded one, on testnet, and its coins exist nowhere: it is finished and checked by Bitcoin Core's
code, and sent to nobody. What stands in for the coordinator is a test's key. The demo shows what the tests test here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyrage

from falconer_offline.keys.sealed import Identity
from falconer_offline.state import records
from falconer_offline.state.store import State
from falconer_online.consensus import check_scripts
from falconer_shared.bitcoin.address import address_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.policy.parts import KeyHolder
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.finalize import FinalTransaction, finalize
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.verify.signatures import SignatureVerifiedPsbt, merge, verify_signatures
from falconer_shared.verify.transaction import verify
from tests.hardware.recordings import Recording
from tests.hardware.stage import played, stage
from tests.offline.office import ADMINS, Office
from tests.support.policies import PolicyDraft, SshKey, signed
from tests.support.programs import Outcome, Signer
from tests.support.treasury import NOTHING_KNOWN

THIRD = "legal winner thank year wave sausage worth useful legal winner thank yellow"
"""The words of the third key of the recorded 2-of-3, which no recorded device held."""

PATH = "48h/1h/0h/2h"
DEVICES = {"ledger": "73c5da0a", "trezor": "5c9e228d"}
NAME = "vault"

NEEDED = tuple(
    f"{kind}-{what}"
    for kind in DEVICES
    for what in ("enumerate-chain-test", "getxpub-48", "displayaddress-wsh", "signtx-wsh")
)
"""The recordings that are played."""


def there(folder: Path) -> bool:
    """Whether all that is needed can be played."""
    return played(folder, NEEDED)


@dataclass(frozen=True)
class StagedSigner(Signer):
    """`falconer-offline --emulators` in a namespace in which recordings are played."""

    words: tuple[str, ...] = ()
    network_namespace: bool = False

    def command(self, *arguments: object) -> list[str]:
        return [*self.words, *super().command("--emulators", *arguments)]


@dataclass(frozen=True)
class Recorded:
    """What `Office.request` takes for a payment."""

    recorded: UntrustedPsbt

    def psbt(self) -> UntrustedPsbt:
        return self.recorded


def _nothing(_line: str) -> None:
    """Nobody listens."""


@dataclass
class Vault:
    """`recordings`: their folder; `folder`: where home and stick lie; `say` hears each step."""

    recordings: Path
    folder: Path
    say: Callable[[str], None] = _nothing
    signer: Signer = field(init=False)
    office: Office = field(init=False)

    def __post_init__(self) -> None:
        identity = pyrage.x25519.Identity.generate()
        (self.folder / "identity").write_text(f"{identity}\n", encoding="ascii")
        self.signer = Signer(self.folder / "offline", "north", identity=self.folder / "identity")
        self._identity = Identity(identity)
        self.request = self.folder / "request.psbt"
        self._recording = Recording.read(self.recordings, "ledger-signtx-wsh")
        self.wallet = self._recording.wallet()

    def with_devices(
        self,
        names: Sequence[str],
        *arguments: object,
        answers: Sequence[tuple[str, str]] = (),
        json_output: bool = True,
    ) -> Outcome:
        """Run a command with these recordings as devices; they must be used up, and nothing else asked."""
        with stage(self.recordings, *names) as place:
            signer = StagedSigner(self.signer.home, "north", identity=self.signer.identity, words=place.words)
            outcome = signer.run(*arguments, answers=answers, json_output=json_output)
            place.check_used_up()
        return outcome

    def found(self) -> None:
        """Home, keys, wallet, policy."""
        admins: list[object] = []
        for name in ADMINS:
            (self.folder / f"{name}.pub").write_text(f"{SshKey.of(name).public.text()}\n", encoding="ascii")
            admins += ["--admin", self.folder / f"{name}.pub"]
        self.signer.run("init", "--network", "testnet4", "--name", "north", *admins)
        self.signer.run(
            "key",
            "import",
            "office",
            answers=[("Words: ", THIRD), ("BIP 39 passphrase (empty for none): ", "")],
        )
        for kind, fingerprint in DEVICES.items():
            given = self.with_devices(
                [f"{kind}-enumerate-chain-test", f"{kind}-getxpub-48"],
                "hardware", "xpub", fingerprint, "--path", PATH, "--name", kind,
            ).json  # fmt: skip
            self.say(f"hardware xpub: the {kind} {fingerprint} gave its key at {given['path']}")
        self._register()
        self._install_policy()

    def _register(self) -> None:
        descriptor = self.folder / "descriptor.txt"
        descriptor.write_text(f"{self.wallet.descriptor_text}\n", encoding="ascii")
        holders = [*(f"keeper of the {kind}" for kind in DEVICES), ""]
        self.signer.run(
            "wallet", "register", NAME, descriptor,
            answers=[
                *((f"Who holds key {number} of 3: ", who) for number, who in enumerate(holders, 1)),
                ("Last 4 characters of the wallet id: ", self.wallet.wallet_id[-4:]),
            ],
        )  # fmt: skip
        self.say(f"wallet register: 2 of 3 keys, id {self.wallet.wallet_id[:16]}…")

    def _install_policy(self) -> None:
        machine = SshPublicKey.parse((self.signer.home / "machine.pub").read_text(encoding="ascii").strip())
        draft = PolicyDraft(
            network=Network.TESTNET4,
            wallet_id=self.wallet.wallet_id,
            admins=tuple(KeyHolder(name, SshKey.of(name).public) for name in ADMINS),
            signers=(KeyHolder("north", machine),),
            rules={"max_daily_spend_sats": 300_000, "max_fee_sats": 5_000},
            tiers=(),
        )
        candidate = signed(draft.text(), *ADMINS)
        text = self.folder / "policy.txt"
        text.write_bytes(candidate.text)
        words: list[object] = []
        for name, signature in zip(ADMINS, candidate.signatures, strict=True):
            (self.folder / f"{name}.sig").write_bytes(signature)
            words += ["--signature", self.folder / f"{name}.sig"]
        self.signer.run(
            "policy", "install", text, *words,
            answers=[("Last 4 characters of the policy digest: ", draft.policy().digest[-4:])],
        )  # fmt: skip
        self.office = Office(self.signer.home, self._identity, None, self.wallet, draft)  # type: ignore[arg-type]

    def compare_addresses(self) -> None:
        """Each device shows the first address, and a person compares it."""
        address = address_of(self.wallet.scripts(0, 0).script_pubkey, Network.TESTNET4)
        for kind, fingerprint in DEVICES.items():
            self.with_devices(
                [f"{kind}-enumerate-chain-test", f"{kind}-displayaddress-wsh"],
                "hardware", "address", NAME, "--signer", f"hardware:{fingerprint}",
                answers=[("Last 4 characters of the address on the DEVICE's screen: ", address[-4:])],
            )  # fmt: skip
            self.say(f"hardware address: the {kind} shows {address}")

    def ask(self) -> None:
        """The recorded payment as a request that a coordinator signed."""
        recorded = Recorded(self._recording.psbt)
        self.request.write_bytes(self.office.request(recorded, now=int(time.time())))  # type: ignore[arg-type]

    def sign(self, kinds: Sequence[str], keys: Sequence[str] = ()) -> tuple[SignatureVerifiedPsbt, Outcome]:
        """One session with these devices and these keys of the machine; what it answered, and what was on the screen."""
        out = self.folder / f"answer-{'-'.join([*kinds, *keys])}.psbt"
        names = [f"{kind}-{what}" for kind in kinds for what in ("enumerate-chain-test", "signtx-wsh")]
        chosen: list[object] = []
        for signer in [*(f"hardware:{DEVICES[kind]}" for kind in kinds), *keys]:
            chosen += ["--signer", signer]
        verified = verify(self._recording.psbt, self.wallet, NOTHING_KNOWN)
        outcome = self.with_devices(
            names, "sign", self.request, *chosen, "--out", out, json_output=False,
            answers=[
                ("Sum of the payments in satoshis: ", str(int(verified.paid))),
                *(
                    (f"Last 4 characters of destination {number}: ", payment.address[-4:])
                    for number, payment in enumerate(verified.payments, 1)
                ),
            ],
        )  # fmt: skip
        return verify_signatures(verified, UntrustedPsbt.parse(out.read_bytes())), outcome

    def finished(self, *parts: SignatureVerifiedPsbt) -> FinalTransaction:
        """The whole transaction, accepted by Bitcoin Core's code as a spend of the recorded coins."""
        final = finalize(merge(*parts))
        if check_scripts(final) is None:
            raise RuntimeError("py-bitcoinkernel is not installed")
        return final

    def spends(self) -> list[str]:
        """Outcomes of what the journal counts."""
        state = State.open(self.signer.home)
        return [outcome for _, outcome in records.spends(state, self.wallet.wallet_id)]
