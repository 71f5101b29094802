"""The process's log. Never personal content: names, ids, codes and counts only."""

import logging

from parlance.errors import ParlanceError, unexpected

logger = logging.getLogger("parlance")


def failed(what: str, exc: BaseException) -> None:
    """Work that failed. Of an error that is not ours, type and place: its message may hold what somebody said. Where
    it comes from in full, whoever wants details gets."""
    told = exc.message if isinstance(exc, ParlanceError) else unexpected(exc)
    logger.warning("%s: %s", what, told, exc_info=exc if logger.isEnabledFor(logging.DEBUG) else None)
