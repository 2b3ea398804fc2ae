"""Which of a source's sequence numbers have arrived: chunks of bits, whatever the order of arrival.

A source's numbers are spread over portfolios, so a partition alone sees gaps everywhere: intervals
would be as many as trades. Bits of several partitions are put together by one operation, and a
chunk that has arrived whole costs as little to read as any.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

CHUNK_BITS = 12
CHUNK_NUMBERS = 1 << CHUNK_BITS
CHUNK_BYTES = CHUNK_NUMBERS // 8
_OFFSET = CHUNK_NUMBERS - 1


def chunk_of(sequence: int) -> tuple[int, int]:
    """Give a number's chunk, and its bit there."""
    return sequence >> CHUNK_BITS, 1 << (sequence & _OFFSET)


def write_bits(bits: int) -> bytes:
    """Write a chunk's bits, the lowest number first."""
    return bits.to_bytes(CHUNK_BYTES, "little")


def read_bits(stored: bytes) -> int:
    """Read a chunk's bits back."""
    return int.from_bytes(stored, "little")


def together(chunks: Iterable[tuple[int, bytes]]) -> dict[int, int]:
    """Put chunks of several partitions together."""
    found: dict[int, int] = {}
    for number, stored in chunks:
        found[number] = found.get(number, 0) | read_bits(stored)
    return found


class Gap(NamedTuple):
    """Numbers that have not arrived between two that have, both ends included."""

    first: int
    last: int


class Arrived(NamedTuple):
    """What has arrived: `contiguous` is the last number up to which none is missing from `lowest`.

    `gaps` are the lowest ones, `gap_count` is how many there are, `missing` the numbers in all.
    """

    lowest: int
    contiguous: int
    highest: int
    gap_count: int
    missing: int
    gaps: tuple[Gap, ...]


def arrived(chunks: Mapping[int, int], *, gaps_max: int) -> Arrived | None:
    """Survey chunks by their numbers; None where nothing has arrived.

    Only the first `gaps_max` gaps are looked up one by one; the rest are counted a chunk at a time.
    """
    assert gaps_max > 0, "the first gap says how far all has arrived"
    numbers = sorted(number for number, bits in chunks.items() if bits)
    if not numbers:
        return None
    lowest = _first(numbers[0], chunks[numbers[0]])
    highest = (numbers[-1] << CHUNK_BITS) + chunks[numbers[-1]].bit_length() - 1
    runs = count = 0
    gaps: list[Gap] = []
    last: int | None = None
    for number in numbers:
        bits = chunks[number]
        follows = last is not None and last + 1 == number << CHUNK_BITS
        runs += (bits & ~(bits << 1 | follows)).bit_count()
        count += bits.bit_count()
        if len(gaps) < gaps_max:
            gaps += _gaps(number, bits, last)
        last = (number << CHUNK_BITS) + bits.bit_length() - 1
    gaps = gaps[:gaps_max] if runs > 1 else []
    return Arrived(
        lowest,
        gaps[0].first - 1 if gaps else highest,
        highest,
        runs - 1,
        highest - lowest + 1 - count,
        tuple(gaps),
    )


def _first(number: int, bits: int) -> int:
    return (number << CHUNK_BITS) + (bits & -bits).bit_length() - 1


def _gaps(number: int, bits: int, last: int | None) -> list[Gap]:
    """List the gaps that end in a chunk; `last` is the last number that arrived before it."""
    gaps: list[Gap] = []
    begin = number << CHUNK_BITS
    while bits:
        first = (bits & -bits).bit_length() - 1
        if last is not None and begin + first > last + 1:
            gaps.append(Gap(last + 1, begin + first - 1))
        run = bits >> first
        length = (~run & (run + 1)).bit_length() - 1  # Of the ones at its lower end.
        last = begin + first + length - 1
        bits = run >> length << (first + length)
    return gaps
