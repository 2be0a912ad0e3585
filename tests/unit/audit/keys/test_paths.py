"""Paths from a record key to an organisation's root: each obligation of RFC 5280 that is checked, and what breaks it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from audit import keys
from audit.errors import AuditError
from tests.simulators.authority import DAY, NOW, Issuer, Shape, issuer, leaf

ROOT = issuer(Shape(name="root"), key=rsa.generate_private_key(65537, 2048))
MIDDLE = issuer(Shape(name="middle"), ROOT)
ISSUING = issuer(Shape(name="issuing", path_length=0), MIDDLE)
LEAF = leaf(ISSUING)


def verify(der: bytes, *between: Issuer, roots: tuple[Issuer, ...] = (ROOT,), at: datetime = NOW) -> keys.Certified:
    return keys.verify_certificate(der, tuple(r.der for r in roots), at, tuple(b.der for b in between))


def test_a_path_over_two_issuers_holds_in_any_order() -> None:
    assert verify(LEAF, ISSUING, MIDDLE).instance == "i-1"
    assert verify(LEAF, MIDDLE, ISSUING).instance == "i-1"
    assert keys.issuers(LEAF, (ROOT.der,), NOW, (MIDDLE.der, ISSUING.der)) == (ISSUING.der, MIDDLE.der, ROOT.der)


def test_of_two_certificates_of_one_issuing_key_the_one_that_is_valid_counts() -> None:
    old = issuer(Shape(name="issuing", not_before=NOW - 9 * DAY, not_after=NOW - DAY), ROOT)
    new = issuer(Shape(name="issuing"), ROOT, key=old.key)
    made = leaf(new)
    assert verify(made, old, new).instance == "i-1"
    assert verify(made, new, old).instance == "i-1"
    with pytest.raises(AuditError):
        verify(made, old)


def _unknown() -> tuple[x509.ExtensionType, bool]:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True


def _names() -> tuple[x509.ExtensionType, bool]:
    return x509.NameConstraints([x509.UniformResourceIdentifier(".example")], None), False


def _with(shape: Shape, by: Issuer = ROOT) -> Callable[[], None]:
    def run() -> None:
        made = issuer(shape, by)
        verify(leaf(made), made)

    return run


def _too_deep() -> None:
    chain = [ROOT]
    for depth in range(keys.MAX_PATH + 1):
        chain.append(issuer(Shape(name=f"i{depth}"), chain[-1]))
    verify(leaf(chain[-1]), *chain[1:])


ISSUED = Shape(name="issuing")
BROKEN: dict[str, Callable[[], object]] = {
    "another root": lambda: verify(LEAF, ISSUING, MIDDLE, roots=(issuer(Shape(name="root")),)),
    "a gap": lambda: verify(LEAF, ISSUING),
    "the evidence's own root": lambda: verify(LEAF, ISSUING, MIDDLE, ROOT, roots=(issuer(Shape(name="x")),)),
    "an issuer below one that allows none": lambda: verify(
        leaf(low := issuer(Shape(name="l"), ISSUING)), low, ISSUING, MIDDLE
    ),
    "path length": lambda: verify(
        leaf(low := issuer(Shape(name="low"), top := issuer(Shape(name="top", path_length=0), ROOT))), low, top
    ),
    "an issuer that is none": _with(replace(ISSUED, ca=False)),
    "an issuer that may not certify": _with(replace(ISSUED, key_cert_sign=False)),
    "an issuer that has ended": _with(replace(ISSUED, not_after=NOW - DAY / 2)),
    "an issuer that has not begun": _with(replace(ISSUED, not_before=NOW + DAY)),
    "a root that has ended": lambda: verify(leaf(ROOT), at=NOW + 400 * DAY),
    "a critical extension that is not known": _with(replace(ISSUED, extra=(_unknown(),))),
    "name constraints": _with(replace(ISSUED, extra=(_names(),))),
    "a record key with an unknown critical extension": lambda: verify(
        leaf(ROOT, Shape(name="r", instance="i-1", extra=(_unknown(),)))
    ),
    "a record key without a name": lambda: verify(leaf(ROOT, Shape(name="r"))),
    "a record key that has ended": lambda: verify(leaf(ROOT, Shape(name="r", instance="i", not_after=NOW - DAY / 2))),
    "an issuer as a record key": lambda: verify(issuer(Shape(name="r", instance="i-1"), ROOT).der),
    "too deep": _too_deep,
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_path_that_breaks_an_obligation_is_refused(case: str) -> None:
    with pytest.raises(AuditError) as caught:
        BROKEN[case]()
    assert caught.value.code == "certificate"


def test_the_longest_path_is_taken() -> None:
    chain = [ROOT]
    for depth in range(keys.MAX_PATH):
        chain.append(issuer(Shape(name=f"i{depth}"), chain[-1]))
    assert verify(leaf(chain[-1]), *chain[1:]).instance == "i-1"
