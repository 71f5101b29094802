"""`python -m services.health`: whether this container's service is well, by its settings. Exits with 0 or 1."""

import sys

from parlance import config, health
from parlance.errors import ParlanceError


def main() -> int:
    try:
        settings = config.load()
    except ParlanceError as exc:
        print(exc.message)
        return 1
    wrong = health.check(settings.listen, settings.tls)
    if wrong:
        print(wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
