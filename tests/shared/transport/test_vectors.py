"""The official vectors of multi-part UR (BCR-2024-001) and of the PSBT type (BCR-2020-006), read where they lie."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from falconer_shared.encoding import cbor
from falconer_shared.transport import bytewords, fountain
from falconer_shared.transport.parts import Kind, Whole
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.ur import Sender, UrDialect
from tests.support.frames import wolf

MULTIPART = "bcr-2024-001-multipart-ur.md"


@pytest.fixture
def blocks(vectors: Path) -> dict[str, str]:
    """Name of the test function in the document -> its text."""
    document = json.loads((vectors / "vectors/json/bcr_registry_vectors.json").read_text())
    text = "\n".join(block for entry in document[MULTIPART] for block in entry["blocks"])
    pieces = re.split(r"func (test\w+)\(\)", text)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def numbers(text: str, name: str) -> list[int]:
    """The Swift array of numbers called so."""
    match = re.search(name + r" = (\[[\d, \s\[\]]*\])", re.sub("//.*", "", text))
    assert match
    return json.loads(match[1])


def strings(text: str) -> list[str]:
    return re.findall(r'"([^"]+)"', text)


def test_generator(blocks: dict[str, str]) -> None:
    draws = fountain.xoshiro256(b"Wolf")
    assert [next(draws) % 100 for _ in range(100)] == numbers(blocks["testRNG1"], "expectedNumbers")
    draws = fountain.xoshiro256(bytewords.checksum(b"Wolf").to_bytes(4, "big"))
    assert [next(draws) % 100 for _ in range(100)] == numbers(blocks["testRNG2"], "expectedNumbers")
    draws = fountain.xoshiro256(b"Wolf")
    scaled = [int(next(draws) / 2.0**64 * 10) + 1 for _ in range(100)]
    assert scaled == numbers(blocks["testRNG3"], "expectedNumbers")


def test_fragments_chosen(blocks: dict[str, str]) -> None:
    message = wolf(1024)
    known = numbers(blocks["testFragmentChooser"], "expectedFragmentIndexes")
    checksum = bytewords.checksum(message)
    assert [
        sorted(fountain.choose_fragments(number, 11, checksum)) for number in range(1, len(known) + 1)
    ] == known


def test_degrees(blocks: dict[str, str]) -> None:
    known = numbers(blocks["testDegreeChooser"], "expectedDegrees")
    draws = fountain.xoshiro256(b"Wolf")
    assert len(known) == 1000
    assert [fountain.choose_degree(11, draws) for _ in known] == known


def test_order_in_which_fragments_are_drawn(blocks: dict[str, str]) -> None:
    # the document's shuffle of 1..10 is what stands in choose_fragments after the degree was drawn
    known = numbers(blocks["testShuffle"], "expectedResult")[-1]
    draws = fountain.xoshiro256(b"Wolf")
    left = list(range(1, 11))
    assert [left.pop(int(next(draws) / 2.0**64 * len(left))) for _ in range(10)] == known


def test_parts_of_the_encoder(blocks: dict[str, str]) -> None:
    message = wolf(256)
    encoder = fountain.Encoder(message, 30, bytewords.checksum(message))
    made = [
        f"seqNum:{number}, seqLen:{encoder.n}, messageLen:256, checksum:{encoder.checksum}, data:{encoder.part(number).hex()}"
        for number in range(1, 21)
    ]
    assert made == strings(blocks["testEncoder"])


def test_fragments_of_a_message(blocks: dict[str, str]) -> None:
    message = wolf(1024)
    encoder = fountain.Encoder(message, 100, bytewords.checksum(message))
    assert [encoder.part(number).hex() for number in range(1, 12)] == strings(blocks["testPartitionAndJoin"])


def test_cbor_of_a_part() -> None:
    part = cbor.encode([12, 8, 100, 0x12345678, bytes([1, 5, 3, 3, 5])])
    assert part.hex() == "850c0818641a12345678450105030305"


def test_psbt_in_one_part(vectors: Path) -> None:
    document = json.loads((vectors / "vectors/json/bcr_registry_vectors.json").read_text())
    entry = next(
        e for e in document["bcr-2020-006-urtypes.md"] if any("ur:psbt/" in block for block in e["blocks"])
    )
    frame = re.search(r"ur:psbt/\w+", "\n".join(entry["blocks"]))
    data = re.search(r"h'(70736274ff\w+)'", "\n".join(entry["blocks"]))
    assert frame
    assert data
    payload = bytes.fromhex(data[1])
    found = UrDialect().read(frame[0])
    assert isinstance(found, Whole)
    assert found.received.data == payload
    assert found.received.kind is Kind.PSBT
    assert Sender(payload, Kind.PSBT, 4000, type_name="psbt").frame(1) == frame[0].upper()


# From the reference implementation's own tests (bc-ur, test.cpp), for those who have no folder of vectors.
SINGLE = (
    "ur:bytes/hdeymejtswhhylkepmykhhtsytsnoyoyaxaedsuttydmmhhpktpmsrjtgwdpfnsboxgwlbaawzuefywkdplrsrjynbvygabwj"
    "ldapfcsdwkbrkch"
)
PARTS = {
    1: "ur:bytes/1-9/lpadascfadaxcywenbpljkhdcahkadaemejtswhhylkepmykhhtsytsnoyoyaxaedsuttydmmhhpktpmsrjtdkgslpgh",
    9: "ur:bytes/9-9/lpasascfadaxcywenbpljkhdcajskecpmdckihdyhphfotjojtfmlnwmadspaxrkytbztpbauotbgtgtaeaevtgavtny",
    10: "ur:bytes/10-9/lpbkascfadaxcywenbpljkhdcahkadaemejtswhhylkepmykhhtsytsnoyoyaxaedsuttydmmhhpktpmsrjtwdkiplzs",
    12: "ur:bytes/12-9/lpbnascfadaxcywenbpljkhdcarllaluzmdmgstospeyiefmwejlwtpedamktksrvlcygmzemovovllarodtmtbnptrs",
    20: "ur:bytes/20-9/lpbbascfadaxcywenbpljkhdcayapmrleeleaxpasfrtrdkncffwjyjzgyetdmlewtkpktgllepfrltataztksmhkbot",
}


def test_single_part_of_the_reference() -> None:
    assert Sender(wolf(50), Kind.BYTES, 4000).frame(1) == SINGLE.upper()
    assert Receiver().feed(SINGLE).received is not None


def test_parts_of_the_reference() -> None:
    message = cbor.encode(wolf(256))
    encoder = fountain.Encoder(message, 30, bytewords.checksum(message))
    for number, frame in PARTS.items():
        part = cbor.encode([number, encoder.n, len(message), encoder.checksum, encoder.part(number)])
        assert f"ur:bytes/{number}-{encoder.n}/{bytewords.encode(part)}" == frame
