"""``apostille train-router``: a router from a folder with labelled prompts and recorded, graded answers."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from proxy.core.routing.model import parse
from proxy.embedding import Encoder
from proxy.errors import ConfigurationError
from proxy.training import difficulty, examples, router

USAGE = 2


def parser() -> argparse.ArgumentParser:
    """Options."""
    made = argparse.ArgumentParser(prog="apostille train-router", description=__doc__)
    made.add_argument("--data", type=Path, required=True, help=f"folder with {examples.PROMPTS} and recorded answers")
    made.add_argument("--out", type=Path, required=True, help="file to write")
    made.add_argument("--seed", type=int, default=0, help="order of the examples, and which questions are kept apart")
    made.add_argument(
        "--embedding", action="store_true", help="train the weights of embeddings too (extra `embedding`)"
    )
    return made


def train_main(argv: Sequence[str]) -> int:
    """Train and write; what was made on standard output."""
    arguments = parser().parse_args(argv)
    try:
        encoder = Encoder() if arguments.embedding else None
        found = examples.load(arguments.data, encoder)
        plain = [replace(each, embedding=()) for each in found]
        graded, _ = difficulty.split(difficulty.load(arguments.data), arguments.seed)
        if not graded:
            raise ConfigurationError(f"`{arguments.data}`: expected questions that cheap models answered, got none")
        content = router.train(plain, graded, seed=arguments.seed, embedded=found if encoder else None)
        made = parse(content)
        arguments.out.write_bytes(content)
    except ConfigurationError as error:
        print(f"apostille: {error.code}: {error}", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(
            f"apostille: `{arguments.out}`: expected a file that can be written, got {error.strerror}", file=sys.stderr
        )
        return USAGE
    print(f"router {made.digest}")
    print(f"trained on {made.trained_on}: {len(found)} prompts, {len(graded)} graded questions; {len(content)} bytes")
    return 0
