"""Signatures that let rules come into force or lift them for a while: what counts, and everything that does not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical, dsse, keys
from policies import packs
from policies.packs import PolicySet
from proxy.core import governance
from proxy.core.governance import Approvable, BreakGlass, BreakGlassLimits
from proxy.errors import ConfigurationError
from tests.simulators.rules import rule, write

ANN, BOB, EVE = (keys.record_signer() for _ in range(3))
KNOWN = {"ann": ANN.public_der, "bob": BOB.public_der}
POLICY, FACTS, CONFIGURATION = "a" * 64, "b" * 64, "c" * 64
WHAT = Approvable(policy=POLICY, facts=FACTS, configuration=CONFIGURATION)
SINCE = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMITS = BreakGlassLimits(approvals=2, longest=timedelta(hours=24))
FILES = {"bank/rules.cedar": "c" * 64}


def approval(
    policy: str = POLICY,
    facts: str = FACTS,
    configuration: str = CONFIGURATION,
    name: str = "ann",
    signer: keys.P256Signer = ANN,
    until: str | None = None,
) -> bytes:
    what = Approvable(policy=policy, facts=facts, configuration=configuration)
    return governance.approve(what, approver=name, at="2026-11-25T12:00:00Z", signer=signer, until=until)


def approvers(*contents: bytes, now: datetime = SINCE) -> dict[str, datetime]:
    return governance.approvals(contents, WHAT, KNOWN, now)


def act(
    name: str = "ann", signer: keys.P256Signer = ANN, rules: tuple[str, ...] = ("t.rule",), hours: float = 4
) -> bytes:
    return governance.break_glass(
        rules,
        ["shop"],
        since=SINCE.isoformat(),
        until=(SINCE + timedelta(hours=hours)).isoformat(),
        reason="an outage of the only permitted host",
        approver=name,
        signer=signer,
    )


@pytest.fixture
def policy_set(tmp_path: Path) -> PolicySet:
    law = '@status("in_force") @authority("a court") @checked_on("2026-11-01")'
    text = rule("context.humanOversight") + rule("context.humanOversight", identifier="t.law", extra=law)
    return packs.load(write(tmp_path, text), ["corporate-test", "extra"])


# --- approvals --------------------------------------------------------------------------------------------------------


def test_each_approver_counts_once() -> None:
    assert set(approvers(approval(), approval(), approval(name="bob", signer=BOB))) == {"ann", "bob"}


@pytest.mark.parametrize(
    "content",
    [
        approval(policy="d" * 64),
        approval(facts="d" * 64),
        approval(configuration="d" * 64),
        approval(name="bob", signer=ANN),
        approval(name="eve", signer=EVE),
        approval(name="ann", signer=EVE),
        approval(until=SINCE.isoformat()),
        approval(until="2026-11-26T12:00:00"),
        approval(until="never"),
        approval(until=""),
        act(),
        b"",
        b"{}",
        approval()[:-20],
        approval().replace(b"application/vnd.apostille.policy-approval+json", b"application/vnd.apostille.pack+json"),
    ],
    ids=[
        "other set",
        "other facts",
        "other tenants or routing",
        "another's name",
        "unknown",
        "forged",
        "ended",
        "ends nowhere",
        "ends at no time",
        "ends at nothing",
        "other kind",
        "empty",
        "no envelope",
        "cut",
        "retyped",
    ],
)
def test_what_is_not_an_approval_of_this_by_somebody_known_counts_for_nothing(content: bytes) -> None:
    assert approvers(content) == {}


@given(st.binary(max_size=400))
def test_any_bytes_in_the_folder_count_for_nothing(content: bytes) -> None:
    assert approvers(content) == {}


def test_of_several_approvals_by_one_person_the_last_end_counts() -> None:
    early, late = (approval(until=(SINCE + n * HOUR).isoformat()) for n in (1, 2))
    assert approvers(late, early) == approvers(early, late) == {"ann": SINCE + 2 * HOUR}
    assert approvers(late, approval()) == {"ann": governance.ENDLESS}
    assert approvers(early, late, now=SINCE + HOUR) == {"ann": SINCE + 2 * HOUR}


@pytest.mark.parametrize(
    ("hours", "needed", "until"),
    [
        ((1, 2, 3), 2, 2),
        ((1, 2, 3), 3, 1),
        ((1, 2, 3), 1, 3),
        ((1, 2, 3), 0, None),
        ((1, None), 1, None),
        ((), 0, None),
    ],
)
def test_approvals_hold_until_too_few_are_left(hours: tuple[int | None, ...], needed: int, until: int | None) -> None:
    ends = {str(n): governance.ENDLESS if h is None else SINCE + h * HOUR for n, h in enumerate(hours)}
    found = governance.approved(ends, needed)
    assert found.until == (None if until is None else SINCE + until * HOUR)
    assert found.holds(SINCE)
    assert until is None or not found.holds(SINCE + until * HOUR)
    assert until is None or sum(end > SINCE + until * HOUR for end in ends.values()) < needed


# --- packs ------------------------------------------------------------------------------------------------------------


def test_a_signed_pack_names_its_signer() -> None:
    assert governance.check_pack("bank", FILES, governance.sign_pack("bank", FILES, BOB), KNOWN) == "bob"


@pytest.mark.parametrize(
    ("files", "signature", "said"),
    [
        ({"bank/rules.cedar": "d" * 64}, governance.sign_pack("bank", FILES, ANN), "other files"),
        ({**FILES, "bank/more.cedar": "d" * 64}, governance.sign_pack("bank", FILES, ANN), "other files"),
        (FILES, governance.sign_pack("shop", FILES, ANN), "other files"),
        (FILES, governance.sign_pack("bank", FILES, EVE), "no configured signer"),
        (FILES, approval(), "another kind"),
        (FILES, b"{}", "not an envelope"),
    ],
    ids=["changed", "added", "another pack's", "unknown signer", "an approval", "nonsense"],
)
def test_a_pack_that_is_not_what_was_signed_is_refused(files: dict[str, str], signature: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        governance.check_pack("bank", files, signature, KNOWN)
    assert caught.value.code == "pack-not-signed"


# --- break-glass ------------------------------------------------------------------------------------------------------


def test_two_signatures_suspend_a_rule_for_those_tenants_until_it_ends(policy_set: PolicySet) -> None:
    (found,) = governance.emergencies([act(), act("bob", BOB)], policy_set, KNOWN, LIMITS)
    assert found.approvers == ("ann", "bob")
    assert found.suspends("shop", SINCE) == {"t.rule"}
    assert found.suspends("shop", SINCE + timedelta(hours=4)) == frozenset()
    assert found.suspends("shop", SINCE - timedelta(seconds=1)) == frozenset()
    assert found.suspends("bank", SINCE) == frozenset()


def test_one_signature_of_two_suspends_nothing(policy_set: PolicySet) -> None:
    assert governance.emergencies([act(), act(), act("bob", EVE)], policy_set, KNOWN, LIMITS) == ()


def test_signatures_on_different_acts_do_not_add_up(policy_set: PolicySet) -> None:
    assert governance.emergencies([act(), act("bob", BOB, hours=5)], policy_set, KNOWN, LIMITS) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rules": ("t.law",)}, "in_force"),
        ({"rules": ("t.base",)}, "expected one that forbids"),
        ({"rules": ("t.rule", "t.gone")}, "unknown rule `t.gone`"),
        ({"hours": 25}, "expected an end within"),
        ({"hours": -1}, "expected an end within"),
    ],
)
def test_an_act_that_does_not_fit_the_rules_suspends_nothing_and_is_not_to_be_signed(
    policy_set: PolicySet, changes: dict[str, object], said: str
) -> None:
    both = [act(**changes), act("bob", BOB, **changes)]  # type: ignore[arg-type]  # the rows name the fields
    (found,) = governance.emergencies(both, policy_set, KNOWN, LIMITS)
    assert (said in found.lapsed, found.approvers) == (True, ("ann", "bob"))
    assert found.suspends("shop", SINCE) == frozenset()
    alone = BreakGlassLimits(approvals=1, longest=LIMITS.longest)
    with pytest.raises(ConfigurationError, match=said) as caught:
        governance.check_act(both[0], policy_set, KNOWN, alone)
    assert caught.value.code == "break-glass-invalid"


def _acts(**changes: object) -> list[bytes]:
    payload = {"rules": ["t.rule"], "tenants": ["shop"], "reason": "an outage"}
    payload |= {"since": SINCE.isoformat(), "until": (SINCE + HOUR).isoformat()} | changes
    return [
        dsse.sign(canonical.encode(payload | {"approver": name}), signer, governance.BREAK_GLASS_TYPE).encode()
        for name, signer in (("ann", ANN), ("bob", BOB))
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"rules": "t.rule"},
        {"rules": ["t.rule"] * (governance.MAX_RULES + 1)},
        {"tenants": None},
        {"since": "now"},
        {"until": "2026-11-25T13:00:00"},
        {"reason": None},
        {"reason": "x" * (governance.MAX_REASON + 1)},
    ],
)
def test_what_names_no_act_is_none_whoever_signed_it_and_stands_in_nobodys_way(
    policy_set: PolicySet, changes: dict[str, object]
) -> None:
    assert len(governance.emergencies(_acts(), policy_set, KNOWN, LIMITS)) == 1
    assert governance.emergencies(_acts(**changes), policy_set, KNOWN, LIMITS) == ()
    with pytest.raises(ConfigurationError, match="expected at most"):
        governance.check_act(_acts(**changes)[0], policy_set, KNOWN, BreakGlassLimits(approvals=1, longest=HOUR))


def test_nobody_is_bound_by_an_act_that_has_not_begun() -> None:
    later = BreakGlass(
        rules=frozenset({"r"}),
        tenants=frozenset({"t"}),
        since=SINCE,
        until=SINCE + timedelta(hours=1),
        reason="",
        approvers=(),
    )
    assert later.suspends("t", SINCE - timedelta(hours=1)) == frozenset()
