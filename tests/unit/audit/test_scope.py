"""Names of scopes have one reading, and a log that is not what its records say is found out."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import bundle, bundle_selection, checkpoint, datadir, examine, founding, layout, scope, statement
from audit.errors import MalformedError, VerificationError
from audit.files import Files, in_memory
from audit.log import Log, Pending
from audit.obligations import CHECKPOINT, COUNTS, ENDS, PAIRS, REVOKED, SCOPE, Obligation, Outcome, Report
from audit.records import ScopeRecord
from audit.scope_check import Rising
from audit.verify import Proven, verify_bundle, verify_log, verify_record
from audit.vocabulary import RecordKind, Sha256Hex
from tests.simulators import ledger
from tests.simulators.small_log import ORIGIN

EU, US = "acme--de-eu-2026", "acme--de-us-2026"
IN_EU = ScopeRecord(log=EU, group="EU", codes=("DE", "EU"))
"""What the simulator's decisions, of tenant ``acme-de`` in ``DE`` and ``EU``, say of their scope."""
MAKING = bundle.Making(made="2026-11-26 12:00 UTC")
TENANTS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
GROUPS = st.just("") | st.from_regex(r"[A-Z][A-Z0-9_]{1,9}(-[A-Z0-9]{1,3})?", fullmatch=True)


@given(one=st.tuples(TENANTS, GROUPS), other=st.tuples(TENANTS, GROUPS))
def test_no_two_scopes_have_one_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    names = [scope.name(*each, 2026) for each in (one, other)]
    assert (names[0] == names[1]) == (one == other)
    assert [scope.is_of_tenant(name, one[0]) for name in names] == [True, one[0] == other[0]]
    assert layout.safe_path(names[0]) == names[0] != layout.LOG


@pytest.mark.parametrize(
    "text", ["", "acme", "acme-eu", "../log-2026", "a/b-2026", "Acme-2026", ".-2026", "a" * 300 + "-2026"]
)
def test_what_is_no_name_of_a_scope_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        scope.checked(text)


@pytest.mark.parametrize(
    "lie",
    [
        ScopeRecord(log="other-eu-2026", group="EU", codes=("DE",)),
        ScopeRecord(log="acme--de-eu-2025", group="EU", codes=("DE",)),
        ScopeRecord(log=EU, group="US", codes=("DE",)),
        ScopeRecord(log=US, group="US", codes=("US",)),
        ScopeRecord(log=US, group="US", codes=()),
        ScopeRecord(log="acme--de-2026", group="", codes=("DE",)),
    ],
)
def test_a_scope_that_does_not_follow_from_the_decision_is_a_finding(lie: ScopeRecord) -> None:
    honest = replace(ledger.decision("r-1", statement.Position(instance="i", epoch="e", seq=0)), scopes=(IN_EU,))
    scope.check_member(honest, EU)
    with pytest.raises(VerificationError):
        scope.check_named(replace(honest, scopes=(lie,)))
    with pytest.raises(VerificationError):
        scope.check_member(honest, US)


def decision(request_id: str, *said: ScopeRecord, logs: tuple[str, ...] | None = None) -> Pending:
    """A decision that states some scopes; ``logs``: those that it is put into, where they are others."""
    return Pending(
        request_id=request_id,
        kind=RecordKind.DECISION,
        outcome="substituted",
        scopes=scope.logs(said) if logs is None else logs,
        build=lambda position, _: statement.render_decision(
            replace(ledger.decision(request_id, position), scopes=said)
        ),
    )


