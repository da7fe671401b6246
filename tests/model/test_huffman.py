"""Huffman codes: RFC 1951's example, the best lengths, and streams that are what they say."""

import heapq
import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zynqfire.model.packed import huffman, zfz

RFC = np.array([3, 3, 3, 3, 3, 2, 4, 4])  # section 3.2.2, of A to H
WORDS = ["010", "011", "100", "101", "110", "00", "1110", "1111"]
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
counted = arrays.arrays(np.int64, st.integers(2, 40), elements=st.integers(0, 1000))


def words(lengths):
    """Return the code word of each symbol as RFC 1951 numbers them, as text."""
    found, code = {}, 0
    for bits in range(1, max(lengths) + 1):
        code <<= 1
        for symbol in np.flatnonzero(lengths == bits):
            found[int(symbol)] = f"{code:0{bits}b}"
            code += 1
    return found


def cost(counts):
    """Return the bits of Huffman's own code: every merge costs a bit of what it merges."""
    heap, bits = [int(c) for c in counts if c], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        bits += merged
        heapq.heappush(heap, merged)
    return bits


def test_words_are_those_of_rfc_1951():
    """In the encoder, in the decoder's table and in the check of these tests."""
    assert [words(RFC)[i] for i in range(8)] == WORDS
    symbols, lengths = zfz.lookup(RFC)
    for symbol, word in enumerate(WORDS):
        at = int(word.ljust(4, "0"), 2)
        assert (symbols[at], lengths[at]) == (symbol, len(word))
        byte = int(word.ljust(8, "0"), 2)
        assert huffman.encoded(np.array([symbol]), RFC) == bytes([byte])


@unhurried
@given(counted)
def test_lengths_are_the_best(counts):
    """As few bits as Huffman's construction, where no word of it is too long."""
    lengths = huffman.lengths(counts, longest=40)
    assert set(np.flatnonzero(counts)) <= set(np.flatnonzero(lengths))
    assert sum(2.0 ** -lengths[lengths > 0]) == 1
    if np.count_nonzero(counts) > 1:
        assert counts @ lengths == cost(counts)


@unhurried
@given(st.lists(st.integers(1, 100), min_size=5, max_size=6), st.integers(3, 4))
def test_limited_lengths_are_the_best(counts, longest):
    """No complete code with words that short needs fewer bits."""
    tried = itertools.product(range(1, longest + 1), repeat=len(counts))
    best = min(
        sum(c * n for c, n in zip(counts, each, strict=True))
        for each in tried
        if sum(2.0**-n for n in each) <= 1
    )
    found = huffman.lengths(np.array(counts), longest)
    assert found.max() <= longest and np.dot(counts, found) == best


@pytest.mark.parametrize("counts", [[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]])
def test_one_symbol_has_a_bit(counts):
    """As has another that never occurs, so that the code is complete."""
    lengths = huffman.lengths(np.array(counts))
    assert sorted(lengths) == [0, 1, 1] and lengths[np.array(counts) > 0].all()


def test_words_stay_short():
    """Fibonacci's numbers, which make the deepest tree, within a nibble."""
    counts = [1, 1]
    while len(counts) < 30:
        counts.append(counts[-1] + counts[-2])
    lengths = huffman.lengths(np.array(counts))
    assert lengths.max() == zfz.LONGEST == 15 and np.sum(2.0**-lengths) == 1
    symbols = np.tile(np.arange(30), 5)
    stream = huffman.encoded(symbols, lengths)
    np.testing.assert_array_equal(zfz.decoded(stream, len(symbols), lengths), symbols)


@unhurried
@given(counted, st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_round_trip(counts, seed, chunk):
    """Whatever the words, and wherever the decoder's chunks end; and the words stand there."""
    rng = np.random.default_rng(seed)
    lengths = huffman.lengths(counts)
    symbols = rng.choice(np.flatnonzero(lengths), rng.integers(0, 200))
    stream = huffman.encoded(symbols, lengths)
    text = "".join(words(lengths)[int(symbol)] for symbol in symbols)
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))
    assert text == "".join(map(str, bits[: len(text)])) and len(stream) == -(-len(text) // 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zfz, "CHUNK", chunk)
        np.testing.assert_array_equal(zfz.decoded(stream, len(symbols), lengths), symbols)


def test_long_streams():
    """Many chunks and many blocks."""
    rng = np.random.default_rng(0)
    symbols = np.minimum(rng.geometric(0.3, 800_000), 16) - 1
    lengths = huffman.lengths(np.bincount(symbols))
    stream = huffman.encoded(symbols, lengths)
    assert len(stream) > 3 * zfz.CHUNK
    assert len(stream) < 1.02 * huffman.entropy(np.bincount(symbols)) / 8
    np.testing.assert_array_equal(zfz.decoded(stream, len(symbols), lengths), symbols)


@pytest.mark.parametrize(
    ("stream", "count", "lengths", "sentence"),
    [
        (b"\0", 9, [1, 1], "9 symbols do not fit in 1 bytes"),
        (b"\0", 8, [2, 2, 2, 2], "8 symbols must end with the last of 1 bytes"),
        (b"\0\0", 4, [1, 1], "4 symbols must end with the last of 2 bytes"),
        (b"\0", 1, [2, 2, 2], "those of a complete prefix code"),
        (b"\0", 1, [1, 1, 1], "those of a complete prefix code"),
        (b"\0", 1, [0, 0], "those of a complete prefix code"),
        (b"\0", 1, [0, 1], "those of a complete prefix code"),
    ],
)
def test_what_is_no_stream_is_refused(stream, count, lengths, sentence):
    """Too short, too long, or no code at all."""
    with pytest.raises(zfz.Damaged, match=sentence):
        zfz.decoded(stream, count, np.array(lengths))


def test_entropy():
    """Two bits for each of four, none for one alone."""
    assert huffman.entropy(np.array([3, 3, 0, 3, 3])) == 24
    assert huffman.entropy(np.array([0, 7])) == 0
