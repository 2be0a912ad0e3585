"""The Merkle tree of a log: hashes, right edge, proofs and their checks (RFC 6962, 2.1; RFC 9162, 2.1.3, 2.1.4).

Pure. A hash is 32 bytes. An odd node is never duplicated. Proofs are made from a reader of interior hashes, so
that they come from tiles; the checks need nothing but the proof and raise ``VerificationError`` when it does not hold.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from audit.errors import VerificationError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

HashReader = Callable[[int, int], bytes]
"""``(level, index)`` -> root of the full subtree over leaves ``index * 2**level`` to ``(index + 1) * 2**level - 1``."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of an entry; the prefix keeps a leaf from ever being taken for a node."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Root over ``2**n`` neighbouring hashes; level by level, which is what makes it fast."""
    layer = list(hashes)
    sha256 = hashlib.sha256
    while len(layer) > 1:
        layer = [sha256(b"\x01" + layer[i] + layer[i + 1]).digest() for i in range(0, len(layer), 2)]
    return layer[0]


def fold(subtrees: Sequence[bytes]) -> bytes:
    """Root over full subtrees of falling size, left to right; of none, the root of the empty tree."""
    if not subtrees:
        return EMPTY_ROOT
    result = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        result = node_hash(left, result)
    return result


def subtrees(start: int, end: int) -> list[tuple[int, int]]:
    """Full subtrees ``(level, index)`` that cover leaves ``start`` to ``end - 1``, left to right.

    ``start`` is a multiple of a power of two not below the width, as for every node of the tree.
    """
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """``MTH`` over leaf hashes."""
    return fold(
        [
            perfect_root(leaf_hashes[index << level : (index + 1) << level])
            for level, index in subtrees(0, len(leaf_hashes))
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """Right edge of a tree: the roots of its full subtrees, widest first; one per set bit of ``size``."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> "Frontier":
        """The edge after one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        """The edge after more leaf hashes."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            carried, bits = leaf, size
            while bits & 1:
                carried = node_hash(hashes.pop(), carried)
                bits >>= 1
            hashes.append(carried)
            size += 1
        return Frontier(size=size, hashes=tuple(hashes))

    def root(self) -> bytes:
        """Root of the tree."""
        return fold(self.hashes)


def inclusion_proof(index: int, size: int, read: HashReader) -> tuple[bytes, ...]:
    """Hashes that lead from leaf ``index`` to the root of the tree of ``size`` leaves, nearest first (RFC 6962, 2.1.1).

    Raises ``VerificationError`` if the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise VerificationError(f"expected an index below the size {size}, got {index}", code="index-out-of-range")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    return tuple(reversed(proof))


def consistency_proof(old: int, new: int, read: HashReader) -> tuple[bytes, ...]:
    """Hashes that show the tree of ``old`` leaves to be a prefix of the one of ``new`` (RFC 6962, 2.1.2).

    Raises ``VerificationError`` if ``old`` is larger.
    """
    if not 0 <= old <= new:
        raise VerificationError(f"expected an older size of at most {new}, got {old}", code="index-out-of-range")
    if old in (0, new):
        return ()
    proof: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    if start != 0:  # the reader of the proof knows the old root already when it is itself a node of the new tree
        proof.append(_range_root(start, end, read))
    return tuple(reversed(proof))


def _split(width: int) -> int:
    """Largest power of two below ``width``."""
    return 1 << ((width - 1).bit_length() - 1)


def _range_root(start: int, end: int, read: HashReader) -> bytes:
    return fold([read(level, index) for level, index in subtrees(start, end)])


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Check that ``leaf`` is leaf ``index`` of the tree of ``size`` leaves with that root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise VerificationError(f"expected an index below the size {size}, got {index}", code="index-out-of-range")
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise VerificationError("expected a shorter inclusion proof", code="inclusion-failed")
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise VerificationError("expected a longer inclusion proof", code="inclusion-failed")
    if not hmac.compare_digest(result, expected_root):
        raise VerificationError(
            f"expected root {expected_root.hex()}, the proof of entry {index} leads to {result.hex()}",
            code="inclusion-failed",
        )


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of ``new`` leaves begins with the tree of ``old`` leaves (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        raise VerificationError(f"expected an older size of at most {new}, got {old}", code="consistency-failed")
    if old in (0, new):
        expected = new_root if old == new else EMPTY_ROOT
        if proof or not hmac.compare_digest(old_root, expected):
            raise VerificationError(
                f"expected root {expected.hex()} at size {old} and no proof", code="consistency-failed"
            )
        return
    old_result, new_result = _consistency_roots(old, new, old_root, proof)
    if not (hmac.compare_digest(old_result, old_root) and hmac.compare_digest(new_result, new_root)):
        raise VerificationError(f"the tree of size {new} does not extend the one of {old}", code="consistency-failed")


def _consistency_roots(old: int, new: int, old_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise VerificationError("expected a longer consistency proof", code="consistency-failed")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_result = new_result = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise VerificationError("expected a shorter consistency proof", code="consistency-failed")
        if node & 1 or node == last:
            old_result = node_hash(sibling, old_result)
            new_result = node_hash(sibling, new_result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_result = node_hash(new_result, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise VerificationError("expected a longer consistency proof", code="consistency-failed")
    return old_result, new_result
