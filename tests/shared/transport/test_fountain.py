"""Elimination, wrong parts, and what senders show."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.transport import bytewords, fountain
from falconer_shared.transport.fountain import Elimination, Encoder


def made(n: int, width: int = 20, seed: int = 0) -> tuple[bytes, Encoder, int]:
    message = random.Random(seed).randbytes(n * width)
    checksum = bytewords.checksum(message)
    encoder = Encoder(message, width, checksum)
    assert (encoder.n, encoder.fragment_length) == (n, width)
    return message, encoder, checksum


@given(n=st.integers(1, 60), seed=st.integers(0, 2**32), start=st.integers(0, 2**31))
def test_any_parts_of_full_rank_give_the_message(n: int, seed: int, start: int) -> None:
    message, encoder, checksum = made(n, 7, seed)
    equations = Elimination(n, 7)
    numbers = [start + i for i in range(1, 6 * n + 60)]
    random.Random(seed).shuffle(numbers)
    for number in numbers:
        assert equations.solve() is None
        equations.add(number, encoder.part(number), checksum)
        if equations.rank == n:
            break
    assert equations.solve() == message
    assert equations.contradictions == 0


def test_rank_counts_independent_parts_and_nothing_else() -> None:
    _, encoder, checksum = made(5)
    equations = Elimination(5, 20)
    for number in (1, 2, 2, 1, 3):
        equations.add(number, encoder.part(number), checksum)
    assert equations.rank == 3
    assert equations.alone() == [0, 1, 2]


def test_a_repeated_part_brings_nothing() -> None:
    _, encoder, checksum = made(5)
    equations = Elimination(5, 20)
    assert equations.add(9, encoder.part(9), checksum)
    assert not equations.add(9, encoder.part(9), checksum)


@pytest.mark.parametrize("n", [3, 30, 200])
@pytest.mark.parametrize("wrong", [1, 2, 5])
def test_wrong_parts_cost_further_parts_and_not_the_transfer(n: int, wrong: int) -> None:
    """A098: the checks show which parts do not fit, and take them out."""
    message, encoder, checksum = made(n, seed=n)
    equations = Elimination(n, 20)
    choose = random.Random(n * wrong)
    bad = set(choose.sample(range(1, n + 1), min(wrong, n - 1)))
    needed = 0
    for number in range(1, 4 * n + 200):
        data = choose.randbytes(20) if number in bad else encoder.part(number)
        equations.add(number, data, checksum)
        needed = number
        if (found := equations.solve()) is None:
            continue
        if found == message or (equations.cancel_suspects() and equations.solve() == message):
            break
    assert equations.solve() == message
    assert needed <= n + 4 * len(bad) + 40


def test_checks_that_add_up_clear_no_liar() -> None:
    """All parts agree with each other and the checksum is another message's: no part is to blame, and that is known."""
    _, encoder, _ = made(12)
    equations = Elimination(12, 20)
    number = 0
    while not equations.hopeless:
        number += 1
        equations.add(number, encoder.part(number), encoder.checksum)
        assert number < 12 + 60
    assert not equations.cancel_suspects()
    equations.reset()
    assert (equations.rank, equations.resets) == (0, 1)


def test_patience_ends() -> None:
    """Wrong parts that keep coming: what is there is given up after a while, and memory stays what it was."""
    _, encoder, checksum = made(6)
    equations = Elimination(6, 20)
    footprint = 0
    for number in range(1, 6 + fountain.PATIENCE + 2):
        equations.add(number, random.Random(number).randbytes(20), checksum)
        footprint = max(footprint, equations.footprint)
    assert equations.hopeless
    assert len(equations._checks) <= fountain.MAX_CHECKS
    assert footprint < 200_000
    del encoder


