"""A report as data: JSON with a schema version; members are added and never change meaning within one version.

Pure, and apart from ``audit.report.render`` so that a verifier can compute the same bytes without a template engine.
"""

import json
from dataclasses import asdict

from audit.report.cover import Cover
from audit.tables import Tables

SCHEMA = "apostille-transparency-report/1"


def as_json(cover: Cover, tables: Tables) -> bytes:
    """The whole report. A cover that lists no logs has no such member, as in the bundles of before."""
    said = asdict(cover)
    if not cover.logs:
        del said["logs"]
    whole = {"schema": SCHEMA, "cover": said, "figures": asdict(tables)}
    return json.dumps(whole, indent=2, ensure_ascii=False).encode() + b"\n"
