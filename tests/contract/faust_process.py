"""The ledger's Faust app in small batches; it prints a line after each that it has saved.

python -m tests.contract.faust_process BATCH [DEFECT], with the app's environment; DEFECT: the batch that it fails at
"""

import sys
from typing import Any

from services.ledger import faust_app
from services.ledger.live import LiveLedger

if __name__ == "__main__":
    faust_app.BATCH = int(sys.argv[1])
    left = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    save = LiveLedger.save

    async def tell(ledger: LiveLedger, records: Any) -> None:
        global left
        left -= 1
        if left == 0:
            raise KeyError("a defect")
        await save(ledger, records)
        print("saved", flush=True)

    LiveLedger.save = tell  # type: ignore[method-assign]
    sys.exit(faust_app.main())
