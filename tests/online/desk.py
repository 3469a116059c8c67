"""A coordinator on a node that can be made to lie: for faults that no honest node shows. Everything but the node is real."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from falconer_online import approvals, broadcast, receive, request
from falconer_online.build import Payee
from falconer_online.chain.node import (
    Acceptance,
    ChainStatus,
    Coin,
    Layer,
    Mempool,
    Progress,
    TransactionStatus,
    Unconfirmed,
)
from falconer_online.config import Config, Home, NodeConfig
from falconer_online.coordinator import Coordinator, node_wallet_name
from falconer_online.policies import install_policy
from falconer_online.proposals import Created, Wish, create
from falconer_online.store.rows import ProposalRow, WalletRow
from falconer_online.store.store import Store
from falconer_online.wallets import branch_descriptor
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.errors import StateError
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount, FeeRate
from falconer_shared.wallet.registration import RegisteredWallet
from tests.online.office import Machine
from tests.support.policies import PolicyDraft, SshKey, holders, signed
from tests.support.treasury import funding, stranger_address, wallet_of, wpkh_wallet, wsh_wallet

NOW = 1_767_225_600


@dataclass
class LyingNode:
    """Honest as it stands. A test replaces `lie_*` to make it lie in one thing."""

    wallet: RegisteredWallet
    funds: dict[OutPoint, Transaction] = field(default_factory=dict)
    held: set[OutPoint] = field(default_factory=set)
    depths: dict[OutPoint, int] = field(default_factory=dict)
    obeys_depth: bool = True
    mempool: dict[str, int] = field(default_factory=dict)
    sent: dict[str, Transaction] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    next_change: int = 0
    next_receive: int = 0
    fee: int = 1_000
    lie_psbt: Callable[[Transaction], Transaction] = lambda tx: tx
    lie_raw: Callable[[bytes], bytes] = lambda raw: raw
    lie_txid: Callable[[str], str] = lambda txid: txid
    acceptance: Acceptance = field(default_factory=lambda: Acceptance(allowed=True, reason=""))
    pool_state: Mempool = field(
        default_factory=lambda: Mempool(10, 2_000, 30_000, 300_000_000, FeeRate(1_000), FeeRate(1_000))
    )
    rates: dict[int, FeeRate | None] = field(default_factory=dict)
    locks_refused: bool = False
    fault: Exception | None = None

    def add_coin(self, index: int, sats: int) -> OutPoint:
        tx = funding(self.wallet.scripts(0, index).script_pubkey, sats, salt=index)
        outpoint = OutPoint(tx.txid(), 0)
        self.funds[outpoint] = tx
        self.next_receive = max(self.next_receive, index + 1)
        return outpoint

    def _ask(self) -> None:
        if self.fault is not None:
            raise self.fault

    def status(self) -> ChainStatus:
        self._ask()
        return ChainStatus("regtest", 200, 200, synced=True, lowest_height=0, version="/lying:1/")

    def check_network(self) -> None:
        self._ask()

    def block_time(self, height: int) -> int:
        return NOW - (200 - height) * 600

    def open_wallet(self, _name: str) -> bool:
        self._ask()
        return True

    def import_descriptors(self, _name: str, _descriptors: Sequence[str], _last: int) -> None:
        self._ask()

    def rescan(self, _name: str, start: int, progress: Progress) -> None:
        progress(1, 200 - start)

    def next_indexes(self, _name: str) -> dict[str, int]:
        self._ask()
        return {
            branch_descriptor(self.wallet, 0): self.next_receive,
            branch_descriptor(self.wallet, 1): self.next_change,
        }

    def coins(self, _name: str) -> tuple[Coin, ...]:
        self._ask()
        return tuple(
            Coin(each, tx.outputs[each.vout].value, tx.outputs[each.vout].script, self.depths.get(each, 6))
            for each, tx in self.funds.items()
            if not any(each in _spent(other) for txid, other in self.sent.items() if txid not in self.dropped)
        )

    def choose(
        self, _name: str, payments: Sequence[tuple[str, Amount]], change_address: str, fee_rate: FeeRate,
        *, coins: Collection[OutPoint] = (), subtract_fee: bool = False, min_confirmations: int = 0,
    ) -> bytes:  # fmt: skip
        self._ask()
        shallow = {
            each for each in self.funds if self.obeys_depth and self.depths.get(each, 6) < min_confirmations
        }
        wanted = sum(int(sats) for _, sats in payments) + (0 if subtract_fee else self.fee)
        chosen: list[OutPoint] = []
        total = 0
        for outpoint, tx in self.funds.items():
            if (outpoint in coins) if coins else (total < wanted and outpoint not in self.held | shallow):
                chosen.append(outpoint)
                total += int(tx.outputs[outpoint.vout].value)
        if total < wanted:
            raise StateError("funds-insufficient", "too little")
        self.held.update(chosen)
        network = self.wallet.network
        part, remainder = divmod(self.fee if subtract_fee else 0, len(payments))
        outputs = [
            TxOutput(Amount(sats - part - (remainder if number == 0 else 0)), script_of(address, network))
            for number, (address, sats) in enumerate(payments)
        ]
        if total > wanted:
            outputs.insert(0, TxOutput(Amount(total - wanted), script_of(change_address, network)))
        inputs = tuple(TxInput(each, b"", 0xFFFFFFFD) for each in chosen)
        return new_psbt(self.lie_psbt(Transaction(2, inputs, tuple(outputs), 0))).serialize()

    def confirmations(self, outpoint: OutPoint) -> int | None:
        self._ask()
        return self.depths.get(outpoint, 6) if outpoint in self.funds else None

    def locked(self, _name: str) -> frozenset[OutPoint]:
        self._ask()
        return frozenset(self.held)

    def lock(self, _name: str, outpoint: OutPoint) -> bool:
        self._ask()
        if self.locks_refused:
            return False
        self.held.add(outpoint)
        return True

    def unlock(self, _name: str, outpoints: Sequence[OutPoint]) -> None:
        self._ask()
        self.held.difference_update(outpoints)

    def raw_transaction(self, _name: str, txid: str) -> bytes:
        self._ask()
        found = next((tx for each, tx in self.funds.items() if each.txid[::-1].hex() == txid), None)
        return self.lie_raw((found or next(iter(self.funds.values()))).serialize())

    def fee_rate(self, _blocks: int) -> FeeRate | None:
        self._ask()
        return self.rates.get(_blocks, FeeRate(2_000))

    def pool(self) -> Mempool:
        self._ask()
        return self.pool_state

    def pool_layers(self, bounds: Sequence[FeeRate]) -> Mempool:
        self._ask()
        return replace(self.pool_state, layers=tuple(Layer(bound, 1, 200) for bound in bounds))

    def test_accept(self, raw: bytes) -> Acceptance:
        Transaction.parse(raw)
        self._ask()
        return self.acceptance

    def send(self, raw: bytes) -> str:
        self._ask()
        tx = Transaction.parse(raw)
        txid = tx.txid_hex()
        for other, replaced in self.sent.items():
            if other != txid and _spent(replaced) & _spent(tx):
                self.dropped.add(other)
        self.mempool[txid], self.sent[txid] = 0, tx
        ours = [self.wallet.scripts(1, index).script_pubkey for index in range(20)]
        for number, output in enumerate(tx.outputs):
            if output.script in ours:
                self.funds[OutPoint(tx.txid(), number)], self.depths[OutPoint(tx.txid(), number)] = tx, 0
        return self.lie_txid(txid)

    def unconfirmed(self, txid: str) -> Unconfirmed | None:
        self._ask()
        if self.mempool.get(txid) != 0 or txid in self.dropped:
            return None
        family = [self.sent[txid]]
        parents = [
            tx
            for other, tx in self.sent.items()
            if other in {each.txid[::-1].hex() for each in _spent(family[0])}
        ]
        children = [tx for tx in self.sent.values() if family[0].txid() in {each.txid for each in _spent(tx)}]
        return Unconfirmed(
            ancestor_fees=Amount(sum(map(self._fee, family + parents))),
            ancestor_size=sum(tx.weight().virtual_size() for tx in family + parents),
            descendant_fees=Amount(sum(map(self._fee, family + children))),
        )

    def _fee(self, tx: Transaction) -> int:
        spent = sum(self.funds[each].outputs[each.vout].value for each in _spent(tx))
        return spent - sum(output.value for output in tx.outputs)

    def transaction(self, _name: str, txid: str) -> TransactionStatus | None:
        self._ask()
        if txid not in self.mempool:
            return None
        depth = self.mempool[txid]
        return TransactionStatus(depth, 100 if depth > 0 else None, in_mempool=depth == 0)


def _spent(tx: Transaction) -> set[OutPoint]:
    return {each.outpoint for each in tx.inputs}


@dataclass
class Desk:
    """The coordinator's parts, with a clock that a test turns."""

    folder: Path
    node: LyingNode
    draft: PolicyDraft
    machines: tuple[Machine, ...]
    now: int = NOW

    @classmethod
    def make(cls, folder: Path, *, multisig: bool = False, form: str | None = None, **rules: int) -> Desk:
        """`form`: one of `treasury.FORMS`; of those with several keys, two of three sign."""
        wallet = wallet_of(form) if form else wsh_wallet() if multisig else wpkh_wallet()
        seeds = dict(zip("abc", range(1, wallet.size + 1), strict=False))
        machines = tuple(Machine(f"machine-{name}", (seed,)) for name, seed in seeds.items())
        draft = PolicyDraft(
            wallet_id=wallet.wallet_id,
            signers=holders(*(machine.name for machine in machines)),
            rules={"human_approval_threshold_sats": 100_000, **rules},
        )
        desk = cls(folder, LyingNode(wallet), draft, machines)
        folder.chmod(0o700)
        store = Store.create(desk.home.database)
        with store.change(NOW) as change:
            change.pin_administrators({each.name: each.key.text() for each in draft.admins}, "-", "regtest")
            change.add_wallet(WalletRow(wallet.wallet_id, wallet.name, wallet.descriptor_text, 0, -1, -1))
        desk.home.key_file.touch(0o600)
        private = SshKey.of("coordinator").private
        desk.home.key_file.write_bytes(
            private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        )
        desk.install()
        return desk

    @property
    def home(self) -> Home:
        return Home(self.folder, self.folder)

    @property
    def wallet_name(self) -> str:
        return node_wallet_name(self.node.wallet.wallet_id)

    @property
    def coordinator(self) -> Coordinator:
        config = Config(self.home, Network.REGTEST, NodeConfig("http://127.0.0.1:1", None), confirmations=2)
        return Coordinator(config, Store.open(self.home.database), self.node, lambda: self.now)

    def install(self, **changes: object) -> None:
        self.draft = replace(self.draft, **changes)  # type: ignore[arg-type]
        policy = signed(self.draft.text(), *(holder.name for holder in self.draft.admins))
        install_policy(self.coordinator, policy.text, policy.signatures)

    def create(self, sats: int = 40_000, to: str | None = None, **wish: object) -> Created:
        address = to or stranger_address(sats)
        payee = Payee(address, script_of(address, Network.REGTEST), Amount(sats))
        return create(self.coordinator, Wish((payee,), **wish))  # type: ignore[arg-type]

    def approve(self, proposal: str, *names: str) -> str:
        intent = self.coordinator.store
        with intent.read() as view:
            text = view.proposal(proposal).intent
        raw = [SshKey.of(name).sign(text, "falconer-approval@1") for name in names]
        row, _ = approvals.approve(self.coordinator, proposal, raw)
        return row.state.value

    def request(self, proposal: str, psbt_version: int = 0) -> bytes:
        row = request.build(self.coordinator, proposal)
        data = request.export(self.coordinator, row, psbt_version)
        request.mark_sent(self.coordinator, proposal)
        return data

    def answer(self, data: bytes, number: int = 0, **options: str | None) -> bytes:
        return self.machines[number].answer(data, self.node.wallet.descriptor_text, **options)

    def receive(self, answer: bytes) -> receive.Received:
        return receive.receive(self.coordinator, answer)

    def broadcast(self, proposal: str) -> broadcast.Broadcast:
        return broadcast.broadcast(self.coordinator, proposal)

    def out(self, proposal: str) -> str:
        """Built, signed by every machine, received and sent; its transaction id."""
        data = self.request(proposal)
        for number in range(len(self.machines)):
            self.receive(self.answer(data, number))
        return self.broadcast(proposal).final.txid_hex

    def row(self, proposal: str) -> ProposalRow:
        with self.coordinator.store.read() as view:
            return view.proposal(proposal)

    def state(self, proposal: str) -> str:
        with self.coordinator.store.read() as view:
            return view.proposal(proposal).state.value

    def psbt(self, proposal: str) -> UntrustedPsbt:
        with self.coordinator.store.read() as view:
            return UntrustedPsbt.parse(view.proposal(proposal).psbt)

    def held(self) -> dict[OutPoint, str]:
        with self.coordinator.store.read() as view:
            return view.held(self.node.wallet.wallet_id)

    def events(self) -> list[str]:
        from falconer_shared.audit.record import AuditRecord

        with self.coordinator.store.read() as view:
            return [AuditRecord.parse(line).event for line in view.audit_lines()]
