"""Canonical Huffman codes with words of limited length; `zfz` decodes them."""

from __future__ import annotations

import numpy as np

from .zfz import LONGEST

BLOCK = 1 << 16  # symbols whose bits are laid out together


def lengths(counts: np.ndarray, longest: int = LONGEST) -> np.ndarray:
    """Return the bits of every symbol's code word, 0 for symbols that do not occur.

    The best code whose words have at most `longest` bits, by package-merge (Larmore and Hirschberg
    1990): of every symbol a coin of each denomination 2**-1 to 2**-longest, worth its count; coins
    of one denomination are packed in pairs, cheapest first, and compete with the coins of the next.
    As often as a symbol is among the 2(n - 1) cheapest at the end, so long is its word. The code is
    complete: where fewer than two symbols occur, others get words that are not used.

    Parameters
    ----------
    counts : numpy.ndarray
        Occurrences by symbol; at least two symbols.
    """
    used = np.flatnonzero(counts)
    for symbol in (0, 1):
        if used.size < 2 and symbol not in used:
            used = np.append(used, symbol)
    used = used[np.argsort(counts[used], kind="stable")]
    prices = coins = counts[used].astype(np.int64)
    rounds = []
    for _ in range(longest - 1):
        packages = prices[: len(prices) // 2 * 2].reshape(-1, 2).sum(axis=1)
        prices = np.concatenate([coins, packages])
        order = np.argsort(prices, kind="stable")
        prices = prices[order]
        rounds.append(order < used.size)  # which of them are coins
    found = np.zeros(len(counts), np.int64)
    taken = 2 * (used.size - 1)
    for is_coin in reversed(rounds):  # the coins taken are the cheapest; a package is two before
        own = int(is_coin[:taken].sum())
        found[used[:own]] += 1
        taken = 2 * (taken - own)
    found[used[:taken]] += 1
    return found


def encoded(symbols: np.ndarray, lengths: np.ndarray) -> bytes:
    """Return the code words of `symbols`, the highest bit first, the last byte filled with zeros.

    Canonical: shorter words first, equally long ones by symbol, each one more than the last.
    """
    longest = int(lengths.max())
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    spans = 1 << (longest - lengths[order])
    words = np.zeros(len(lengths), np.int64)
    words[order] = np.cumsum(spans) - spans  # shifted up, as if all were `longest` bits
    places = np.arange(longest)
    bits = [np.zeros(0, np.uint8)]
    for first in range(0, len(symbols), BLOCK):
        some = symbols[first : first + BLOCK]
        every = (words[some, None] >> (longest - 1 - places) & 1).astype(np.uint8)
        bits.append(every[places < lengths[some, None]])
    return np.packbits(np.concatenate(bits)).tobytes()


def entropy(counts: np.ndarray) -> float:
    """Return the bits that symbols with these counts need, one by one, at the least."""
    some = counts[counts > 0].astype(np.float64)
    return float((some * np.log2(some.sum() / some)).sum())
