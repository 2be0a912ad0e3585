"""``apostille learn --router``: a router moved by what was said of answers, over prompts that were kept.

1. The log verifies, or it teaches nothing.
2. That prompts are opened, which and why, is on record before one is (``content-training``). Whatever erasure was ordered before is
   carried out before.
3. Where a key is destroyed while its prompt is in use, nothing comes of it.
4. What is activated is, to the byte, what log and kept content give again, and it predicts held judgements better.

Raises ``Refused`` where the answer is no.
"""

import argparse
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from audit import acts, canonical, datadir, durable
from audit.acts import Training
from audit.content import places
from audit.content.places import Stores
from audit.datadir import DataDirectory
from audit.records import Anchor
from audit.statement import Statement
from policies import bounded_file
from proxy import content, content_orders, kept_prompts, learned_file, learned_router, router_file
from proxy import settings as configuration
from proxy.core import loading
from proxy.core.learning import held, judgements, projection
from proxy.core.learning.held import Comparison
from proxy.core.learning.judgements import Judged
from proxy.core.routing import model as models
from proxy.kept_prompts import Chosen
from proxy.learned_router import Named
from proxy.learning_source import RELOAD, Refused, better, check_tree, verified
from proxy.settings import Settings
from proxy.training import feedback
from proxy.training.feedback import Origin, Passed, Prompt