def result(request_id: str, decided: Sha256Hex, *logs: str) -> Pending:
    """Its result."""
    return Pending(
        request_id=request_id,
        kind=RecordKind.RESULT,
        outcome="ok",
        scopes=logs,
        build=lambda position, _: statement.render_result(ledger.result(request_id, position, decided)),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    founding.init(tmp_path / "data", origin=ORIGIN, clock=lambda: ledger.NOW)
    (tmp_path / "data" / "policies").mkdir()
    for text in (ledger.POLICY, ledger.POLICY_SET):
        (tmp_path / "data" / layout.policy_path(text)).write_bytes(text)
    return tmp_path / "data"


def _written(root: Path, *pairs: tuple[Pending, tuple[str, ...]]) -> None:
    opened = Log.open(root, publish_interval_s=0.01, clock=lambda: ledger.NOW)
    for pending, logs in pairs:
        (decided,) = opened.append_now(pending)
        opened.append_now(result(pending.request_id, decided.pae_digest, *logs))
    opened.close()


@pytest.fixture
def two(root: Path) -> Path:
    """A log with one request in a scope and one in none."""
    _written(root, (decision("r-1", IN_EU), (EU,)), (decision("r-2"), ()), (decision("r-3", IN_EU), (EU,)))
    return root


@pytest.fixture
def directory(two: Path) -> Iterator[datadir.DataDirectory]:
    with closing(datadir.open_directory(two)) as opened:
        yield opened


def _verified(root: Path, name: str | None = None) -> Report:
    """What is found about the main log with its scopes, or about one scope by itself."""
    with closing(datadir.open_directory(root)) as opened:
        keys = opened.files.below(layout.KEYS)
        source = opened if name is None else opened.of_scope(name)
        logs = {each: opened.of_scope(each).files.below(layout.LOG) for each in opened.scopes()}
        return verify_log(
            source.files.below(layout.LOG),
            layout.trust_of(keys),
            certificates=layout.certificates_of(keys),
            records=source.record,
            scope=name,
            scopes=logs if name is None else None,
        )


def _outcome(report: Report, obligation: Obligation) -> Outcome:
    return next(each.outcome for each in report.findings if each.obligation is obligation)


def test_an_honest_main_log_and_its_scope_hold(two: Path) -> None:
    whole, part = _verified(two), _verified(two, EU)
    assert (whole.outcome, part.outcome) == (Outcome.OK, Outcome.OK), (whole, part)
    assert (part.subject, part.counts["entries"], whole.counts["entries"]) == (f"log of scope {EU}", 4, 11)
    for obligation in (COUNTS, ENDS, REVOKED):
        assert _outcome(whole, obligation) is Outcome.OK
        assert _outcome(part, obligation) is Outcome.NOT_CHECKED, (
            "expected what only the main log shows not to be claimed"
        )


def test_a_record_in_a_log_that_it_does_not_name_is_found(root: Path) -> None:
    _written(root, (decision("r-1", IN_EU), (EU,)), (decision("r-2", logs=(EU,)), (EU,)))
    assert _outcome(_verified(root, EU), SCOPE) is Outcome.FAILED
    assert _outcome(_verified(root), SCOPE) is Outcome.FAILED


def test_a_record_that_is_left_out_of_its_scope_is_found(root: Path) -> None:
    _written(root, (decision("r-1", IN_EU, logs=()), ()), (decision("r-2", IN_EU), (EU,)))
    assert _outcome(_verified(root), SCOPE) is Outcome.FAILED
    assert (
        _verified(root, EU).outcome is Outcome.OK
    )  # the scope alone cannot tell: the main log, or the caller's record does


def test_a_last_record_that_is_not_in_its_scope_yet_is_undecided(root: Path) -> None:
    _written(root, (decision("r-1", IN_EU), (EU,)), (decision("r-2", IN_EU, logs=()), ()))
    report = _verified(root)
    assert (report.outcome, _outcome(report, SCOPE)) == (Outcome.UNDECIDED, Outcome.UNDECIDED)


def test_a_result_without_its_decision_in_the_scope_is_found(root: Path) -> None:
    _written(root, (decision("r-1", IN_EU), (EU,)), (decision("r-2", IN_EU, logs=()), (EU,)))
    assert _outcome(_verified(root, EU), PAIRS) is Outcome.FAILED


def test_records_of_the_installation_are_in_no_scope(root: Path) -> None:
    event = replace(decision("r-2"), kind=RecordKind.DECISION, scopes=(EU,))
    _written(root, (decision("r-1", IN_EU), (EU,)))
    with closing(sqlite3.connect(root / datadir.DATABASE)) as database, database:
        database.execute("INSERT INTO member (log, rec_id) SELECT ?, id FROM rec WHERE kind = 'log-start'", (EU,))
    _written(root, (event, ()))
    assert _outcome(_verified(root, EU), SCOPE) is Outcome.FAILED


def test_a_log_of_another_scope_or_the_main_one_is_not_taken_for_it(
    two: Path, directory: datadir.DataDirectory
) -> None:
    keys = directory.files.below(layout.KEYS)
    trust, certificates = layout.trust_of(keys), layout.certificates_of(keys)
    own, main = directory.of_scope(EU).files.below(layout.LOG), directory.files.below(layout.LOG)
    for log, name in ((own, US), (own, None), (main, EU)):
        report = verify_log(log, trust, certificates=certificates, scope=name)
        assert _outcome(report, CHECKPOINT) is Outcome.FAILED, name


def _bundled(parts: Iterator[bundle.Part]) -> Files:
    return in_memory({path: b"".join(chunks) for path, chunks in parts})


def test_a_bundle_of_a_scope_is_verified_with_the_main_logs_key(two: Path, directory: datadir.DataDirectory) -> None:
    made = _bundled(bundle.parts(directory.of_scope(EU), bundle_selection.whole, MAKING))
    elsewhere = layout.trust_of(directory.files.below(layout.KEYS))
    for trust in (None, elsewhere):
        report = verify_bundle(made, trust)
        assert report.outcome is Outcome.OK, [f for f in report.findings if f.reason]
        assert report.subject == f"bundle of the whole log of scope {EU}"
    assert verify_bundle(made, elsewhere, scope=EU).outcome is Outcome.OK
    assert verify_bundle(made, elsewhere, scope=US).outcome is Outcome.FAILED
    whole = _bundled(bundle.parts(directory, bundle_selection.whole, MAKING))
    assert verify_bundle(whole, elsewhere).outcome is Outcome.OK
    assert verify_bundle(whole, elsewhere, scope=EU).outcome is Outcome.FAILED
    assert not [path for path in made.listing() if "r-2" in path or b"r-2" in made.read(path)]


def test_numbers_rise_in_a_scope_and_may_have_gaps() -> None:
    rising = Rising()
    for epoch, number in (("e", 3), ("f", 1), ("e", 7), ("f", 2)):
        rising.add(statement.Position(instance="i", epoch=epoch, seq=number))
    for number in (7, 5):
        with pytest.raises(VerificationError):
            rising.add(statement.Position(instance="i", epoch="e", seq=number))


def test_a_record_with_a_proof_from_a_scope_holds_only_if_it_belongs_there(root: Path) -> None:
    _written(root, (decision("r-1", IN_EU), (EU,)), (decision("r-2", logs=(EU,)), (EU,)))
    with closing(datadir.open_directory(root)) as opened:
        keys = opened.files.below(layout.KEYS)
        trust, certificates = layout.trust_of(keys), layout.certificates_of(keys)
        made = _bundled(bundle.parts(opened.of_scope(EU), bundle_selection.of_requests(["r-1", "r-2"]), MAKING))
        found = {}
        for request_id in ("r-1", "r-2"):
            records = opened.of_scope(EU).of_request(request_id)
            exhibits = [
                Proven(envelope=each.envelope, proof=made.read(f"proofs/{each.index}.tlog-proof")) for each in records
            ]
            found[request_id] = verify_record(request_id, exhibits, trust, certificates=certificates).outcome
        assert examine.of_scope(trust, EU).log_keys[0].name == f"{ORIGIN}/{EU}"
        assert checkpoint.format_vkey(trust.log_keys[0]) in opened.of_scope(EU).files.read("keys/log.vkey").decode()
    assert found == {"r-1": Outcome.OK, "r-2": Outcome.FAILED}
