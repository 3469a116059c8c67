"""Treasuries to attack: a wallet of every script type under policies of several shapes, built once a process.

Each is told twice: to the product, through its own registration and policy installation, and to the oracle, as plain facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from embit.networks import NETWORKS

from falconer_offline.keys.private import PrivateNode
from falconer_offline.state import records
from falconer_offline.state.machine import MachineKey
from falconer_offline.state.store import State
from falconer_shared.policy.parts import ApprovalTier, KeyHolder
from falconer_shared.policy.signed import InstalledPolicy
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.wallet.registration import RegisteredWallet
from tests.simulators.truth import Key, Rules, Wallet, address_of, p2wpkh, script_of
from tests.support.policies import PolicyDraft, SshKey, holders, signed
from tests.support.treasury import PATHS, root, wallet_of

NOON = 1_799_928_000
"""Thursday, 14 January 2027, 12:00:00 UTC."""

OUR_SEED = 2
SHARED = ("sh", "sh-wsh", "wsh")

WALLETS = ("pkh", "sh-wpkh", "wpkh", "tr", "sh", "sh-wsh", "wsh", "wsh-multi")
"""By form; all others that hold several keys sort them."""

STRANGERS = 12

_TIERS = (ApprovalTier(0, 1, "desk"), ApprovalTier(500_000, 2, "board"))

SHAPES: Mapping[str, dict[str, object]] = {
    "limits": {"rules": {"max_daily_spend_sats": 900_000, "max_weekly_spend_sats": 1_300_000, "max_fee_sats": 30_000}},
    "tiers": {
        "rules": {
            "human_approval_threshold_sats": 150_000, "max_single_tx_sats": 1_100_000, "max_fee_percent": 20,
            "max_fee_rate_sats_per_vbyte": 80,
        },
        "tiers": _TIERS,
    },
    "strict": {
        "rules": {
            "human_approval_threshold_sats": 0, "allowed_destinations": tuple(f"s{n}" for n in range(6)),
            "funding_proposal_expiry_hours": 48, "min_change_value_sats": 5_000, "no_address_reuse": True,
            "consolidate_below_fee_rate": 10,
        },
        "tiers": _TIERS,
    },
    "times": {
        "rules": {
            "allowed_hours_start": "08:00", "allowed_hours_end": "19:30", "allowed_timezone": "Europe/Berlin",
            "weekend_operations": False, "ai_decision_interval_seconds": 600, "max_daily_proposals": 4,
            "max_destination_spend_sats": 500_000, "denied_destinations": ("s7", "s8"),
        },
    },
    "strategies": {
        "rules": {
            "auto_approve_new_strategies": False, "funding_proposal_threshold_sats": 200_000,
            "max_daily_spend_sats": 2_500_000,
        },
        "tiers": (ApprovalTier(0, 1, "board"), ApprovalTier(300_000, 2, "board")),
    },
    "many": {
        "rules": {
            "human_approval_threshold_sats": 200_000, "max_daily_spend_sats": 1_500_000,
            "max_destination_spend_sats": 900_000,
        },
        "tiers": _TIERS,
        "signers": ("north", "south", "west"),
    },
    "mandatory": {
        "rules": {"human_approval_threshold_sats": 100_000, "max_daily_spend_sats": 1_200_000},
        "tiers": _TIERS,
        "signers": ("north", "south"),
        "mandatory": ("south",),
    },
}  # fmt: skip
"""Policies by shape. The last two are for wallets of several keys."""


def stranger(number: int) -> bytes:
    """The script of somebody: of the address book up to number 9."""
    return p2wpkh(b"\x02" + hashlib.sha256(b"stranger %d" % number).digest())


@dataclass(frozen=True)
class Treasury:
    """A wallet and its policy: for the product, for the oracle, and the keys of its people."""

    form: str
    shape: str
    registered: RegisteredWallet
    installed: InstalledPolicy
    keys: Mapping[int, PrivateNode]
    machine: MachineKey
    state: State
    """As it is before anything was signed, in memory."""
    wallet: Wallet
    rules: Rules
    position: int

    @property
    def name(self) -> str:
        return f"{self.form}/{self.shape}"


def names() -> tuple[tuple[str, str], ...]:
    """Every treasury there is, by wallet and shape."""
    return tuple(
        (form, shape)
        for form in WALLETS
        for shape in SHAPES
        if form.split("-multi")[0] in SHARED or "signers" not in SHAPES[shape]
    )


def point(name: str) -> bytes:
    return SshKey.of(name).private.public_key().public_bytes_raw()


@cache
def _wallet(form: str) -> tuple[RegisteredWallet, Wallet]:
    kind, sorting = (form.removesuffix("-multi"), "multi" if form.endswith("-multi") else "sortedmulti")
    seeds = (1, 2, 3) if kind in SHARED else (OUR_SEED,)
    registered = wallet_of(kind, 2, seeds, sorting)
    keys = tuple(
        Key(
            root(seed).my_fingerprint,
            tuple(root_path(PATHS[kind])),
            root(seed).derive("m/" + PATHS[kind]).to_public().to_base58(NETWORKS["regtest"]["xpub"]),
        )
        for seed in seeds
    )
    return registered, Wallet(kind, 2 if kind in SHARED else 1, keys, in_order=sorting == "multi")


def root_path(path: str) -> list[int]:
    return [int(step.rstrip("h")) + (1 << 31 if step.endswith("h") else 0) for step in path.split("/")]


@cache
def _master() -> PrivateNode:
    return PrivateNode.from_seed(hashlib.sha512(b"falconer test key %d" % OUR_SEED).digest())


def draft_of(form: str, shape: str, machine: SshPublicKey) -> PolicyDraft:
    """The policy of that shape over that wallet, with this machine as `north`."""
    registered, _ = _wallet(form)
    parts = SHAPES[shape]
    others = holders(*(name for name in parts.get("signers", ()) if name != "north"))  # type: ignore[attr-defined]
    return PolicyDraft(
        wallet_id=registered.wallet_id,
        admins=holders("admin-a", "admin-b"),
        signers=(KeyHolder("north", machine), *others),
        mandatory=tuple(parts.get("mandatory", ())),  # type: ignore[arg-type]
        tiers=tuple(parts.get("tiers", ())),  # type: ignore[arg-type]
        addresses={f"s{number}": address_of(stranger(number)) for number in range(10)},
        rules=dict(parts["rules"]),  # type: ignore[call-overload]
    )


@cache
def treasury(form: str, shape: str) -> Treasury:
    """One that lies in memory, made once a process."""
    return build(form, shape, MachineKey(SshKey.of("north").private))


def build(form: str, shape: str, machine: MachineKey) -> Treasury:
    registered, wallet = _wallet(form)
    draft = draft_of(form, shape, machine.public)
    installed = draft.install()
    policy = installed.policy
    rules = Rules(
        version=1,
        digest=hashlib.sha256(draft.text()).hexdigest(),
        wallet_id=registered.wallet_id,
        rules=dict(policy.rules),
        approvers={name: point(name) for name in ("anna", "bert", "carl")},
        groups={"board": frozenset({"anna", "bert", "carl"}), "desk": frozenset({"anna", "bert"})},
        tiers=tuple((tier.above, tier.k, tier.group) for tier in draft.tiers),
        signers={
            "north": machine.public.point,
            **{each.name: point(each.name) for each in draft.signers[1:]},
        },
        mandatory=draft.mandatory,
        coordinator=point("coordinator"),
        addresses={name: script_of(address) or b"" for name, address in draft.addresses.items()},
        share=_SHARES.get(shape, (1, 1)),
    )
    position = 1 if len(wallet.keys) > 1 else 0
    # a second wallet of this machine, of the same seed, which nobody has to approve
    other = OTHERS[form]
    second = (_wallet(other)[0], draft_of(other, "limits", machine.public))
    state = _first_state(((registered, draft), second), machine, position)
    return Treasury(
        form, shape, registered, installed, {position: _master()}, machine, state, wallet, rules, position
    )


_SHARES = {"many": (2, 3)}
"""Three machines of a 2-of-3 wallet hold two thirds each: together no more than the limit, since each spend takes two."""


OTHERS = {form: WALLETS[(number + 1) % len(WALLETS)] for number, form in enumerate(WALLETS)}


def _first_state(
    wallets: Sequence[tuple[RegisteredWallet, PolicyDraft]], machine: MachineKey, position: int
) -> State:
    """What `init`, `wallet register` and `policy install` would have written, without a disk."""
    holding, policies = [], []
    for registered, draft in wallets:
        wallet_id, ours = registered.wallet_id, position if registered.size > 1 else 0
        holding += [
            (wallet_id, n, "this machine" if n == ours else "somebody", "main" if n == ours else None)
            for n in range(registered.size)
        ]
        candidate = signed(draft.text(), *(holder.name for holder in draft.admins))
        policies.append((wallet_id, 1, candidate.text, records.pack_signatures(candidate.signatures)))
    rows = {
        "admins": tuple((holder.key.text(),) for holder in wallets[0][1].admins),
        "facts": (("network", "regtest"), ("signer", "north"), ("time-mark", "0")),
        "holders": tuple(holding),
        "indexes": (),
        "journal": (),
        "keys": (("main", root(OUR_SEED).my_fingerprint.hex(), 0, None),),
        "policies": tuple(policies),
        "receipts": (),
        "spends": (),
        "wallets": tuple((each.name, each.wallet_id, each.canonical, each.gap_limit) for each, _ in wallets),
    }
    return State(Path("/nowhere"), machine.public, rows, b"", 0)
