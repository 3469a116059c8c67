"""A payload through drawn, damaged and re-read pictures, with the parts that are shipped: sender, pen, worker, receiver."""

from __future__ import annotations

from itertools import islice

import pytest

from falconer_shared.qr.client import Scanner
from falconer_shared.qr.draw import characters, draw
from falconer_shared.transport import fountain
from falconer_shared.transport.parts import Kind
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.ur import Sender
from tests.support import pictures
from tests.support.frames import psbt

PAYLOAD = psbt(2500)


@pytest.mark.parametrize("damage", pictures.DAMAGES)
def test_damaged_pictures_at_720_lines(scanner: Scanner, damage: str) -> None:
    frame = Sender(PAYLOAD, Kind.PSBT, characters(13)).frame(2)
    picture = pictures.DAMAGES[damage](pictures.on_screen(pictures.grey(draw(frame).png(4))))
    assert scanner.read(pictures.jpeg(picture)) == [frame.encode()]


def test_a_torn_picture_costs_one_part(scanner: Scanner) -> None:
    """Every fourth picture was taken while the screen changed; every fifth came twice; the rest is blurred and noisy."""
    sender = Sender(PAYLOAD, Kind.PSBT, characters(13), schedule=fountain.dense)
    assert sender.n > 3
    receiver = Receiver()
    used = 0
    for number, frame in enumerate(islice(sender.frames(), 60)):
        picture = pictures.on_screen(pictures.grey(draw(frame).png(4)))
        picture = pictures.torn(picture) if number % 4 == 1 else pictures.noisy(pictures.blurred(picture))
        used += 1
        for _ in range(2 if number % 5 == 0 else 1):
            for text in scanner.read(pictures.jpeg(picture)):
                progress = receiver.feed(text)
        if progress.complete:
            break
    assert progress.received is not None
    assert progress.received.data == PAYLOAD
    assert progress.received.digest == sender.digest
    assert used < sender.n * 4 / 3 + 5


def test_two_senders_in_one_picture(scanner: Scanner) -> None:
    """A111: two screens before one camera."""
    import numpy as np

    ours = Sender(PAYLOAD, Kind.PSBT, characters(10))
    theirs = Sender(psbt(2500, seed=4), Kind.PSBT, characters(10))
    receiver = Receiver()
    seen = 0
    for one, two in zip(islice(ours.frames(), 40), islice(theirs.frames(), 40), strict=True):
        both = np.hstack([pictures.grey(draw(text, at_least=10).png(4)) for text in (one, two)])
        for text in scanner.read(pictures.png(both)):
            progress = receiver.feed(text)
            seen = max(seen, progress.senders)
        if progress.complete:
            break
    assert seen == 2
    assert progress.received is not None
    assert progress.received.digest in {ours.digest, theirs.digest}


def test_a_misread_code_is_refused_and_repeated(scanner: Scanner) -> None:
    """What the error correction of a QR code repairs wrongly, the checksum of the frame finds."""
    sender = Sender(PAYLOAD, Kind.PSBT, characters(13))
    receiver = Receiver()
    first = scanner.read(draw(sender.frame(1)[:-4] + "AEAE").png(4))
    assert receiver.feed(first[0]).refusal is not None
    assert receiver.feed(scanner.read(draw(sender.frame(1)).png(4))[0]).have == 1
