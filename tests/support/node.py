"""A real node on regtest, for tests, the demo and scripts/node.

    with RegtestNode(folder) as node:
        node.mine(101)
        txid = node.fund(address, 50_000)
        node.rpc("getbalances", wallet="miner")

Amounts come back as `Decimal`, never as floats. The node listens on loopback only, on a free port of its own,
talks to no other node, and is ended by its process id: only what was started here is stopped here.
"""

from __future__ import annotations

import base64
import functools
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.bitcoind import ensure

SECONDS_TO_START = 60
SECONDS_TO_STOP = 60
SECONDS_TO_ANSWER = 120
TRIES_FOR_A_PORT = 3

MINER = "miner"
"""The node's own wallet, which receives what `mine` finds. Regtest only, so it may hold keys."""

SATS = Decimal(100_000_000)


class RpcError(Exception):
    """The node answered with an error: its code and its words."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.code = code
        self.message = message


class NodeStartError(Exception):
    """The node did not come up; the text holds the end of its log."""


class RegtestNode:
    """One bitcoind, its folder, its port and its process.

    `start` may be called again after `stop` or `kill`: the chain and the port are the same.
    """

    def __init__(
        self,
        datadir: Path | str,
        *,
        program: Path | None = None,
        extra: Sequence[str] = (),
        outlive: bool = False,
    ) -> None:
        """`extra` are further flags; `outlive` leaves the node running when the caller ends."""
        self.datadir = Path(datadir).absolute()
        self._program = program
        self._extra = tuple(extra)
        self._outlive = outlive
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None

    # What others need to reach the node

    @property
    def port(self) -> int:
        if self._port is None:
            raise RuntimeError("the node was not started")
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def cookie_file(self) -> Path:
        return self.datadir / "regtest" / ".cookie"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the node is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # Its life

    def start(self) -> str:
        """Start the node, wait until it answers, and return its URL."""
        if self.running:
            return self.url
        self.datadir.mkdir(parents=True, exist_ok=True)
        program = self._program or ensure()
        for attempt in range(1, TRIES_FOR_A_PORT + 1):
            # The port is free now, and may be taken when the node binds it: then once more, with another.
            port = self._port or _free_port()
            self._launch(program, port)
            try:
                self._wait_until_ready(port)
            except NodeStartError:
                self.kill()
                if attempt == TRIES_FOR_A_PORT or "Unable to bind" not in self._log_tail():
                    raise
            else:
                self._port = port
                break
        return self.url

    def stop(self) -> None:
        """Ask the node to end, and see that it does."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()  # bitcoind shuts down cleanly on SIGTERM
            try:
                self._process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End the node at once. Blocks that it had not yet written out are gone from its chain."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # What it does

    def rpc(self, method: str, *params: object, wallet: str | None = None, **named: object) -> Any:
        """One call. Positional or named arguments, not both. Decimals go out as written and come back exact.

        Raises:
            RpcError: the node said no.
        """
        if params and named:
            raise TypeError("positional or named arguments, not both")
        return call(self.port, self.cookie_file, method, named or list(params), wallet=wallet)

    def mine(self, blocks: int = 1, address: str | None = None) -> list[str]:
        """Find so many blocks, for `address` or else for the miner's wallet. Returns their hashes."""
        target = address or self._miner_address()
        hashes: list[str] = self.rpc("generatetoaddress", blocks, target)
        return hashes

    def fund(self, address: str, sats: int, *, confirmations: int = 1) -> str:
        """Pay `sats` to `address` out of mined coins and confirm it. Returns the transaction id."""
        needed = Decimal(sats) / SATS
        while self.rpc("getbalance", wallet=self._miner()) < needed + 1:
            self.mine(101)
        txid: str = self.rpc("sendtoaddress", address, needed, wallet=MINER)
        if confirmations:
            self.mine(confirmations)
        return txid

    def confirmations(self, txid: str) -> int:
        """How deep a transaction is: 0 while it waits in the mempool.

        Raises:
            RpcError: the node knows no such transaction.
        """
        return int(self.rpc("getrawtransaction", txid, 1).get("confirmations", 0))

    # Inside

    def _launch(self, program: Path, port: int) -> None:
        flags = [
            "-regtest",
            f"-datadir={self.datadir}",
            "-listen=0",
            "-dnsseed=0",
            "-txindex=1",
            "-fallbackfee=0.0001",
            "-addresstype=bech32",
            "-server=1",
            f"-rpcport={port}",
            "-rpcbind=127.0.0.1",
            "-rpcallowip=127.0.0.1",
            "-printtoconsole=0",
            *(["-corepolicy=1"] if is_knots(program) else []),
            *self._extra,
        ]
        with (self.datadir / "bitcoind.out").open("wb") as output:
            self._process = subprocess.Popen(
                [*self._leash(), program, *flags],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C at the terminal is the caller's to answer, who then stops the node in order.
                start_new_session=True,
            )

    def _leash(self) -> list[str]:
        # A caller that is killed cannot stop its node; the kernel then does, by the tool of util-linux
        # that asks it to and becomes bitcoind. It goes by the thread that starts the node.
        setpriv = shutil.which("setpriv")
        return [setpriv, "--pdeathsig", "TERM"] if setpriv and not self._outlive else []

    def _wait_until_ready(self, port: int) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            if not self.running:
                raise NodeStartError(f"bitcoind ended at once.\n{self._log_tail()}")
            try:
                call(port, self.cookie_file, "getblockchaininfo", [])
            except (OSError, http.client.HTTPException, RpcError):
                time.sleep(0.02)  # not listening yet, no cookie yet, or still warming up
            else:
                return
        raise NodeStartError(f"bitcoind did not answer within {SECONDS_TO_START} s.\n{self._log_tail()}")

    def _log_tail(self) -> str:
        said = ""
        for path in (self.datadir / "bitcoind.out", self.datadir / "regtest" / "debug.log"):
            if path.exists():
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
                said += "".join(f"  {line}\n" for line in lines)
        return said

    def _miner(self) -> str:
        if MINER not in self.rpc("listwallets"):
            if any(entry["name"] == MINER for entry in self.rpc("listwalletdir")["wallets"]):
                self.rpc("loadwallet", MINER)
            else:
                self.rpc("createwallet", MINER)
        return MINER

    def _miner_address(self) -> str:
        address: str = self.rpc("getnewaddress", wallet=self._miner())
        return address


