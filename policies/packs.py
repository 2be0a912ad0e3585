"""Packs from disk: parse, validate, lint, digest. What comes out is a value that every decision can be traced to.

The engine's parse errors name no line, so a file is split into rules first and each is parsed on its own. Ids are the rules'
own ``@id``. The digest of a set is the SHA-256 of its manifest, which is among ``texts`` under that name, so that an auditor
finds from the digest in a record every text that was in force. Refuses everything in ``policies.lint``, duplicate ids,
packs that are not there, and files beyond 1 MiB.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from audit.canonical import decode, digest, encode
from policies import bounded_file, cedar, lint, rules, shipped
from policies.decision import RuleText
from policies.errors import PackError
from policies.facts import Facts
from policies.rules import NEVER_DECIDES, Rule

MAX_FILE_BYTES = 1 << 20
TERMINATOR = ";"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|;|[^"/;]+|.', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """Packs in force, under one digest.

    ``rules``: what people are told, by rule id, drafts included. ``texts``: every pack file, the schema and the manifest by
    SHA-256; the manifest's is ``digest``. ``parsed``: the rules that decide, by id; ``silent``: drafts and others that never
    do. ``packs``: ids of each pack's rules. ``places``: the folder that each pack was read from.
    """

    digest: str
    rules: Mapping[str, RuleText]
    texts: Mapping[str, str] = field(repr=False)
    parsed: Mapping[str, Rule] = field(repr=False)
    silent: Mapping[str, Rule] = field(repr=False)
    packs: Mapping[str, tuple[str, ...]]
    schema: cedar.Schema = field(repr=False)
    places: Mapping[str, Path]


class Chunk(NamedTuple):
    """One rule's text and the line it begins on, counted from 1."""

    text: str
    line: int


def load(directory: Path | Sequence[Path], names: Sequence[str]) -> PolicySet:
    """The named packs, each from the first directory that has it (given ones first, then those of the package).

    Raises ``PackError`` for the first problem, with file, line and rule.
    """
    directories = (directory,) if isinstance(directory, Path) else tuple(directory)
    schema = cedar.parse_schema(shipped.schema())
    places = {name: _find(name, directories) for name in dict.fromkeys(names)}
    files: dict[str, dict[str, str]] = {name: _read(folder) for name, folder in places.items()}
    found: dict[str, Rule] = {}
    for pack, contents in files.items():
        for file, text in contents.items():
            for rule in _rules(text, pack=pack, file=file, schema=schema):
                if rule.id in found:
                    raise _problem(rule, f"the id is taken by a rule of `{found[rule.id].file}`")
                found[rule.id] = rule
    texts = {str(digest(text.encode())): text for contents in files.values() for text in contents.values()}
    texts[str(digest(shipped.schema().encode()))] = shipped.schema()
    manifest = _manifest(files)
    identity = str(digest(manifest))
    return PolicySet(
        digest=identity,
        rules=MappingProxyType({identifier: rule.text() for identifier, rule in found.items()}),
        texts=MappingProxyType({**texts, identity: manifest.decode()}),
        parsed=MappingProxyType({i: rule for i, rule in found.items() if rule.status not in NEVER_DECIDES}),
        silent=MappingProxyType({i: rule for i, rule in found.items() if rule.status in NEVER_DECIDES}),
        packs=MappingProxyType({p: tuple(i for i, rule in found.items() if rule.pack == p) for p in files}),
        schema=schema,
        places=MappingProxyType(places),
    )


def manifest(policy_set: PolicySet) -> Mapping[str, Mapping[str, str]]:
    """SHA-256 of every file of every pack, by ``<pack>/<file>``, as it was loaded."""
    found = decode(policy_set.texts[policy_set.digest].encode())
    return {pack: dict(files) for pack, files in found["packs"].items()}


def check_names(policy_set: PolicySet, facts: Facts) -> None:
    """Raise ``PackError`` for the first rule, drafts included, that names what the facts do not know."""
    for rule in (*policy_set.parsed.values(), *policy_set.silent.values()):
        for message in lint.unknown_names(rule, facts):
            raise _problem(rule, message)


def _problem(rule: Rule, message: str) -> PackError:
    return PackError(message, file=rule.file, rule=rule.id, line=rule.line)


def _find(name: str, directories: Iterable[Path]) -> Path:
    if not _NAME.match(name):
        raise PackError("expected a pack name of lower-case letters, digits and hyphens", file=name[:64])
    tried = [*directories, shipped.PACKS]
    for directory in tried:
        if (directory / name).is_dir():
            return directory / name
    raise PackError(f"no such pack in {', '.join(f'`{d}`' for d in dict.fromkeys(tried))}", file=name)


def _read(pack: Path) -> dict[str, str]:
    """Texts of a pack's files by ``<pack>/<file>``, in order of name."""
    found: dict[str, str] = {}
    for path in sorted(pack.glob("*.cedar")):
        name = f"{pack.name}/{path.name}"
        try:
            found[name] = bounded_file.read(path, MAX_FILE_BYTES).decode()
        except OSError as cause:
            raise PackError(f"cannot be read ({cause.strerror})", file=name) from None
        except UnicodeDecodeError:
            raise PackError("expected UTF-8", file=name) from None
    if not found:
        raise PackError("expected at least one file that ends in `.cedar`", file=pack.name)
    return found


def _rules(text: str, *, pack: str, file: str, schema: cedar.Schema) -> Iterator[Rule]:
    chunks = tuple(split(text))
    for chunk in chunks:
        try:
            body = cedar.parse_rule(chunk.text)
        except cedar.CedarError as cause:
            said = re.search(r'@id\("([^"]{1,64})"\)', chunk.text)
            raise PackError(str(cause), file=file, rule=said[1] if said else "", line=chunk.line) from None
        rule = rules.of(body, pack=pack, file=file, line=chunk.line)
        for message in (*cedar.validate(chunk.text, schema), *lint.problems(rule)):
            raise _problem(rule, message)
        yield rule
    # Our splitting and the engine's reading must agree on how many rules there are, or one could hide in another's text.
    if (count := cedar.count_rules(text)) != len(chunks):
        raise PackError(f"expected {len(chunks)} rules, the engine reads {count}", file=file)


def split(text: str) -> Iterator[Chunk]:
    """Rules of a pack file: texts up to a semicolon that is not inside a string or a comment."""
    begun, line, start, content = "", 1, 1, False
    for match in _TOKEN.finditer(text):
        token = match.group()
        if not content and token.strip() and not token.startswith("//"):
            start, content = line + token[: len(token) - len(token.lstrip())].count("\n"), True
        begun += token
        line += token.count("\n")
        if token == TERMINATOR:
            yield Chunk(begun, start)
            begun, content = "", False
    if content:
        yield Chunk(begun, start)


def _manifest(files: Mapping[str, Mapping[str, str]]) -> bytes:
    """Canonical JSON that names every text of a set by digest."""
    return encode(
        {
            "schema": digest(shipped.schema().encode()),
            "packs": {
                pack: {file: digest(text.encode()) for file, text in contents.items()}
                for pack, contents in files.items()
            },
        }
    )
