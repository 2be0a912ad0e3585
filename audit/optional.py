"""What a verifier uses where its library is installed, and does without where it is not."""

from audit.bundle import Page
from audit.stamps import CheckToken


def page() -> Page | None:
    """What renders the page of a report, where its template engine is installed."""
    try:
        from audit.report import render
    except ImportError:
        return None
    return render.html


def token_check() -> CheckToken | None:
    """The check of timestamps; None where its library, an extra, is not installed."""
    try:
        from audit.timestamping import check
    except ImportError:
        return None
    return check
