"""The process's log. Never personal content: names, ids, codes and counts only."""

import logging

logger = logging.getLogger("parlance")
