"""What to do after a log was rotated, and who has to be told, as lines for people. Pure."""

from collections.abc import Iterator

from audit.rotated import Rotated
from audit.vocabulary import EndReason


def lines(done: Rotated, *, log_key: str, witnessed: bool, waiting: str) -> Iterator[str]:
    """The lines. ``log_key``: URI in the configuration; ``waiting``: why the new log has not begun yet, or ""."""
    old, new = done.final.origin, done.origin
    yield f"ended   {old} at {done.final.size} entries, root {done.final.root.hex()}, in {done.ended}"
    yield f"began   {new}" if not waiting else f"waits   {new}: {waiting}"
    yield f"vkey    {done.vkey}"
    yield ""
    if done.log_key != log_key:
        yield f"configuration: set `keys.log` to `{done.log_key}` before the next start; destroy the old key"
    if witnessed:
        yield "witnesses: add the line `vkey` above to their `logs.vkey`, and restart them; then start the server"
    yield f"auditors: give them the new vkey, and the final checkpoint of `{old}`, another way than through this log"
    if done.reason is EndReason.COMPROMISED:
        yield from _compromised(old, done)


def _compromised(old: str, done: Rotated) -> Iterator[str]:
    yield f"witnesses: take `{old}` off their `logs.vkey`: whatever it signs from now on is not its operator's"
    yield f"everyone who has checkpoints of `{old}`: compare them with the one that ended it; two that contradict each other"
    yield "  are the proof of a forgery. Without a quorum of witnesses, none of its checkpoints shows by itself that it is genuine."
    if done.trusted:
        yield f"the newest checkpoint that you vouched for is on record: {done.trusted.splitlines()[1]} entries"
    yield "whoever your contracts or a supervisory authority name: what happened, when it was noticed, and these two checkpoints"
