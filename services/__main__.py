"""`python -m services`: everything in one process. `python -m services replay ID [--verify] [--json]`: a turn again."""

import argparse
import asyncio
import sys

from parlance import config
from parlance.errors import ParlanceError, exit_code


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m services", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    replay = commands.add_parser("replay", help="run a past turn again from its record")
    replay.add_argument("turn_id")
    replay.add_argument("--verify", action="store_true")
    replay.add_argument("--json", action="store_true")
    words = parser.parse_args(sys.argv[1:])
    try:
        settings = config.load()
        if words.command == "replay":
            from services.rerun import show

            return asyncio.run(show(settings, words.turn_id, as_json=words.json, verify=words.verify))
        from services.platform import run

        return run(settings)
    except ParlanceError as exc:
        print(f"parlance: {exc.message}", file=sys.stderr)
        return exit_code(exc)


if __name__ == "__main__":
    sys.exit(main())
