"""The wire to the node, against a server that misbehaves in every way that HTTP allows."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from falconer_online.chain import rpc as module
from falconer_online.chain.core import CoreNode
from falconer_online.chain.rpc import RpcClient, RpcRefusal
from falconer_online.config import Config, Home, NodeConfig
from falconer_shared.bitcoin.network import Network
from falconer_shared.errors import DeviceError
from tests.support.refusal import refused

Reply = Callable[[http.server.BaseHTTPRequestHandler, dict], None]


class Server:
    """Answers every request as `reply` says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.reply: Reply = answers(None)
        self.asked: list[tuple[str, dict, str | None]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, body, self.headers["Authorization"]))
                outer.reply(self, body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"


def raw(body: bytes, status: int = 200, **headers: str) -> Reply:
    def reply(handler: http.server.BaseHTTPRequestHandler, _: dict) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def answers(result: object, status: int = 200) -> Reply:
    return raw(json.dumps({"result": result, "error": None, "id": 1}).encode(), status)


def error(code: int, message: str, status: int = 500) -> Reply:
    return raw(
        json.dumps({"result": None, "error": {"code": code, "message": message}, "id": 1}).encode(), status
    )


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()
    made.thread.join()


@pytest.fixture
def cookie(tmp_path: Path) -> Path:
    path = tmp_path / ".cookie"
    path.write_text("__cookie__:first")
    return path


@pytest.fixture
def config(server: Server, cookie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.delenv("FALCONER_NODE_USER", raising=False)
    monkeypatch.delenv("FALCONER_NODE_PASSWORD", raising=False)
    return Config(Home(tmp_path, tmp_path), Network.REGTEST, NodeConfig(server.url, cookie, 2), 1)


@pytest.fixture
def client(config: Config) -> RpcClient:
    return RpcClient(config)


def test_a_call_and_its_answer(server: Server, client: RpcClient):
    server.reply = answers({"height": 7})
    assert client.call("getsomething", 1, "two", wallet="w") == {"height": 7}
    path, body, _ = server.asked[0]
    assert path == "/wallet/w"
    assert (body["method"], body["params"]) == ("getsomething", [1, "two"])


def test_numbers_keep_every_digit(server: Server, client: RpcClient):
    server.reply = raw(b'{"result": [0.1, 20999999.97690000, 1e-8], "error": null}')
    assert client.call("x") == [Decimal("0.1"), Decimal("20999999.97690000"), Decimal("1E-8")]


def test_the_cookie_is_read_again_for_every_request(server: Server, client: RpcClient, cookie: Path):
    client.call("x")
    cookie.write_text("__cookie__:second\n")
    client.call("x")
    seen = [base64.b64decode(header.removeprefix("Basic ")) for _, _, header in server.asked if header]
    assert seen == [b"__cookie__:first", b"__cookie__:second"]


def test_the_environment_comes_before_the_cookie(
    server: Server, client: RpcClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FALCONER_NODE_USER", "me")
    with refused("node-credentials", DeviceError):
        client.call("x")
    monkeypatch.setenv("FALCONER_NODE_PASSWORD", "pä:ss")
    client.call("x")
    header = server.asked[0][2]
    assert header is not None
    assert base64.b64decode(header.removeprefix("Basic ")) in {
        "me:pä:ss".encode(),
        "me:pä:ss".encode("latin-1"),
    }


@pytest.mark.parametrize("content", [None, b"", b"nocolon", b"\xff\xfe:", b"a:" + b"x" * 2000])
def test_a_cookie_that_is_none_says_so(client: RpcClient, cookie: Path, content: bytes | None):
    cookie.unlink() if content is None else cookie.write_bytes(content)
    with refused("node-credentials", DeviceError):
        client.call("x")


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_are_not_taken(server: Server, client: RpcClient, status: int):
    server.reply = raw(b"", status)
    with refused("node-credentials", DeviceError):
        client.call("x")


def test_a_refusal_keeps_its_code_and_is_escaped(server: Server, client: RpcClient):
    server.reply = error(-4, "no \x1b[2J coins")
    with pytest.raises(RpcRefusal) as caught:
        client.call("x")
    assert (caught.value.code, caught.value.rule) == (-4, "node-refused")
    assert "\\x1b" in caught.value.message


@pytest.mark.parametrize("reply", [error(-28, "Loading"), raw(b"Work queue depth exceeded", 503)])
def test_a_node_that_is_busy(server: Server, client: RpcClient, reply: Reply):
    server.reply = reply
    with refused("node-busy", DeviceError):
        client.call("x")


BAD = {
    "not json": raw(b"<html>"),
    "empty": raw(b""),
    "not utf-8": raw(b"\xff\xff"),
    "a list": raw(b"[]"),
    "NaN": raw(b'{"result": NaN, "error": null}'),
    "deep": raw(b'{"result": ' + b"[" * 100_000),
    "a huge number": raw(b'{"result": ' + b"9" * 10_000 + b', "error": null}'),
    "an error without a code": raw(b'{"result": null, "error": {"message": "x"}}'),
    "an error that is text": raw(b'{"result": null, "error": "x"}'),
    "another status": answers(1, 404),
    "elsewhere": raw(b"", 302, Location="http://127.0.0.1:1/"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_answer_that_is_none(server: Server, client: RpcClient, name: str):
    server.reply = BAD[name]
    with refused("node-answer", DeviceError):
        client.call("x")
    assert len(server.asked) == 1


def test_an_answer_without_end_is_cut(server: Server, client: RpcClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1000)
    server.reply = answers("x" * 900)
    assert client.call("x")
    server.reply = answers("x" * 1000)
    with refused("node-answer", DeviceError):
        client.call("x")


def test_a_node_that_does_not_answer(server: Server, client: RpcClient):
    server.reply = lambda *_: time.sleep(1.5)
    with refused("node-timeout", DeviceError):
        client.call("x", seconds=1)
    assert len(server.asked) == 1


def test_a_node_that_hangs_up(server: Server, client: RpcClient):
    server.reply = lambda *_: None  # the handler returns, and the server closes the connection
    with refused("node-unreachable", DeviceError):
        client.call("sendrawtransaction")
    assert len(server.asked) == 1


def test_a_node_that_promises_more_than_it_sends(server: Server, client: RpcClient):
    server.reply = raw(b'{"result": 1', Content_Length="5000")
    with refused("node-unreachable", DeviceError):
        client.call("x")


def test_no_node(config: Config):
    nobody = RpcClient(
        Config(config.home, config.network, NodeConfig("http://127.0.0.1:1", config.node.cookie), 1)
    )
    with refused("node-unreachable", DeviceError) as caught:
        nobody.call("x")
    assert caught.value.EXIT_STATUS == 7
    assert "0x" not in caught.value.message


# what CoreNode makes of answers


def node(config: Config, server: Server, **results: object) -> CoreNode:
    chain = {"chain": "regtest", "blocks": 5, "headers": 5, "initialblockdownload": False, "pruned": False}

    def reply(handler: http.server.BaseHTTPRequestHandler, body: dict) -> None:
        answers({"getblockchaininfo": chain, **results}.get(body["method"]))(handler, body)

    server.reply = reply
    return CoreNode(config)


def test_another_network_is_refused_before_anything_else(config: Config, server: Server):
    asked = node(config, server, getblockchaininfo={"chain": "main"})
    with refused("node-wrong-network", DeviceError):
        asked.send(b"\x01")
    assert [body["method"] for _, body, _ in server.asked] == ["getblockchaininfo"]


@pytest.mark.parametrize(
    ("amount", "good"),
    [("0.00000001", True), ("1E-8", True), ("21000000", True), ("1e5", True), ("0.000000001", False), ("21000000.1", False),
     ("-1", False), ("1e999999999", False), ("true", False), ('"1"', False), ("null", False)],
)  # fmt: skip
def test_amounts_are_exact_or_refused(config: Config, server: Server, amount: str, *, good: bool):
    asked = node(config, server)
    coin = (
        f'{{"txid": "{"ab" * 32}", "vout": 0, "amount": {amount}, "scriptPubKey": "00", "confirmations": 1}}'
    )

    def reply(handler: http.server.BaseHTTPRequestHandler, body: dict) -> None:
        if body["method"] == "listunspent":
            raw(f'{{"result": [{coin}], "error": null}}'.encode())(handler, body)
        else:
            listed = {"getblockchaininfo": {"chain": "regtest"}, "listlockunspent": []}
            answers(listed[body["method"]])(handler, body)

    server.reply = reply
    if good:
        assert asked.coins("w")[0].amount == int(Decimal(amount) * 100_000_000)
        return
    with refused("node-answer", DeviceError):
        asked.coins("w")


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("listdescriptors", {"descriptors": [{"desc": "x", "next_index": -1}]}),
        ("listdescriptors", {"descriptors": "x"}),
        ("listlockunspent", [{"txid": "zz", "vout": 0}]),
        ("listlockunspent", [{"txid": "ab" * 32, "vout": 2**32}]),
        ("gettransaction", {"hex": "zz", "confirmations": 0}),
        ("gettransaction", {"confirmations": "1"}),
        ("testmempoolaccept", []),
        ("testmempoolaccept", [{"allowed": 1}]),
        ("sendrawtransaction", None),
        ("estimatesmartfee", {"feerate": -1}),
        ("walletcreatefundedpsbt", {"psbt": "!!"}),
    ],
)
def test_answers_of_another_shape_are_refused(config: Config, server: Server, method: str, result: object):
    asked = node(config, server, **{method: result})
    calls: dict[str, Callable[[], object]] = {
        "listdescriptors": lambda: asked.next_indexes("w"),
        "listlockunspent": lambda: asked.locked("w"),
        "gettransaction": lambda: (asked.raw_transaction("w", "ab"), asked.transaction("w", "ab")),
        "testmempoolaccept": lambda: asked.test_accept(b""),
        "sendrawtransaction": lambda: asked.send(b""),
        "estimatesmartfee": lambda: asked.fee_rate(6),
        "walletcreatefundedpsbt": lambda: asked.choose("w", [], "a", module_rate()),
    }
    with refused("node-answer", DeviceError):
        calls[method]()


def module_rate():
    from falconer_shared.units import FeeRate

    return FeeRate(1000)


def test_an_import_that_fails_says_why(config: Config, server: Server):
    asked = node(
        config,
        server,
        listdescriptors={"descriptors": []},
        importdescriptors=[{"success": False, "error": {"message": "bad\x07"}}],
    )
    with refused("node-import", DeviceError):
        asked.import_descriptors("w", ["x"], 9)
