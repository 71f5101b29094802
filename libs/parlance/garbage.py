"""The garbage collector of a process that serves."""

import gc

# Young objects are looked through often, so that there are never many: grpcio leaves a cycle of eight objects with the
# metadata of each call that it has served, and 10,000 of these are 1.8 MB. Those that were alive at one look (a call
# under way) at every twentieth. The old ones as rarely as before. It does not keep dialogue small in the stack: after
# 20,000 turns at ten times their speed that is 125 MB, as it was where the second look came every hundredth time.
_THRESHOLDS = (2_000, 20, 500)


def settle() -> None:
    """Call it once all is loaded: that is not looked through any more."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
