"""A rule for a restriction that may come: one model, one company's service, one developer's weights, or one deployment.

Pure: text in the form of any other rule, so that it is parsed, validated and linted like one. Objects differ and the words say
which: ``model:`` reaches what descends from a model, wherever it is hosted; ``service:`` a company's own endpoints and not its
weights elsewhere; ``weights:`` everything a developer made, and what was made from it. Refuses names that the facts do not know.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from audit import near
from policies.errors import UnknownName
from policies.facts import Facts

PACK = "drill"
RULE = "drill.ban"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """What is forbidden, in which jurisdictions (any of them), from when (None: always)."""

    object: str
    name: str
    jurisdictions: tuple[str, ...]
    since: datetime | None = None

    def sentence(self) -> str:
        """In plain words."""
        what = {
            "model": f"the model {self.name} and what descends from it, wherever it runs",
            "service": f"the endpoints of {self.name}",
            "weights": f"every model of {self.name} and what descends from it, wherever it runs",
            "deployment": f"the deployment {self.name}",
        }[self.object]
        start = f" from {self.since:%d %B %Y}" if self.since else ""
        return f"{what}, in {', '.join(self.jurisdictions) or 'every jurisdiction'}{start}"


class UnknownBan(UnknownName):
    """Nothing of that name can be banned."""

    code = "unknown-ban"


_EXPECTED = {"model": "a model", "service": "a company", "weights": "a company", "deployment": "a deployment"}


def resolve(said: str, facts: Facts, *, jurisdictions: Sequence[str], since: datetime | None) -> Ban:
    """The ban that a person means by ``[model:|service:|weights:|deployment:]name``.

    Without a prefix: a model, else a company's service, else a deployment. Raises ``UnknownBan``.
    """
    for code in jurisdictions:
        if code not in facts.jurisdictions:
            hint = near.hint(code, facts.territories.names)
            raise UnknownBan(f"expected known ISO 3166 codes or groups, got `{code[:20]}`{hint}")
    kinds: Mapping[str, Mapping[str, object]] = {
        "model": facts.families,
        "service": facts.companies,
        "weights": facts.companies,
        "deployment": facts.deployments,
    }
    prefix, _, rest = said.partition(":")
    asked = (prefix,) if rest and prefix in kinds else ("model", "service", "deployment")
    name = rest if rest and prefix in kinds else said
    for kind in asked:
        if name in kinds[kind]:
            return Ban(object=kind, name=name, jurisdictions=tuple(jurisdictions), since=since)
    meant = difflib.get_close_matches(name, sorted({n for kind in asked for n in kinds[kind]}), n=1)
    hint = f", did you mean `{meant[0]}`" if meant else ""
    expected = " or ".join(_EXPECTED[kind] for kind in asked)
    raise UnknownBan(f"expected {expected} of the catalogue, got `{name[:64]}`{hint}")


def text(ban: Ban) -> str:
    """The rules of a pack ``PACK`` that say it, one for each jurisdiction."""
    codes: tuple[str | None, ...] = ban.jurisdictions or (None,)
    return "\n".join(_rule(ban, code, number) for number, code in enumerate(codes))


def _rule(ban: Ban, code: str | None, number: int) -> str:
    scope = {
        "model": f'resource in ModelFamily::"{ban.name}"',
        "deployment": f'resource == Deployment::"{ban.name}"',
    }.get(ban.object, "resource")
    conditions = [] if code is None else [f'context.jurisdictions.contains(Jurisdiction::"{code}")']
    marks = [f'@id("{RULE}{f".{number}" if number else ""}")']
    if code is not None:
        marks.append(f'@jurisdiction("{code}")')
    if ban.since is not None:
        day = f"{ban.since:%Y-%m-%d}"
        marks.append(f'@effective_from("{day}")')
        conditions.append(f'context.now >= datetime("{day}")')
    if ban.object == "service":
        conditions.append(f'resource.operator == Company::"{ban.name}"')
    elif ban.object == "weights":
        conditions.append(f'resource.lineageDevelopers.contains(Company::"{ban.name}")')
    when = f"\nwhen {{ {' && '.join(conditions)} }}" if conditions else ""
    return (
        "\n".join(marks)
        + '\n@title("drill: a ban that may come")\n@legal_basis("none: a drill, not a law")\n'
        + f'@reason("Drill: {ban.sentence()}.")\n@source("apostille policy drill")\n@status("company")\n'
        + f"forbid (principal, action, {scope}){when};\n"
    )
