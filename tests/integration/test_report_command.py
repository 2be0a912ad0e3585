"""``apostille report`` on a data directory: what it writes holds, what it could not verify it says, and it changes nothing."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import administration
from audit.datadir import open_directory
from audit.dsse import parse
from audit.log import Log
from audit.statement import decision_of
from audit.statement import parse as statement_of
from audit.vocabulary import RecordKind
from proxy.cli import main
from tests.simulators import history, traffic
from tests.simulators.ledger import AT, Ledger, filled

PERIOD = ("--from", "2026-11-01", "--to", "2026-11-30")


def report(folder: Path, *more: str) -> int:
    """Run the command on ``data`` below a folder."""
    return main(["report", "--data", str(folder / "data"), "--out", str(folder / "out"), *PERIOD, *more])


def sheet(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "out" / "sheets" / f"{name}.csv").read_text().splitlines()))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_log_that_holds_is_reported_on_and_nothing_in_it_changes(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    before = snapshot(tmp_path / "data")
    assert report(tmp_path, "--jurisdiction", "EU") == 0
    assert {k: v for k, v in snapshot(tmp_path / "data").items() if not k.endswith(("-shm", "-wal"))} == before
    assert "The log holds" in (tmp_path / "out" / "report.html").read_text()
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (found["cover"]["verification"], found["figures"]["requests"]) == ("held", 3)
    assert {"DE", "FR"} <= set(found["cover"]["codes"])
    (rule,) = sheet(tmp_path, "rules")
    assert (rule["rule"], rule["exclusions"], rule["requests_substituted"]) == ("de.residency", "3", "3")


def test_a_member_counts_for_its_group_and_not_for_another(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    for name, requests in (("DE", 3), ("EEA", 3), ("US", 0), ("ALL", 3)):
        assert report(tmp_path, "--jurisdiction", name, "--format", "json", "--force") == 0
        assert json.loads((tmp_path / "out" / "report.json").read_text())["figures"]["requests"] == requests
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.json"]


def _changed(ledger: Ledger) -> None:
    ledger.tamper_record("r-2", RecordKind.DECISION, lambda content: content.replace(b'"sig":"', b'"sig":"AAAA'))


def _without_a_tile(ledger: Ledger) -> None:
    max((ledger.root / "log" / "tile" / "entries" / "000.p").iterdir(), key=lambda tile: int(tile.name)).unlink()


@pytest.mark.parametrize("damage", [_changed, _without_a_tile])
def test_a_log_that_does_not_hold_is_said_first_and_by_the_exit_code(
    tmp_path: Path, damage: Callable[[Ledger], None], capsys: pytest.CaptureFixture[str]
) -> None:
    damage(filled(tmp_path / "data"))
    status = report(tmp_path)
    page = (tmp_path / "out" / "report.html").read_text()
    verdict = {1: "The log does NOT hold", 3: "Could not tell whether the log holds"}[status]
    assert page.index(verdict) < page.index("Do not rely on these figures") < page.index("Requests over time")
    assert "the log: held" not in capsys.readouterr().err


def test_an_unverified_log_is_said_to_be_unverified(tmp_path: Path) -> None:
    _changed(filled(tmp_path / "data"))
    assert report(tmp_path, "--no-verify") == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index("The log was not verified") < page.index("Requests over time")
    assert "The log holds" not in page


def test_a_folder_without_a_log_or_without_keys_gives_no_report(tmp_path: Path) -> None:
    assert report(tmp_path) == 3
    filled(tmp_path / "data")
    (tmp_path / "data" / "keys" / "root.pem").unlink()
    assert report(tmp_path) == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("said", "near"), [("UE", "EU"), ("Germany", "DE"), ("GERM", "DE")])
def test_a_jurisdiction_that_nothing_knows_is_told_with_those_that_are_near(
    said: str, near: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path / "data")
    with pytest.raises(SystemExit):
        report(tmp_path, "--jurisdiction", said)
    told = capsys.readouterr().err
    assert (f"got `{said}`" in told, f"{near} (" in told) == (True, True), told


def test_a_code_counts_as_requests_spell_it(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    assert report(tmp_path, "--jurisdiction", "de", "--format", "json") == 0
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (found["cover"]["jurisdiction"], found["figures"]["requests"]) == ("DE", 3)


@pytest.mark.parametrize(
    ("more", "said"), [(("--jurisdiction", "US"), "touched US"), (("--to", "2026-11-01"), "of the log")]
)
def test_a_report_of_nothing_says_so_and_what_else_there_is(
    more: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path / "data")
    assert report(tmp_path, *more) == 0
    page = " ".join((tmp_path / "out" / "report.html").read_text().split())
    assert (said in page, "the log has 3 requests, all of other days" in page) == (True, True)
    assert "no request is in the report; 3 of the log" in capsys.readouterr().err


def test_a_report_is_not_written_over_another_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path / "data")
    assert report(tmp_path) == 0
    before = snapshot(tmp_path / "out")
    with pytest.raises(SystemExit) as stopped:
        report(tmp_path, "--jurisdiction", "DE", "--format", "json")
    assert (stopped.value.code, "`--force`" in capsys.readouterr().err) == (2, True)
    assert snapshot(tmp_path / "out") == before
    assert report(tmp_path, "--jurisdiction", "DE", "--format", "json", "--force") == 0
    assert list(snapshot(tmp_path / "out")) == ["report.json"], "nothing of the other report may stay"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--jurisdiction", "Atlantis"),
        ("--jurisdiction", "UE"),
        ("--from", "2026-12-01"),
        ("--from", "yesterday"),
        ("--to", "9999-12-31"),
        ("--format", "pdf"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    filled(tmp_path / "data")
    with pytest.raises(SystemExit) as stopped:
        report(tmp_path, *arguments)
    assert stopped.value.code == 2
    assert not (tmp_path / "out").exists()


def test_break_glass_acts_on_record_are_in_the_report(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "data")
    act = traffic.emergency(since="2026-11-23T00:00:00+00:00", until="2026-11-24T00:00:00+00:00")
    made = traffic.activation(emergencies=(act,))
    payload = administration.render_policy_activation(made, at=AT, position=ledger.position(), anchor=None)
    ledger.append("policy", RecordKind.POLICY_ACTIVATION, payload)
    ledger.publish()
    assert report(tmp_path) == 0
    (row,) = sheet(tmp_path, "break_glass")
    assert (row["rules"], row["tenants"], row["approved_by"]) == ("corp.02", "acme-de", "ada; eve")
    assert (tmp_path / "out" / "report.html").read_text().count("a provider is down") == 1


def test_recorded_traffic_is_counted_as_its_records_say(tmp_path: Path) -> None:
    draft = tmp_path / "drafts" / "ban"
    draft.mkdir(parents=True)
    (draft / "ban.cedar").write_text(history.BAN)
    path = history.prepare(tmp_path, policy={"shadow_dirs": [str(draft.parent)]})
    log = Log.open(path.parent / "data")
    history.write(log, history.loaded(path), 300)
    log.close()
    out = tmp_path / "out"
    arguments = ("--data", str(path.parent / "data"), "--out", str(out), "--from", "2026-10-01", "--to", "2026-10-31")
    assert main(["report", *arguments, "--no-verify"]) == 0
    figures = json.loads((out / "report.json").read_text())["figures"]
    source = open_directory(path.parent / "data")
    found = [statement_of(parse(content).payload) for _, content in source.between(0, source.size())]
    source.close()
    decisions = [decision_of(each) for each in found if each.kind is RecordKind.DECISION]
    assert figures["requests"] == len(decisions) == 300
    for each in decisions:
        others = any(made.reason != "same-model" for made in each.substituted)
        assert each.outcome != "permitted" or not others, "the definition of `permitted` in docs/spec/predicates.md"
        assert each.outcome != "substituted" or others
        assert each.outcome != "refused" or not each.substituted
    with_stand_ins = Counter(each.outcome.value for each in decisions if each.substituted)
    assert {name: count for name, count in figures["stand_ins"].items() if count} == with_stand_ins
    assert figures["decisions"]["refused"] == sum(each.refusal is not None for each in decisions)
    assert {row["rule"] for row in figures["rules"]} - {"(no rule permits it)"} == {
        rule for each in decisions for excluded in each.excluded for rule in excluded.rules
    }
    (judged,) = figures["drafts"]
    assert judged["records"]["count"] == sum(each.shadow is not None for each in decisions)
    banned = sum(each.shadow is not None and "x.ban" in each.shadow.rules for each in decisions)
    assert judged["rules"][0]["name"] == "x.ban"
    assert 0 < judged["rules"][0]["records"]["count"] == banned == judged["otherwise"]["count"]
