"""Any one bit of a bundle's evidence, changed, is found, and nothing that a bundle may hold stops the verifier."""

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audit import canonical, keys, layout
from audit.errors import MalformedError
from audit.examine import Trust
from audit.files import in_memory
from audit.folder import directory_files
from audit.report import render
from audit.verify import Outcome, Report, verify_bundle
from proxy.cli import main
from tests.simulators.ledger import filled

CLAIM = layout.CONTENTS
"""What a bundle says that it holds may be changed to less, which its subject then says."""


@lru_cache(maxsize=1)
def honest() -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        data, out = Path(folder, "data"), Path(folder, "out")
        filled(data, ("r-1", "r-2"))
        kept = str(data / layout.LOG_CHECKPOINT)
        assert main(["bundle", "--data", str(data), "--out", str(out), "--previous", kept]) == 0
        files = directory_files(out)
        return {path: files.read(path) for path in files.listing()}


@lru_cache(maxsize=1)
def trust() -> Trust:
    return layout.trust_of(in_memory(honest()).below(layout.KEYS))


def verified(files: dict[str, bytes]) -> Report:
    """The report on files whose manifest is made anew."""
    digests = {path: canonical.digest(content) for path, content in files.items() if path != layout.MANIFEST}
    return verify_bundle(
        in_memory({**files, layout.MANIFEST: layout.format_manifest(digests)}), trust(), page=render.html
    )


def test_the_honest_one_holds() -> None:
    assert verified(honest()).outcome is Outcome.OK


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_bit_is_found(data: st.DataObject) -> None:
    files = honest()
    path = data.draw(st.sampled_from(sorted(files.keys() - {layout.MANIFEST, CLAIM})))
    at = data.draw(st.integers(0, len(files[path]) - 1))
    content = bytearray(files[path])
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    assume(not _same_certificate(path, files[path], bytes(content)))
    report = verified({**files, path: bytes(content)})
    assert report.outcome is Outcome.FAILED, path


def _same_certificate(path: str, before: bytes, after: bytes) -> bool:
    """Whether a text still stands for the same certificate: what is around it does not count."""
    if not path.endswith(".pem") or path.endswith(".pub.pem"):
        return False
    try:
        return keys.certificate_der(before) == keys.certificate_der(after)
    except MalformedError:
        return False


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_file_that_is_gone_or_another_is_found_and_stops_nothing(data: st.DataObject) -> None:
    files = dict(honest())
    path = data.draw(st.sampled_from(sorted(files.keys() - {layout.MANIFEST, layout.REPORT_PAGE})))
    if data.draw(st.booleans()):
        del files[path]
    else:
        other = data.draw(st.sampled_from(sorted(honest().values())) | st.binary(max_size=50))
        assume(other != files[path])
        files[path] = other
    report = verified(files)
    assert report.outcome is Outcome.FAILED, path
