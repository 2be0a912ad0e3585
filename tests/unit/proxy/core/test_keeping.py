"""What of a request is collected to be kept: whole items within the limit, and none where there is none to be kept."""

from hypothesis import given
from hypothesis import strategies as st

from audit.parcel import Owner
from proxy.core.keeping import Contents

OWNER = Owner(record="r", tenant="t", subject=None, key=b"k" * 32, expires=1)
NOTES = st.lists(st.tuples(st.sampled_from(["prompt", "answer"]), st.binary(max_size=8)), max_size=20)


@given(NOTES, st.integers(0, 24))
def test_an_item_is_kept_whole_or_not_at_all(notes: list[tuple[str, bytes]], limit: int) -> None:
    contents = Contents(OWNER, {}, limit)
    for label, content in notes:
        contents.note(label, content)
    whole = {label: b"".join(c for at, c in notes if at == label) for label, _ in notes}
    sent = len(whole.get("answer", b""))
    assert contents.parcel((), sent).contents == {label: c for label, c in whole.items() if len(c) <= limit}
    assert "answer" not in contents.parcel((), sent + 1).contents, "expected no answer that is not the one on record"


@given(NOTES)
def test_without_a_limit_there_is_no_content(notes: list[tuple[str, bytes]]) -> None:
    contents = Contents(OWNER, {"subject": "p"}, None)
    for label, content in notes:
        contents.note(label, content)
    assert contents.parcel((), 0).contents == {}
    assert contents.parcel((), 0).fields == {"subject": "p"}


def test_what_an_attempt_gave_that_is_not_on_record_is_not_kept() -> None:
    contents = Contents(OWNER, {}, 100)
    contents.note("response:author:0", b"hello")
    assert contents.parcel((), 0).contents == {}
