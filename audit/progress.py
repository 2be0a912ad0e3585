"""How far a long look at a log has come, for a person who waits."""

import sys


class Progress:
    """A bar on standard error, when a person is looking and the log is long enough to wait for."""

    SHOWN_FROM = 2_000
    WIDTH = 40

    def __init__(self) -> None:
        self._shown = -1

    def __call__(self, done: int, of: int) -> None:
        """Redraw the bar if it has moved."""
        if of < self.SHOWN_FROM or not sys.stderr.isatty():
            return
        filled = done * self.WIDTH // of
        if filled != self._shown or done == of:
            self._shown = filled
            bar = "█" * filled + "░" * (self.WIDTH - filled)
            end = "\n" if done == of else ""
            sys.stderr.write(f"\r{bar} {done:,} of {of:,}{end}")
            sys.stderr.flush()
