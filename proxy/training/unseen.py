"""What weights say of prompts that they did not see: how hard a question is, for shares that hold on other questions.

Weights know the questions they were trained on. Of those, just the ones that cheap models got wrong would count as hard, and cheap
models would look worse on hard questions, and better on easy ones, than they are on anybody's.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from audit.vocabulary import MILLIONTHS
from proxy import router_file
from proxy.core.aggregation.expected import expected
from proxy.core.request import TaskClass
from proxy.core.routing import tasks
from proxy.core.routing.features import features
from proxy.core.routing.router import classify
from proxy.training import difficulty, router
from proxy.training.difficulty import Graded
from proxy.training.fitting import Row

FOLDS = 5

Eases = Mapping[str, int]
"""Chance of a cheap model by prompt, millionths."""


def eases(graded: Sequence[Graded], seed: int = 0, *, done: Callable[[], None] = lambda: None) -> Eases:
    """The ease of every graded prompt, from weights of the other folds. ``done`` is called after each fold."""
    found: dict[str, int] = {}
    by_fold: dict[int, list[Graded]] = {number: [] for number in range(FOLDS)}
    for each in graded:
        by_fold[difficulty.fold(each.prompt, FOLDS, seed)].append(each)
    for held, asked in by_fold.items():
        fit = router.fit_ease([g for number, some in by_fold.items() if number != held for g in some], seed)
        for each in asked:
            (share,) = fit.shares(Row(groups=features(each.prompt), target=(0.0,)))
            found[each.prompt] = round(share * MILLIONTHS)
        done()
    return found


def task_by(known: Eases) -> Callable[[str], TaskClass]:
    """The task of a prompt as the running proxy finds it, but for an ease that was not fitted on it."""

    @cache
    def task_of(prompt: str) -> TaskClass:
        routed = classify(router_file.shipped(), prompt)
        return tasks.refined(routed.task, expected(prompt), hard=known.get(prompt, routed.ease) < tasks.EASY)

    return task_of
