"""JSON-RPC to Bitcoin Core or Knots: one bounded request, one bounded answer, nothing repeated silently.

Credentials come from the environment or from the node's cookie, which is read again for every request because
a restarted node writes a new one. They go to the configured host alone: no redirect is followed and no proxy
asked. Numbers keep every digit (Decimal).
"""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as PoolTimeout

from falconer_online.chain.shape import Json, an_object, wrong
from falconer_online.config import Config, default_cookie
from falconer_shared.errors import DeviceError
from falconer_shared.text import safe

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Bytes read of one answer: `listunspent` of 50,000 coins takes 25 MB."""

_MAX_COOKIE_BYTES = 1024

_CHUNK = 256 * 1024


class RpcRefusal(DeviceError):
    """The node understood and refused. `code` is Bitcoin Core's RPC error code."""

    def __init__(self, method: str, code: int, reason: str) -> None:
        super().__init__("node-refused", f"the node refused {method}: {safe(reason)}", code=code)
        self.code = code
        self.reason = reason


class RpcClient:
    """One node. Not for several threads."""

    def __init__(self, config: Config) -> None:
        self._url = config.node.url.rstrip("/")
        self._cookie = config.node.cookie or default_cookie(config.network)
        self._seconds = config.node.timeout_seconds
        # retries=False also means: an answer is never waited for twice, so no transaction is sent twice unseen
        self._pool = urllib3.PoolManager(num_pools=1, retries=False)

    def call(self, method: str, *params: Json, wallet: str | None = None, seconds: int | None = None) -> Json:
        """One call.

        Raises:
            RpcRefusal: the node said no. DeviceError: `node-unreachable`, `node-timeout`, `node-credentials`,
            `node-answer`.
        """
        url = self._url + (f"/wallet/{wallet}" if wallet is not None else "/")
        # Decimal never goes out: amounts are sent as text, which the node reads exactly
        body = json.dumps({"jsonrpc": "1.0", "id": 1, "method": method, "params": list(params)}).encode()
        status, data = self._post(url, body, method, seconds or self._seconds)
        if status in {401, 403}:
            raise DeviceError(
                "node-credentials",
                f"the node at {safe(self._url)} does not accept our credentials",
                remedy="check the cookie file (falconer init --cookie) or FALCONER_NODE_USER and FALCONER_NODE_PASSWORD",
            )
        if status == 503:
            raise DeviceError(
                "node-busy", "the node has too many requests waiting", remedy="repeat in a moment"
            )
        # Bitcoin Core answers a refused call with 500 or 404 and a JSON body that says why
        answer = an_object(self._decode(data, method, status), method)
        error = answer.get("error")
        if error is not None:
            self._refuse(method, error)
        if status != 200:
            raise wrong(method, f"has HTTP status {status}")
        return answer.get("result")

    def _refuse(self, method: str, error: Json) -> NoReturn:
        details = an_object(error, method)
        code, message = details.get("code"), details.get("message")
        if type(code) is not int or not isinstance(message, str):
            raise wrong(method, "holds an error without code and message")
        if code == -28:
            raise DeviceError(
                "node-busy", f"the node is starting up: {safe(message)}", remedy="repeat in a moment"
            )
        raise RpcRefusal(method, code, message)

    def _post(self, url: str, body: bytes, method: str, seconds: int) -> tuple[int, bytes]:
        headers = urllib3.make_headers(basic_auth=self._credentials()) | {"Content-Type": "application/json"}
        try:
            answer = self._pool.request(
                "POST",
                url,
                body=body,
                headers=headers,
                redirect=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=min(10, seconds), read=seconds),
            )
            try:
                return answer.status, self._read(answer, method)
            finally:
                answer.close()
                answer.release_conn()
        except NewConnectionError as error:
            # a PoolTimeout by its class, and a refused connection by what it says
            raise self._unreachable(error) from None
        except PoolTimeout:
            raise DeviceError(
                "node-timeout",
                f"the node at {safe(self._url)} did not answer {method} within {seconds} s",
                remedy="if it is busy, wait; timeout_seconds in config.toml allows more",
            ) from None
        except (HTTPError, OSError) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> DeviceError:
        return DeviceError(
            "node-unreachable",
            f"the node at {safe(self._url)} cannot be reached: {safe(_reason(error))}",
            remedy="start the node, or correct its URL in config.toml",
        )

    def _read(self, answer: urllib3.BaseHTTPResponse, method: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        # decode_content: no compression was asked for, and a compressed bomb is not unpacked
        for part in answer.stream(_CHUNK, decode_content=False):
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise wrong(method, f"has more than {MAX_ANSWER_BYTES} bytes")
            parts.append(part)
        return b"".join(parts)

    @staticmethod
    def _decode(data: bytes, method: str, status: int) -> Json:
        try:
            decoded: Json = json.loads(data, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError, ArithmeticError):
            raise wrong(method, f"is not JSON (HTTP status {status})") from None
        return decoded

    def _credentials(self) -> str:
        user = os.environ.get("FALCONER_NODE_USER")
        password = os.environ.get("FALCONER_NODE_PASSWORD")
        if user is not None and password is not None:
            return f"{user}:{password}"
        if (user is None) != (password is None):
            raise DeviceError(
                "node-credentials",
                "of FALCONER_NODE_USER and FALCONER_NODE_PASSWORD only one is set",
                remedy="set both, or none to use the cookie file",
            )
        return _read_cookie(self._cookie)


def _read_cookie(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_COOKIE_BYTES + 1)
        cookie = data.decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not ASCII"
        raise DeviceError(
            "node-credentials",
            f"the node's cookie file {safe(str(path))} cannot be read: {safe(reason or '')}",
            remedy="start the node, name its cookie with falconer init --cookie, "
            "or set FALCONER_NODE_USER and FALCONER_NODE_PASSWORD",
        ) from None
    if len(data) > _MAX_COOKIE_BYTES or ":" not in cookie or not cookie.isprintable():
        raise DeviceError("node-credentials", f"{safe(str(path))} is not a cookie file of a node")
    return cookie


def _reason(error: Exception) -> str:
    """The innermost reason, without urllib3's object addresses."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return getattr(cause, "strerror", None) or type(cause).__name__


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
