"""Which jurisdictions apply: the union of what trusted signals establish, and nothing that an unknown or weak one says."""

import pytest

from policies import facts
from policies.facts import Facts
from policies.jurisdiction import Applicable, Signal, SignalSource, Unestablished, resolve

ALL = frozenset(SignalSource)


@pytest.fixture(scope="module")
def known() -> Facts:
    return facts.load([])


def resolved(
    known: Facts, *signals: tuple[SignalSource, str], trusted: frozenset[SignalSource] = ALL, default: str = ""
) -> Applicable | Unestablished:
    """What applies for some signals."""
    sent = [Signal(source, code) for source, code in signals]
    return resolve(sent, facts=known, trusted=trusted, default=(default,) if default else ())


def test_a_weaker_source_adds_and_never_takes_away(known: Facts) -> None:
    found = resolved(known, (SignalSource.HEADER, "US"), (SignalSource.TENANT, "DE"))
    assert isinstance(found, Applicable)
    assert (found.codes, found.conflict) == (frozenset({"DE", "US"}), True)
    assert [signal.source for signal in found.signals] == ["tenant", "header"]


def test_a_source_that_is_not_trusted_is_on_record_and_does_not_count(known: Facts) -> None:
    found = resolved(
        known,
        (SignalSource.TENANT, "DE"),
        (SignalSource.HEADER, "US"),
        trusted=frozenset({SignalSource.TENANT}),
    )
    assert isinstance(found, Applicable)
    assert found.codes == frozenset({"DE"})
    assert [(s.code, s.used, s.why) for s in found.signals] == [("DE", True, ""), ("US", False, "source-not-trusted")]


@pytest.mark.parametrize("code", ["EUU", "XX", "", "D\nE", "A" * 65])
def test_an_unknown_code_of_a_counted_source_refuses(known: Facts, code: str) -> None:
    found = resolved(known, (SignalSource.TENANT, "DE"), (SignalSource.JWT, code), default="DE")
    assert isinstance(found, Unestablished)
    assert not any(signal.used for signal in found.signals)
    assert not code or code not in found.reason


def test_an_address_alone_establishes_nothing(known: Facts) -> None:
    assert isinstance(resolved(known, (SignalSource.IP, "US")), Unestablished)


def test_an_address_adds_to_the_default(known: Facts) -> None:
    found = resolved(known, (SignalSource.IP, "US"), default="EU")
    assert isinstance(found, Applicable)
    assert found.codes == frozenset({"EU", "US"})


def test_nothing_established_is_the_default_or_a_refusal(known: Facts) -> None:
    found = resolved(known, default="EU")
    assert isinstance(found, Applicable)
    assert found.codes == frozenset({"EU"})
    assert isinstance(resolved(known), Unestablished)


def test_people_may_write_uk_and_small_letters(known: Facts) -> None:
    found = resolved(known, (SignalSource.TENANT, "uk"))
    assert isinstance(found, Applicable)
    assert found.codes == frozenset({"GB"})
