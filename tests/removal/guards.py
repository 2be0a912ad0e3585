"""The guards, as the exact text that makes each one, what taking it away leaves, and the test that must then fail.

``run`` takes them away one by one; ``test_guards`` holds the texts to the sources.
"""

from tests.removal import engine, feedback, keys, log, privacy, proxy, store, verifier
from tests.removal.guard import Guard

GUARDS: tuple[Guard, ...] = (
    *engine.GUARDS,
    *proxy.GUARDS,
    *privacy.GUARDS,
    *store.GUARDS,
    *log.GUARDS,
    *keys.GUARDS,
    *verifier.GUARDS,
    *feedback.GUARDS,
)
