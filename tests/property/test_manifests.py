"""Manifests on random histories of several writers: what honest writers state holds, and no record can be changed under it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import VerificationError
from audit.manifests import Held, Manifest, Tally
from audit.records import Position
from audit.vocabulary import RecordKind, Sha256Hex

Record = tuple[Position, RecordKind, str, Sha256Hex, Manifest | None]
WRITERS = ("one", "two", "three")
KINDS = st.sampled_from([RecordKind.DECISION, RecordKind.RESULT, RecordKind.KEY_EVENT])
EVENT = st.tuples(st.sampled_from(WRITERS), st.none() | st.tuples(KINDS, st.sampled_from(["ok", "refused", ""])))


def history(events: list[tuple[str, tuple[RecordKind, str] | None]]) -> list[Record]:
    """Records in the order of the log; None is a manifest of its writer, where there is something to count."""
    tallies = {writer: Tally() for writer in WRITERS}
    made: list[Record] = []
    for number, (writer, what) in enumerate(events):
        tally = tallies[writer]
        position = Position(instance=writer, epoch="e", seq=tally.next_seq)
        digest = Sha256Hex(f"{number:064x}")
        if what is not None:
            tally.add(*what, digest)
            made.append((position, *what, digest, None))
        elif tally.next_seq != tally.first_seq:
            made.append((position, RecordKind.MANIFEST, "", digest, tally.manifest(number, final=False)))
            tallies[writer] = tally.next(number)
            tallies[writer].add(RecordKind.MANIFEST, "", digest)
    return made


def fails(records: list[Record]) -> bool:
    held = Held()
    try:
        for each in records:
            held.add(*each)
    except VerificationError:
        return True
    return False


@given(st.lists(EVENT, max_size=60))
@settings(max_examples=150, deadline=None)
def test_what_honest_writers_state_holds(events: list[tuple[str, tuple[RecordKind, str] | None]]) -> None:
    assert not fails(history(events))


@given(st.lists(EVENT, min_size=3, max_size=40), st.data())
@settings(max_examples=150, deadline=None)
def test_a_record_that_is_counted_cannot_be_another(
    events: list[tuple[str, tuple[RecordKind, str] | None]], data: st.DataObject
) -> None:
    records = history([*events, *((writer, None) for writer in WRITERS)])
    counted = [i for i, (_, kind, *_) in enumerate(records) if kind is not RecordKind.MANIFEST]
    if not counted:
        return
    at = data.draw(st.sampled_from(counted))
    position, kind, outcome, digest, _ = records[at]
    change = data.draw(st.sampled_from(["digest", "outcome", "kind"]))
    if change == "digest":
        digest = Sha256Hex("f" * 64)
    elif change == "outcome":
        outcome = "another"
    else:
        kind = RecordKind.POLICY_ACTIVATION
    records[at] = (position, kind, outcome, digest, None)
    assert fails(records)
