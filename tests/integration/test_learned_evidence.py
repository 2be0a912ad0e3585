"""Documents that were learned go with the records that name them, and any other in their place is found."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audit import canonical, layout, learning, predicates, statement
from audit.learning import ModelActivation
from audit.records import Anchor, DecisionRecord
from audit.vocabulary import Learnt, RecordKind, Sha256Hex
from proxy.cli import main
from proxy.core.learning import document
from tests.simulators import traffic
from tests.simulators.evidence import failed, remanifest
from tests.simulators.ledger import AT, ORIGIN, Ledger, result
from tests.simulators.tampering import Tampered

TREE = Anchor(origin=ORIGIN, size=0, root=canonical.digest(b""))
LEARNED = document.nothing(TREE)
DIGEST = canonical.digest(LEARNED)
ROUTER = b'{"a router": "of an operator"}'


def activation(ledger: Ledger, **changes: object) -> None:
    """Put it on record that the document is in force."""
    made = ModelActivation(
        what=Learnt.RELIABILITIES,
        document=DIGEST,
        cause="start",
        act="rollback",
        previous=None,
        tree=TREE,
        held=0,
        loss_before=0,
        loss_after=0,
    )
    made = replace(made, **changes)  # type: ignore[arg-type]  # the tests name the fields
    payload = learning.render_model_activation(made, at=AT, position=ledger.position(), anchor=None)
    ledger.append("model-1", RecordKind.MODEL_ACTIVATION, payload)


def routed(record: DecisionRecord) -> DecisionRecord:
    """A decision that a router had a part in, under what was learned."""
    inputs = replace(traffic.inputs("x"), suspended=(), reliabilities=DIGEST)
    return replace(record, router=f"linear-2-{canonical.digest(ROUTER)}", inputs=inputs)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A log with an activation, a request under it and one of before; its directory holds more documents than records name."""
    made = Ledger.create(tmp_path / "data")
    made.request("r-0")
    activation(made)
    made.request("r-1", change_decision=routed)
    made.publish()
    for content in (LEARNED, ROUTER, b'{"named by": "nobody"}'):
        made.write(layout.learned_path(canonical.digest(content)), content)
    made.write("learned/active.json", b"{}")
    return made


def bundled(ledger: Ledger, out: Path, *options: str) -> Path:
    assert main(["bundle", "--data", str(ledger.root), "--out", str(out), *options]) == 0
    return out


def documents(bundle: Path) -> set[str]:
    return {path.stem for path in (bundle / "learned").glob("*")} if (bundle / "learned").exists() else set()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {DIGEST, canonical.digest(ROUTER)}),
        (("--record", "r-1"), {DIGEST, canonical.digest(ROUTER)}),
        (("--record", "r-0"), set()),
    ],
)
def test_a_bundle_has_the_documents_that_its_records_name_and_no_others(
    options: tuple[str, ...],
    expected: set[str],
    ledger: Ledger,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = bundled(ledger, tmp_path / "out", *options)
    assert documents(out) == expected
    assert failed(capsys, str(out)) == (0, set())


def other_tree(t: Tampered) -> None:
    """A document of another tree under its own digest, in the place of the one that was learned."""
    t.drop(layout.learned_path(DIGEST))
    content = document.nothing(replace(TREE, size=1))
    t.write(layout.learned_path(canonical.digest(content)), content)


CASES: dict[str, Callable[[Tampered], object]] = {
    "text": lambda t: t.flip(layout.learned_path(DIGEST), 9),
    "text of the router": lambda t: t.flip(layout.learned_path(canonical.digest(ROUTER)), 9),
    "missing": lambda t: t.drop(layout.learned_path(DIGEST)),
    "all missing": lambda t: shutil.rmtree(t.root / "learned"),
    "another under its own digest": other_tree,
    "another under this digest": lambda t: t.write(
        layout.learned_path(DIGEST), document.nothing(replace(TREE, size=1))
    ),
    "the router's under this digest": lambda t: t.write(layout.learned_path(DIGEST), ROUTER),
    "two swapped": lambda t: t.swap(layout.learned_path(DIGEST), layout.learned_path(canonical.digest(ROUTER))),
    "one that nobody named": lambda t: t.write(layout.learned_path(canonical.digest(b"{}")), b"{}"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_learned_document_that_is_not_the_one_on_record_is_found(
    name: str, ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = bundled(ledger, tmp_path / "out")
    CASES[name](Tampered(out, ledger.root))
    remanifest(out)
    assert failed(capsys, str(out)) == (1, {"learned"})


def test_an_activation_that_states_another_tree_than_its_document_is_found(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    activation(ledger, tree=Anchor(origin=ORIGIN, size=1, root=Sha256Hex("cd" * 32)))
    ledger.publish()
    assert failed(capsys, str(bundled(ledger, tmp_path / "out"))) == (1, {"learned"})


@pytest.mark.parametrize(
    ("taught", "act", "stated", "expected"),
    [
        (TREE, "activate", TREE, (0, set())),
        (TREE, "activate", replace(TREE, size=1), (1, {"learned"})),
        (None, "activate", TREE, (1, {"learned"})),
        (None, "rollback", TREE, (0, set())),
    ],
)
def test_a_learned_router_is_of_the_tree_that_its_activation_states(
    ledger: Ledger,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    taught: Anchor | None,
    act: str,
    stated: Anchor,
    expected: tuple[int, set[str]],
) -> None:
    tree = {} if taught is None else {"tree": predicates.anchor_object(taught)}
    router = canonical.encode({"trained_on": tree})
    ledger.write(layout.learned_path(canonical.digest(router)), router)
    activation(ledger, what=Learnt.ROUTER, document=canonical.digest(router), act=act, tree=stated)
    ledger.publish()
    assert failed(capsys, str(bundled(ledger, tmp_path / "out"))) == expected


def test_a_map_of_confidence_is_named_by_the_result_that_was_read_from_it(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = b'{"maps": "of confidence"}'
    ledger.write(layout.learned_path(canonical.digest(maps)), maps)
    decided = ledger.append_decision("r-2")
    made = result("r-2", ledger.position(), decided)
    assert made.aggregation is not None
    method = f"least:isotonic:{canonical.digest(maps)}"
    made = replace(made, aggregation=replace(made.aggregation, confidence_method=method))
    ledger.append("r-2", RecordKind.RESULT, statement.render_result(made))
    ledger.publish()
    out = bundled(ledger, tmp_path / "out", "--record", "r-2")
    assert documents(out) == {canonical.digest(maps)}
    assert failed(capsys, str(out)) == (0, set())
