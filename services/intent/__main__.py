"""`python -m services.intent`: this service in a process of its own, on Kafka."""

import sys

from parlance.process import main
from services.intent.wiring import alone

if __name__ == "__main__":
    sys.exit(main("intent", alone))
