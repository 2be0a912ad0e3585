"""Errors of the policy layer, by who is at fault.

PolicyError
├── FactsError      a catalogue's facts, or our table of jurisdictions (whoever wrote the file; the server does not start)
├── PackError       a policy pack: does not parse, validate or pass the lint (its author; the server does not start)
└── UnknownName     a request or a configuration names a data class or a code that is not known (the caller)

Each has a permanent kebab-case ``code``. Messages are one line, lower case, no full stop, with expected and got.
"""


class PolicyError(Exception):
    """Base of this package's errors."""

    code = "policy-error"


class FactsError(PolicyError):
    """A document of facts that cannot be used; ``where`` is a path into it."""

    code = "facts-invalid"

    def __init__(self, message: str, *, document: str, where: str = "") -> None:
        super().__init__(f"`{document}`{f', `{where}`' if where else ''}: {message}")
        self.document = document
        self.where = where


class PackError(PolicyError):
    """A rule that cannot be used. ``line`` counts from 1 in ``file`` and is 0 where there is none."""

    code = "pack-invalid"

    def __init__(self, message: str, *, file: str, rule: str = "", line: int = 0) -> None:
        place = f"`{file}`{f', line {line}' if line else ''}{f', rule `{rule}`' if rule else ''}"
        super().__init__(f"{place}: {message}")
        self.what = message
        self.file = file
        self.rule = rule
        self.line = line


class UnknownName(PolicyError):
    """A name outside a closed list: a data class, a jurisdiction, a purpose."""

    code = "unknown-name"
