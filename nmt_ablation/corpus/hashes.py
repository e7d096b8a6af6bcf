"""Hashes of sentences: 64 bits, equal on every machine, and cheap enough for all of OPUS.

Most lines are hashed in compiled loops, which can't call a library's hash. The hash needn't be
cryptographic, as nobody chooses sentences to collide: among a hundred million pairs, the odds of
any collision are one in 3,700.
"""

from collections.abc import Iterable, Sequence

import numba
import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
CodePoints = npt.NDArray[np.uint8] | npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]

SEED = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xD6E8FEB86659FD93)


def code_points(text: str) -> CodePoints:
    """Return the code points of a text, in bytes where they suffice."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def hash_texts(texts: Iterable[str]) -> Hashes:
    """Hash each text."""
    return np.array([_hash(code_points(text)) for text in texts], np.uint64)


def pair_hashes(sources: Hashes, targets: Hashes) -> Hashes:
    """Hash pairs of hashes; swapped sides give another hash."""
    return np.asarray(_pair_hash(sources, targets))


def stirred(hashes: Hashes) -> Hashes:
    """Mix the bits of each hash, one-to-one."""
    return np.asarray(_stirred(hashes))


def firsts(hashes: Hashes, ties: Sequence[npt.NDArray[np.uint64]]) -> npt.NDArray[np.int64]:
    """Return the positions of the distinct hashes, in the order of the hashes. Among equal hashes,
    the one with the smallest ties is taken; the first tie counts most."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        return order
    # Few are equal, and only those need the slower sort.
    equal = np.append(same, False) | np.append(False, same)
    some = order[equal]
    order[equal] = some[np.lexsort((*(tie[some] for tie in reversed(ties)), hashes[some]))]
    return np.asarray(order[np.append(True, ~same)])


def among(hashes: Hashes, known: Hashes) -> Flags:
    """Return a flag for each hash, or place in the pool: it is among the known, sorted ones."""
    # 16 bits rule out most hashes if few are known, in a tenth of the time.
    seen = np.zeros(1 << 16, np.bool_)
    seen[known >> np.uint64(48)] = True
    found = seen[hashes >> np.uint64(48)]
    left = hashes[found]
    found[found] = known[np.searchsorted(known, left).clip(max=known.size - 1)] == left
    return np.asarray(found)


@numba.njit(nogil=True, cache=True)
def _mixed(state: np.uint64) -> np.uint64:
    # The finaliser of Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    state += np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@numba.vectorize(["uint64(uint64)"], cache=True)  # type: ignore[no-untyped-call,untyped-decorator]
def _stirred(state: np.uint64) -> np.uint64:
    return _mixed(state)


@numba.vectorize(["uint64(uint64, uint64)"], cache=True)  # type: ignore[no-untyped-call,untyped-decorator]
def _pair_hash(source: np.uint64, target: np.uint64) -> np.uint64:
    return _mixed(_mixed(source) + target)


@numba.njit(nogil=True, cache=True)
def stir(state: np.uint64, code: np.uint64) -> np.uint64:
    # xor, multiply by an odd number, xor-shift: each step can be undone, so that no two codes
    # that differ can meet in one step.
    state = (state ^ code) * _STEP
    return state ^ (state >> np.uint64(32))


@numba.njit(nogil=True, cache=True)
def _hash(codes: CodePoints) -> np.uint64:
    state = SEED
    for code in codes:
        state = stir(state, np.uint64(code))
    return stir(state, np.uint64(codes.size))
