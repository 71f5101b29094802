"""The garbage collector of a process that serves."""

import gc

# Young objects are looked through often, so that there are never many: grpcio leaves a cycle of eight objects with the
# metadata of each call that it has served, and 10,000 of these are 1.8 MB. The old ones as rarely as before.
_THRESHOLDS = (2_000, 100, 100)


def settle() -> None:
    """Call it once all is loaded: that is not looked through any more."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
