"""How much the collector of cycles may take of a process that serves."""

import gc

COLLECT_AFTER = 20_000
"""By how many more objects are made than dropped before the youngest are looked through: requests leave no cycles behind."""


def keep_out_of_collections() -> None:
    """Let the collector never look again at what there is now: a walk over many homes takes a second and finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)
