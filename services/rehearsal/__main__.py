"""`python -m services.rehearsal FILE RESULT`: put a replay file straight on the bus; `parlance replay run --direct`
starts it."""

import argparse
import asyncio
import sys

from parlance import config, ids
from parlance.errors import ParlanceError, exit_code
from services.rehearsal.command import Job, send


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.rehearsal", description=__doc__)
    parser.add_argument("file")
    parser.add_argument("result", help="the JSON file that says what came of it")
    parser.add_argument("--speed", type=float, help="1 is as recorded; without it, as fast as possible")
    parser.add_argument("--limit", type=int, help="only the first turns")
    parser.add_argument("--run", default="", help="the id of the run; a new one by default")
    words = parser.parse_args()
    try:
        job = Job(words.file, words.result, words.speed, words.limit, words.run or ids.new())
        return asyncio.run(send(config.load(), job))
    except ParlanceError as exc:
        print(f"parlance: {exc.message}", file=sys.stderr)
        return exit_code(exc)


if __name__ == "__main__":
    sys.exit(main())
