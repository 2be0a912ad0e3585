"""Programs in replies, run on the examples of their task: what came of it becomes part of the reply."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from proxy.core.aggregation import examples
from proxy.core.replies import Checked, Reply
from proxy.sandbox.runner import Sandbox


async def checked(
    sandbox: Sandbox, asked: examples.Task, replies: Sequence[Reply], within_s: float
) -> tuple[Reply, ...]:
    """Replies in their order; those with a program that came to its end say what it did. ``within_s``: seconds for all."""
    return tuple([await _checked(sandbox, asked, each, within_s) for each in replies])


async def _checked(sandbox: Sandbox, asked: examples.Task, reply: Reply, within_s: float) -> Reply:
    program = examples.program(reply.text, asked) if reply.ok else None
    ran = await sandbox.run(program, asked.calls, within_s) if program is not None else None
    if ran is None:
        return reply
    behaviour = hashlib.sha256(repr(ran.values).encode()).hexdigest()[:16]
    passed = examples.passed(asked, ran.values)
    return replace(reply, checked=Checked(passed=passed, total=len(asked.examples), behaviour=behaviour))
