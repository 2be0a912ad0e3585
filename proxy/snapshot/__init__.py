"""Everything that decides, loaded from the operator's files as one value: settings, facts, packs, catalogue, compositions.

A request keeps the snapshot it began with; a reload swaps the whole. Raises the operator's errors at start, never later.
"""

from proxy.snapshot.loaded import Snapshot, build
from proxy.snapshot.signatures import SIGNATURE, approval_of, keys_of
from proxy.snapshot.sources import draft_names

__all__ = ["SIGNATURE", "Snapshot", "approval_of", "build", "draft_names", "keys_of"]
