"""``python -m tests.evaluation.extraction --data DIR``: how often our extraction reads the same answer as a recording's own.

A row is a model's whole recorded text. Compared is the value, not the spelling: a recording may print 1/2 as 0.5, and prints
six digits. Benchmarks whose recorded ``pred`` is a program, or the source's own text, are not compared. Figures come twice: of the
answers that replies state, which vote, and with the guesses at the rest, which only grade. ``--misses N`` prints some rows that
differ with the guesses too.
"""

import argparse
import ast
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import comb
from pathlib import Path

from proxy.core.aggregation import answers, expressions
from proxy.core.aggregation.expected import AnswerKind, expected
from proxy.errors import ConfigurationError
from proxy.evaluation import guesses, recorded
from proxy.evaluation.recorded import Recording
from tests.shared import SHARED

BENCHMARKS = ("gsm8k", "math_l5", "cruxeval_o", "mmlu", "mmlu_pro", "mgsm_en", "math500s", "mmlu_pro_s")
_NO_ANSWER = frozenset({None, "", "___", "?"})
"""What a recording writes where a model left the place of its answer empty."""
Read = Callable[[str, AnswerKind | None], str | None]
"""A way to find a reply's answer."""
_DIGITS = 1e-5
"""Relative difference under which two numbers are one, as a recording prints six digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A row that was read differently."""

    benchmark: str
    qid: str
    model: str
    found: str | None
    recorded: str | None
    text: str
    right: bool

    @property
    def sort(self) -> str:
        """How it differs: nothing found, something found where the recording has nothing, or another answer."""
        if self.found is None:
            return "missed"
        return "invented" if self.recorded in _NO_ANSWER else "another"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Rows compared and rows alike by benchmark, with what differs. ``right``: rows whose recorded answer was graded right."""

    rows: Counter[str]
    alike: Counter[str]
    right: Counter[str]
    misses: tuple[Miss, ...]
    agreeing: float
    """Percentage of pairs of replies to one question, both graded right, that were read alike: what a vote can count on."""

    def share(self, benchmark: str | None = None) -> float:
        """Percentage of rows alike; of all rows without a benchmark."""
        if benchmark is None:
            return 100 * self.alike.total() / self.rows.total()
        return 100 * self.alike[benchmark] / self.rows[benchmark]

    def share_of_right(self, benchmark: str | None = None) -> float:
        """The same among rows whose recorded answer is right: the others hold what was guessed from a reply without an answer."""
        lost = sum(miss.right for miss in self.misses if benchmark in (None, miss.benchmark))
        return 100 - 100 * lost / (self.right.total() if benchmark is None else self.right[benchmark])


def same(found: str | None, written: str | None, kind: AnswerKind | None) -> bool:
    """Whether an extracted answer is the recorded one by value."""
    if written in _NO_ANSWER or found is None:
        return written in _NO_ANSWER and found is None
    assert written is not None
    if found == written:
        return True
    match kind:
        case AnswerKind.EXPRESSION:
            spelled = found.replace(";", "")  # rows of a matrix, which a recording runs together
            return _one_number(found, written) or spelled in (written, expressions.canonical(written))
        case AnswerKind.LITERAL:
            return _unescaped(found) == _unescaped(written)
        case _:
            return False


def _one_number(left: str, right: str) -> bool:
    try:
        a, b = (float(n) / float(d or 1) for n, _, d in (left.partition("/"), right.partition("/")))
    except (ValueError, ZeroDivisionError):
        return False
    return abs(a - b) <= _DIGITS * max(abs(a), abs(b))


def _unescaped(written: str) -> object:
    """The value of a printed literal; a recording did not undo the escapes of the JSON around a text."""
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        return written
    return re.sub(r"\\n", "\n", re.sub(r"\\t", "\t", value)).strip() if isinstance(value, str) else value


def measure(recording: Recording, read: Read = answers.canonical) -> Agreement:
    """Every row with a text, read again; without ``read``, for the answer that it states."""
    kinds = {item.key: expected(item.prompt) for item in recording.items}
    rows: Counter[str] = Counter()
    alike: Counter[str] = Counter()
    right: Counter[str] = Counter()
    misses: list[Miss] = []
    said: dict[tuple[str, str], Counter[str | None]] = {}
    for (model, (benchmark, qid)), answered in recording.answers.items():
        kind = kinds[benchmark, qid]
        found = read(answered.text, kind)
        rows[benchmark] += 1
        right[benchmark] += answered.correct
        if answered.correct:
            said.setdefault((benchmark, qid), Counter())[found] += 1
        if same(found, answered.pred, kind):
            alike[benchmark] += 1
        else:
            miss = Miss(
                benchmark=benchmark,
                qid=qid,
                model=model,
                found=found,
                recorded=answered.pred,
                text=answered.text,
                right=answered.correct,
            )
            misses.append(miss)
    return Agreement(rows=rows, alike=alike, right=right, misses=tuple(misses), agreeing=_agreeing(said.values()))


def _agreeing(said: Iterable[Counter[str | None]]) -> float:
    """Percentage of pairs that say the same, where each counter holds how often one question's right replies say what."""
    pairs = alike = 0
    for answered in said:
        pairs += comb(answered.total(), 2)
        alike += sum(comb(number, 2) for answer, number in answered.items() if answer is not None)
    return 100 * alike / pairs if pairs else 100.0


def table(found: Agreement) -> Iterator[str]:
    """Figures by benchmark, then over everything."""
    sorts = Counter((miss.benchmark, miss.sort) for miss in found.misses)
    for benchmark in found.rows:
        rest = ", ".join(f"{sorts[benchmark, sort]} {sort}" for sort in ("missed", "invented", "another"))
        yield (
            f"{benchmark:<12} {found.share(benchmark):7.2f}% of {found.rows[benchmark]:>6}"
            f"   {found.share_of_right(benchmark):7.2f}% of {found.right[benchmark]:>6} right ones   ({rest})"
        )
    yield (
        f"{'all':<12} {found.share():7.2f}% of {found.rows.total():>6}"
        f"   {found.share_of_right():7.2f}% of {found.right.total():>6} right ones"
    )
    yield f"{found.agreeing:.3f}% of the pairs of right ones agree"


def main() -> int:
    """Print the figures; 2 if there is no recording."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "recorded")
    parser.add_argument("--benchmarks", default=",".join(BENCHMARKS))
    parser.add_argument("--misses", type=int, default=0)
    parser.add_argument("--tail", type=int, default=160)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    try:
        recording = recorded.load(arguments.data, arguments.benchmarks.split(","))
    except ConfigurationError as error:
        print(f"{error}; --data names another folder", file=sys.stderr)
        return 2
    found = measure(recording, guesses.read)
    print("stated answers", *table(measure(recording)), "with guesses, which never vote", *table(found), sep="\n")
    some = list(found.misses)
    random.Random(arguments.seed).shuffle(some)  # a sample to look at
    for miss in some[: arguments.misses]:
        print(f"\n{miss.benchmark} {miss.qid} {miss.model} {miss.sort}: {miss.found!r} for {miss.recorded!r}")
        print(f"   …{miss.text[-arguments.tail :]!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
