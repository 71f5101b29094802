"""`python -m services.gateway`: this service in a process of its own, on Kafka."""

import sys

from parlance.process import main
from services.gateway.wiring import alone

if __name__ == "__main__":
    sys.exit(main("gateway", alone))
