"""`python -m services.dialogue`: this service in a process of its own, on Kafka."""

import sys

from parlance.process import main
from services.dialogue.wiring import alone

if __name__ == "__main__":
    sys.exit(main("dialogue", alone))
