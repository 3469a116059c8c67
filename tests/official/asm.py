"""Bitcoin Core's notation of scripts in its test data: numbers, 0x raw bytes, 'text' and names of opcodes."""

from __future__ import annotations

from falconer_shared.bitcoin.script import push

_NAMES = """
NOP VER IF NOTIF VERIF VERNOTIF ELSE ENDIF VERIFY RETURN TOALTSTACK FROMALTSTACK 2DROP 2DUP 3DUP 2OVER 2ROT 2SWAP IFDUP
DEPTH DROP DUP NIP OVER PICK ROLL ROT SWAP TUCK CAT SUBSTR LEFT RIGHT SIZE INVERT AND OR XOR EQUAL EQUALVERIFY RESERVED1
RESERVED2 1ADD 1SUB 2MUL 2DIV NEGATE ABS NOT 0NOTEQUAL ADD SUB MUL DIV MOD LSHIFT RSHIFT BOOLAND BOOLOR NUMEQUAL
NUMEQUALVERIFY NUMNOTEQUAL LESSTHAN GREATERTHAN LESSTHANOREQUAL GREATERTHANOREQUAL MIN MAX WITHIN RIPEMD160 SHA1 SHA256
HASH160 HASH256 CODESEPARATOR CHECKSIG CHECKSIGVERIFY CHECKMULTISIG CHECKMULTISIGVERIFY NOP1 CHECKLOCKTIMEVERIFY
CHECKSEQUENCEVERIFY NOP4 NOP5 NOP6 NOP7 NOP8 NOP9 NOP10 CHECKSIGADD
""".split()  # noqa: SIM905 - a hundred quoted words on a hundred lines are no easier to check
_OPCODES = {name: 0x61 + place for place, name in enumerate(_NAMES)} | {"RESERVED": 0x50, "1NEGATE": 0x4F}
_OPCODES |= {"NOP2": _OPCODES["CHECKLOCKTIMEVERIFY"], "NOP3": _OPCODES["CHECKSEQUENCEVERIFY"]}


def script(text: str) -> bytes:
    """The bytes of a script in that notation."""
    return b"".join([_word(word) for word in text.split()])


def _word(word: str) -> bytes:
    if word.lstrip("-").isdigit():
        return _number(int(word))
    if word.startswith("0x"):
        return bytes.fromhex(word[2:])
    if word[0] == word[-1] == "'":
        return _pushed(word[1:-1].encode("ascii"))
    return bytes((_OPCODES[word.removeprefix("OP_")],))


def _number(value: int) -> bytes:
    if value == 0:
        return b"\0"
    if value == -1 or 1 <= value <= 16:
        return bytes((0x50 + value,))
    size = (abs(value).bit_length() + 8) // 8
    data = bytearray(abs(value).to_bytes(size, "little"))
    if value < 0:
        data[-1] |= 0x80
    return push(bytes(data))


def _pushed(data: bytes) -> bytes:
    return push(data) if data else b"\0"
