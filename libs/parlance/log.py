"""The process's log. Never personal content: names, ids, codes and counts only."""

import logging

from parlance.errors import ParlanceError, unexpected

logger = logging.getLogger("parlance")


def configure(level: str, name: str = "") -> None:
    """Our own log at `level` ("info"). Of strangers, SDKs and drivers, warnings alone: below that they write what was
    asked, and addresses with the passwords in them."""
    ours = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(
        level=max(ours, logging.WARNING), format=f"%(asctime)s {name}{' ' if name else ''}%(levelname)s %(message)s"
    )
    logger.setLevel(ours)


def failed(what: str, exc: BaseException) -> None:
    """Work that failed. Of an error that is not ours, type and place: its message may hold what somebody said. Where
    it comes from in full, whoever wants details gets."""
    told = exc.message if isinstance(exc, ParlanceError) else unexpected(exc)
    logger.warning("%s: %s", what, told, exc_info=exc if logger.isEnabledFor(logging.DEBUG) else None)
