"""The bytes of a request's two records, as ``audit.statement`` gives them, by a quicker printer: this runs twice in every request.

Pure. ``audit.canonical`` says what canonical JSON is and refuses what has no form in it; an auditor installs that alone. Here orjson
prints whatever it prints alike, and everything else is left to it.
"""

import orjson

from audit import canonical, statement
from audit.statement import DecisionRecord, ResultRecord


def decision(record: DecisionRecord) -> bytes:
    """As ``statement.render_decision``."""
    return statement.render_decision(record, encode)


def result(record: ResultRecord) -> bytes:
    """As ``statement.render_result``."""
    return statement.render_result(record, encode)


def encode(value: object) -> bytes:
    """As ``canonical.encode``: the same bytes, or an error of the same code."""
    try:
        content = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)  # first, as it refuses cycles
    except orjson.JSONEncodeError:
        return canonical.encode(value)
    # Its order of keys is that of code points.
    return content if canonical.has_ascii_keys(value) else canonical.encode(value)