def call(
    port: int,
    cookie_file: Path,
    method: str,
    params: object,
    *,
    wallet: str | None = None,
) -> Any:
    """One JSON-RPC call to a node on loopback, with the cookie that it wrote."""
    path = f"/wallet/{wallet}" if wallet is not None else "/"
    body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}, default=_number)
    authorization = base64.b64encode(cookie_file.read_bytes().strip()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_TO_ANSWER)
    try:
        connection.request(
            "POST",
            path,
            body,
            {"Authorization": f"Basic {authorization}", "Content-Type": "application/json"},
        )
        response = connection.getresponse()
        data = response.read()
    finally:
        connection.close()
    if response.status == http.client.UNAUTHORIZED:
        raise RpcError(method, response.status, "the node does not take this cookie")
    try:
        answer = json.loads(data, parse_float=Decimal)
    except ValueError as error:
        raise RpcError(method, response.status, data.decode(errors="replace").strip()) from error
    if answer.get("error") is not None:
        raise RpcError(method, answer["error"]["code"], answer["error"]["message"])
    return answer["result"]


def _number(value: object) -> str:
    # The node reads an amount from a string as well, so a Decimal need not become a float.
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} cannot be sent to the node")


@functools.cache
def is_knots(program: Path) -> bool:
    """Whether this is Bitcoin Knots, which has flags that Bitcoin Core refuses."""
    said = subprocess.run([program, "-version"], check=True, capture_output=True, text=True, timeout=60)
    return "Knots" in said.stdout.partition("\n")[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end(pid: int, datadir: Path) -> bool:
    """End the node of that folder, of which only the process id is known. True when it is gone."""
    deadline = time.monotonic() + SECONDS_TO_STOP
    if still_running(pid, datadir):
        os.kill(pid, signal.SIGTERM)
    while still_running(pid, datadir) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not still_running(pid, datadir)


def still_running(pid: int, datadir: Path) -> bool:
    """Whether that process is the node of that folder, and not another that came by its number."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(f"-datadir={datadir}") in arguments
