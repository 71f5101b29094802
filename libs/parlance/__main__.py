"""`python -m parlance`, and what the program `parlance` runs: Ctrl-C while it still loads ends it without a word."""

import signal


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from parlance import cli

    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


if __name__ == "__main__":
    main()
