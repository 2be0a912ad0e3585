"""A configuration with everything that it names, read as a start reads it, and nothing made: for ``init`` and ``check``.

Raises ``ConfigurationError`` with file and key. Credentials and approvals may come later than keys and a log: ``init`` takes them
for given, ``check`` does not.
"""

from collections.abc import Mapping

from proxy import settings as configuration
from proxy import snapshot, timestamps
from proxy.core import loading
from proxy.settings import Settings
from proxy.snapshot import Snapshot
from proxy.witness import configured as witnesses


def checked(loaded: Settings, environ: Mapping[str, str]) -> Snapshot:
    """What would be in force. Raises ``ConfigurationError`` for whatever a start would refuse in the operator's files."""
    found = snapshot.build(loaded, environ)
    witnesses.build(loaded.log)
    timestamps.build(loaded.data_dir, loaded.log)
    return found


def foreseen(loaded: Settings, environ: Mapping[str, str]) -> Snapshot:
    """The same with every credential there, and approved: before either can be."""
    names = loading.credential_names([(path.name, configuration.read_yaml(path)) for path in loaded.catalogue_files()])
    relaxed = loaded.policy.model_copy(update={"approvals": 0})
    later = loaded.model_copy(update={"policy": relaxed})
    return checked(later, {**environ, **dict.fromkeys(names, "assumed")})


def told(found: Snapshot, loaded: Settings) -> str:
    """What was found, for people: digests, and how much of the catalogue can be called."""
    documents = [(path.name, configuration.read_yaml(path)) for path in loaded.catalogue_files()]
    names = set(loading.credential_names(documents))
    absent = sorted(names - set(found.credentials))
    described = loading.load(documents, available=names).deployments
    lines = [
        f"tenants: {', '.join(sorted(loaded.tenants))}",
        f"policy: {found.approvable.policy}",
        f"facts: {found.approvable.facts}",
        f"configuration: {found.approvable.configuration}",
        f"deployments: {len(found.rulebook.catalogue.deployments)} of {len(described)} can be called",
    ]
    if absent:
        lines.append(f"credentials that are not in this environment: {', '.join(absent)}")
    return "\n".join(lines)
