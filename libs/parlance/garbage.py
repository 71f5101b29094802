"""The garbage collector of a process that serves."""

import gc

# Young objects are looked through often, so that there are never many: grpcio leaves a cycle of eight objects with the
# metadata of each call that it has served, and 10,000 of these are 1.8 MB. Those that were alive at one look (a call
# under way) at every twentieth: dialogue, which asks three services a turn, let some 30 MB of them lie where it was
# every hundredth. The old ones as rarely as before.
_THRESHOLDS = (2_000, 20, 500)


def settle() -> None:
    """Call it once all is loaded: that is not looked through any more."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
