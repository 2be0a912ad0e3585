"""An act on content that is kept, ordered in the key store and carried out: here, or by the server that holds the log.

Whatever dies meanwhile, the next start finishes what was ordered.
"""

import sys
import time

from audit.acts import Access, Training
from audit.content.orders import Order
from audit.content.places import Stores
from audit.errors import AuditError, HistoryError
from proxy import content
from proxy.log_opening import opened_log
from proxy.settings import Settings

LOOK_S = 0.1


def carried_out(order: Order, settings: Settings, stores: Stores, wait_s: float) -> bool:
    """Order an act, and have it done. False: it is not done yet, and standard error says what becomes of it."""
    stores.keys.order(order)
    try:
        done = _done(order, settings, stores, wait_s)
    except AuditError as error:
        sys.stderr.write(f"the log cannot be written: {error}\n")
        done = False
    if done:
        return True
    if isinstance(order, Access | Training):  # nothing will be opened, so nothing should say later that it was
        stores.keys.finish(order)
        sys.stderr.write("nothing was shown: that it is could not be put on record in time\n")
    else:
        sys.stderr.write(f"ordered as {order.id}: whoever holds the log next carries it out\n")
    return False


def _done(order: Order, settings: Settings, stores: Stores, wait_s: float) -> bool:
    """Carry it out here, or wait for the server that holds the log."""
    try:
        with opened_log(settings) as log:
            content.steward(stores, settings, log).carry_out()
    except HistoryError as error:
        if error.code != "log-in-use":
            raise
        end = time.monotonic() + wait_s
        while stores.keys.pending(order.id) and time.monotonic() < end:
            time.sleep(LOOK_S)
        return not stores.keys.pending(order.id)
    return True
