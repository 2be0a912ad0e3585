"""The replay upstream: recorded answers of real models over HTTP, one loopback port per vendor, deterministic to the byte.

``python -m tests.simulators.replay --data FOLDER``. A prompt is looked up by model and last user message; an unknown one is 404
``replay_miss``, one that this model was not asked 404 ``replay_no_record``. It reads what a provider would have sent, and never
``correct`` or ``answer``. Time and faults come from a hash of (seed, model, prompt), so a run can be repeated.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxy.evaluation import recorded, shelf
from proxy.evaluation.recorded import Answered
from proxy.evaluation.shelf import Shelf
from tests.simulators.provider import Act, Body, Provider

RATE = 60.0
"""Tokens a second where no time was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares of requests that fail in a way, and vendors that are out: ``down`` maps a vendor to request numbers.

    ``slow_s``: how much longer a slow one takes. ``afresh``: a repeated request has a fate of its own each time.
    """

    p429: float = 0.0
    p500: float = 0.0
    pstall: float = 0.0
    pcut: float = 0.0
    pslow: float = 0.0
    slow_s: float = 1.0
    afresh: bool = False
    banned: frozenset[str] = frozenset()
    down: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    scale: float = 0.0
    seed: int = 0


class Vendor(Provider):
    """One vendor's port."""

    def __init__(self, name: str, answers: Shelf, faults: Faults) -> None:
        super().__init__()
        self.name = name
        self._shelf = answers
        self._faults = faults
        self._times: Counter[tuple[str, str]] = Counter()

    def _found(self, body: Body) -> tuple[str, Answered | None, str]:
        model, prompt = self._shelf.asked(body)
        return prompt, self._shelf.answers.get((model, prompt)), model

    def _chance(self, body: Body) -> list[float]:
        """Numbers in [0, 1) that depend on seed, model and prompt, and where asked for on how often that was asked before."""
        prompt, _, model = self._found(body)
        before = ""
        if self._faults.afresh:
            before = f"\0{self._times[model, prompt]}"
            self._times[model, prompt] += 1
        digest = hashlib.sha256(f"{self._faults.seed}\0{model}\0{prompt}{before}".encode()).digest()
        return [int.from_bytes(digest[i : i + 4], "big") / 2**32 for i in range(0, 32, 4)]

    async def _act(self, act: Act, body: Body, writer: asyncio.StreamWriter) -> bool:
        faults = self._faults
        first, last = faults.down.get(self.name, (0, 0))
        if first <= len(self.bodies) - 1 < last:
            return False
        if self.name in faults.banned:
            return await super()._act(Act.RESTRICTED, body, writer)
        prompt, found, _ = self._found(body)
        if found is None:
            status, error = self._shelf.missing(prompt)
            await self._whole(writer, status, {"error": error})
            return True
        chances = self._chance(body)
        for share, chance, fault in zip(
            (faults.p429, faults.p500, faults.pstall, faults.pcut),
            chances,
            (Act.RATE_LIMIT, Act.FAIL, Act.STALL, Act.CUT),
            strict=False,
        ):
            if chance < share:
                return await super()._act(fault, body, writer)
        if chances[6] < faults.pslow:
            await asyncio.sleep(faults.slow_s)
        if faults.scale:
            await asyncio.sleep(self._seconds(found, chances) * faults.scale)
        return await super()._act(Act.ANSWER, body, writer)

    @staticmethod
    def _seconds(found: Answered, chances: list[float]) -> float:
        if found.latency_s is not None:
            return found.latency_s
        normal_ = math.sqrt(-2 * math.log(max(chances[4], 1e-9))) * math.cos(2 * math.pi * chances[5])
        return math.exp(-0.7 + 0.5 * normal_) + found.tokens_out / RATE

    def completion(self, body: Body) -> Body:
        """The recorded answer with its recorded usage, as far as the request lets it write; its id depends on the request alone."""
        prompt, found, model = self._found(body)
        assert found is not None
        return shelf.completion(model, prompt, found, body.get("max_completion_tokens") or body.get("max_tokens"))


async def serve(answers: Shelf, faults: Faults) -> dict[str, Vendor]:
    """A started server per vendor."""
    found = {name: Vendor(name, answers, faults) for name in answers.vendors()}
    for vendor in found.values():
        await vendor.start()
    return found


def _down(value: str) -> tuple[str, tuple[int, int]]:
    vendor, _, span = value.partition("@")
    first, _, last = span.partition("-")
    return vendor, (int(first), int(last))


async def _main(arguments: argparse.Namespace) -> None:
    recording = recorded.load(arguments.data, arguments.benchmarks.split(","))
    faults = Faults(
        p429=arguments.p429,
        p500=arguments.p500,
        pstall=arguments.pstall,
        pcut=arguments.pcut,
        pslow=arguments.pslow,
        banned=frozenset(arguments.ban),
        down=dict(_down(each) for each in arguments.down),
        scale=arguments.scale,
        seed=arguments.seed,
    )
    vendors = await serve(Shelf(recording), faults)
    print(json.dumps({name: vendor.port for name, vendor in vendors.items()}), flush=True)
    await asyncio.Event().wait()


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(prog="replay", description=__doc__)
    made.add_argument("--data", type=Path, required=True)
    made.add_argument("--benchmarks", default="gsm8k,math_l5,cruxeval_o")
    for name in ("p429", "p500", "pstall", "pcut", "pslow", "scale"):
        made.add_argument(f"--{name}", type=float, default=0.0)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--ban", action="append", default=[])
    made.add_argument("--down", action="append", default=[], metavar="VENDOR@FIRST-LAST")
    return made


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser().parse_args()))