def test_the_content_seen_more_often_is_believed() -> None:
    """A sender that only loops gives no checks but the two contents of one number; the votes decide (A098, A101)."""
    message, encoder, checksum = made(8)
    equations = Elimination(8, 20)
    forged = random.Random(5).randbytes(20)
    equations.add(3, forged, checksum)
    for number in range(1, 9):
        equations.add(number, encoder.part(number), checksum)
    assert equations.solve() != message
    assert not equations.cancel_suspects()
    assert equations.add(3, encoder.part(3), checksum)
    assert equations.cancel_suspects()
    assert equations.solve() == message


def test_one_number_has_few_contents() -> None:
    _, encoder, checksum = made(4)
    equations = Elimination(4, 20)
    for seed in range(50):
        equations.add(2, random.Random(seed).randbytes(20), checksum)
    assert len(equations._seen[2]) == fountain.MAX_SEEN_VARIANTS
    del encoder


def test_sums_of_degrees_do_not_depend_on_how_python_sums() -> None:
    """From Python 3.12 sum() corrects rounding; the table must be made with plain additions, as every other program does."""
    total = 0.0
    for i in range(1, 2501):
        total += 1.0 / i
    threshold, _ = fountain._degree_table(2500)
    assert threshold[2499] == 1.0 / 2500 * 2500 / total


def test_a_draw_next_to_two_to_the_64_stays_inside() -> None:
    highest = iter([2**64 - 1] * 2)
    assert 1 <= fountain.choose_degree(7, highest) <= 7


@pytest.mark.parametrize("n", [2, 11, 250])
def test_degree_is_the_number_of_fragments(n: int) -> None:
    for number in range(1, 4 * n):
        chosen = fountain.choose_fragments(number, n, 77)
        assert len(set(chosen)) == len(chosen) == fountain.degree_of(number, n, 77)
        assert set(chosen) <= set(range(n))


SCHEDULES = [fountain.standard, fountain.cyclic, fountain.dense]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("n", [1, 2, 3, 25])
def test_every_schedule_begins_with_the_simple_parts_and_repeats_no_mixed_one(
    schedule: fountain.Schedule, n: int
) -> None:
    numbers = list(islice(schedule(n, 5), 5 * n + 20))
    assert numbers[:n] == list(range(1, n + 1))
    mixed = [number for number in numbers if number > n]
    assert len(mixed) == len(set(mixed))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("lost", [0, 30, 50])
@pytest.mark.parametrize("late", [False, True])
def test_every_schedule_gets_across(schedule: fountain.Schedule, lost: int, late: bool) -> None:
    message, encoder, checksum = made(25, seed=lost)
    equations = Elimination(25, 20)
    luck = random.Random(lost)
    shown = islice(schedule(25, checksum), 25 if late else 0, 400)
    received = 0
    for number in shown:
        if luck.random() * 100 >= lost:
            received += 1
            equations.add(number, encoder.part(number), checksum)
        if equations.rank == 25:
            break
    assert equations.solve() == message
    assert received < 60


@pytest.mark.parametrize("n", range(2, 14))
def test_dense_parts_are_enough_by_themselves(n: int) -> None:
    """Whoever joins after the simple parts still gets all, also where half of n is one or two."""
    for seed in range(5):
        message, encoder, checksum = made(n, seed=seed)
        equations = Elimination(n, 20)
        for number in islice(fountain.dense(n, checksum), n, 3 * n + 30):
            equations.add(number, encoder.part(number), checksum)
        assert equations.solve() == message


def test_dense_parts_hold_about_half() -> None:
    n = 250
    numbers = list(islice(fountain.dense(n, 9), n, n + 50))
    assert all(0.39 * n <= fountain.degree_of(number, n, 9) <= 0.61 * n for number in numbers)


@pytest.mark.parametrize(("message", "size"), [(b"", 10), (b"x", 0)])
def test_nothing_to_send_is_a_mistake_of_ours(message: bytes, size: int) -> None:
    with pytest.raises(ValueError, match="nothing to send"):
        Encoder(message, size, 0)


@pytest.mark.parametrize("number", [0, 2**32])
def test_part_numbers_have_32_bits(number: int) -> None:
    with pytest.raises(ValueError, match="32 bits"):
        made(3)[1].part(number)
