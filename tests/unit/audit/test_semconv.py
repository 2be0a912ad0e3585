"""The table of attributes is the only way to set one."""

import pytest

from audit import semconv
from audit.semconv import TABLE, Place, Value


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        (Place.SERVER, "apostille.invented", "x"),
        (Place.SERVER, "gen_ai.request.model", "x"),
        (Place.CHAT, "apostille.attempt.index", "1"),
        (Place.CHAT, "apostille.attempt.index", True),
        (Place.CHAT, "apostille.attempt.index", 2**63),
        (Place.CHAT, "apostille.contribution.used", 1),
        (Place.CHAT, "apostille.region.declared", "DE"),
        (Place.CHAT, "apostille.region.declared", ["DE"]),
        (Place.CHAT, "apostille.contribution.role", "narrator"),
    ],
)
def test_an_attribute_outside_the_table_its_place_its_type_or_its_words_is_refused(
    place: Place, name: str, value: Value
) -> None:
    with pytest.raises(ValueError, match="expected"):
        semconv.attributes(place, {name: value})


@pytest.mark.parametrize("name", sorted(name for name, row in TABLE.items() if row.content))
@pytest.mark.parametrize("place", list(Place))
def test_content_is_refused_everywhere(name: str, place: Place) -> None:
    with pytest.raises(ValueError, match="table"):
        semconv.attributes(place, {name: "what the user wrote"})


def test_the_convention_s_content_attributes_are_named_so_that_they_are_refused_by_name() -> None:
    assert {name for name, row in TABLE.items() if row.content} == {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.definitions",
    }


def test_what_is_not_known_is_not_said() -> None:
    values: dict[str, Value | None] = {
        "apostille.region.observed": "",
        "apostille.region.declared": (),
        "error.type": None,
        "apostille.attempt.index": 0,
    }
    assert semconv.attributes(Place.CHAT, values) == (("apostille.attempt.index", 0),)


@pytest.mark.parametrize("text", ["two words", "line\nbreak", "naïve", "x" * 257, "tab\there", "\ud800"])
def test_text_that_is_no_identifier_leaves_as_a_digest(text: str) -> None:
    assert semconv.identifier(text).startswith("sha256:")
    assert len(semconv.identifier(text)) == len("sha256:") + 16


@pytest.mark.parametrize("text", ["mistral-large@paris", "eu.art44", "key:DE", "x" * 256])
def test_identifiers_stay_as_they_are(text: str) -> None:
    assert semconv.identifier(text) == text


def test_our_own_names_are_below_our_prefix_and_the_rest_follow_a_convention() -> None:
    known = ("apostille.", "gen_ai.", "http.", "error.", "service.")
    assert all(name.startswith(known) for name in TABLE)