DONE, UNKNOWN = 0, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One of ``out``, ``held``, ``activate``, or none: take an activation back."""

    out: Path | None
    held: Path | None
    activate: Path | None
    reason: str
    seed: int
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """What is read: settings, log, content, the router in force, and models that are cheap."""

    settings: Settings
    source: DataDirectory
    stores: Stores
    tree: Anchor
    active: bytes
    cheap: frozenset[str]


def asked(arguments: argparse.Namespace) -> Asked:
    """The options of a command."""
    return Asked(
        out=arguments.out,
        held=arguments.held,
        activate=arguments.activate,
        reason=arguments.reason,
        seed=arguments.seed,
        wait_s=arguments.wait,
    )


def run(what: Asked, settings: Settings) -> int:
    """Run one of the acts; gives the exit code."""
    if what.out is None and what.held is None and what.activate is None:
        return _rollback(settings)
    with _opened(settings) as found:
        return _write(what, found) if what.out is not None else _compare(what, found)


@contextmanager
def _opened(settings: Settings) -> Iterator[_Open]:
    kept = content.places_of(settings)
    if not kept.founded:
        raise Refused("no content is kept, so there are no prompts to learn a router from (`content.store`)")
    active = _in_force(settings)
    with (
        closing(datadir.open_directory(settings.data_dir)) as source,
        closing(places.opened(kept)) as stores,
    ):
        yield _Open(
            settings=settings,
            source=source,
            stores=stores,
            tree=verified(source),
            active=active,
            cheap=_cheap(settings),
        )


def _in_force(settings: Settings) -> bytes:
    path = settings.routing.model_file
    found = learned_router.load(settings.data_dir, router_file.load(path))
    return found.content if found else router_file.configured(path)


def _cheap(settings: Settings) -> frozenset[str]:
    documents = [(path.name, configuration.read_yaml(path)) for path in settings.catalogue_files()]
    return feedback.cheap(loading.load(documents, available=loading.credential_names(documents)))


# --- acts -------------------------------------------------------------------------------------------------------------


def _write(what: Asked, found: _Open) -> int:
    assert what.out is not None
    origin = Origin(tree=found.tree, began_from=canonical.digest(found.active), seed=what.seed)
    chosen = _chosen(found, found.tree.size, held=False)
    _check_enough(chosen)
    prompts = _prompts(found, what, acts.TRAIN, chosen.statements)
    if prompts is None:
        return UNKNOWN
    made = _trained(found, origin, chosen, prompts)
    kept_prompts.check_kept(found.stores, prompts)
    durable.replace(what.out, made)
    print(f"router {canonical.digest(made)}\nof {found.tree.origin}, {found.tree.size} entries, root {found.tree.root}")
    print(f"began from {origin.began_from}")
    print(
        f"{len(prompts)} prompts; passed over: {chosen.passed.unkept} not kept, {chosen.passed.gone} expired or erased"
    )
    return DONE


def _compare(what: Asked, found: _Open) -> int:
    path = what.held or what.activate
    assert path is not None
    candidate = bounded_file.read(path, models.MAX_BYTES)
    origin = feedback.origin_of(candidate)
    digest = canonical.digest(candidate)
    if digest == canonical.digest(found.active):
        raise Refused("it is in force already")
    if origin.began_from != canonical.digest(found.active):
        raise Refused("expected a router that began from the one in force")
    check_tree(origin.tree, found.source, found.tree)
    learned, apart = _chosen(found, origin.tree.size, held=False), _chosen(found, found.tree.size, held=True)
    _check_enough(learned)
    if len(apart.judged) < held.LEAST:
        raise Refused(f"expected at least {held.LEAST} held judgements whose prompts are kept, got {len(apart.judged)}")
    prompts = _prompts(found, what, acts.COMPARE, {**learned.statements, **apart.statements})
    if prompts is None:
        return UNKNOWN
    if _trained(found, origin, learned, prompts) != candidate:
        raise Refused(
            "expected the router that log and kept content give, got another; what expired or was erased is gone"
        )
    compared = feedback.compare(apart.judged, prompts, models.parse(found.active), models.parse(candidate))
    kept_prompts.check_kept(found.stores, prompts)
    print(better(compared, digest))
    if what.activate is not None:
        _activate(found, candidate, origin, compared)
    return DONE


def _activate(found: _Open, candidate: bytes, origin: Origin, compared: Comparison) -> None:
    data, configured = found.settings.data_dir, router_file.configured(found.settings.routing.model_file)
    for each in (configured, found.active, candidate):
        learned_router.keep(data, each)
    named = Named(
        document=canonical.digest(candidate),
        over=canonical.digest(configured),
        previous=origin.began_from,
        tree=origin.tree,
        act=learned_file.ACTIVATE,
        compared=compared,
    )
    learned_router.name(data, named)
    print(f"{named.act}: {named.document}\n{RELOAD}")


def _rollback(settings: Settings) -> int:
    configured = router_file.load(settings.routing.model_file)
    current = learned_router.load(settings.data_dir, configured)
    if current is None:
        raise Refused("no router that was learned is in force")
    former = current.named.previous
    learned = former != configured.digest
    back = learned_router.read(settings.data_dir, former)
    named = Named(
        document=former,
        over=current.named.over,
        previous=current.named.document,
        tree=feedback.origin_of(back).tree if learned else current.named.tree,
        act=learned_file.ROLLBACK,
        compared=Comparison(judgements=0, before=0, after=0),
    )
    learned_router.name(settings.data_dir, named)
    print(f"{named.act}: {named.document}\n{RELOAD}")
    return DONE


def _trained(found: _Open, origin: Origin, chosen: Chosen, prompts: Mapping[str, Prompt]) -> bytes:
    own = {record: prompt for record, prompt in prompts.items() if record in chosen.statements}
    unread = len(chosen.statements) - len(own)
    passed = Passed(unkept=chosen.passed.unkept + unread, gone=chosen.passed.gone)
    try:
        return feedback.train(origin, found.active, chosen.judged, own, passed, found.cheap)
    except ValueError as cause:
        raise Refused(str(cause)) from None


def _chosen(found: _Open, size: int, *, held: bool) -> Chosen:
    """Judged requests of cheap models, among the first entries of the log, kept apart or not."""
    judged = [
        each
        for each in projection.judgements(found.source, size)
        if isinstance(each, Judged) and each.model in found.cheap and judgements.is_held(each.record) == held
    ]
    return kept_prompts.choose(judged, found.source, found.stores)


def _check_enough(chosen: Chosen) -> None:
    """Nothing is opened for nothing. Raises ``Refused``."""
    if len(chosen.statements) < feedback.LEAST:
        raise Refused(
            f"expected at least {feedback.LEAST} judged requests of cheap models whose prompts are kept, got "
            f"{len(chosen.statements)}; passed over: {chosen.passed.unkept} not kept, {chosen.passed.gone} expired or erased"
        )


def _prompts(
    found: _Open, what: Asked, purpose: str, statements: Mapping[str, Sequence[Statement]]
) -> dict[str, Prompt] | None:
    """Features of prompts, after it is on record that they are opened; None where it could not be put there."""
    training = Training(
        id=f"training-{secrets.token_hex(16)}", records=tuple(sorted(statements)), purpose=purpose, reason=what.reason
    )
    if not content_orders.carried_out(training, found.settings, found.stores, what.wait_s):
        return None
    return kept_prompts.opened(found.stores, statements)
