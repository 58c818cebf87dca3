"""`python -m aevb`, and what the console script `aevb` calls.

PyTorch takes seconds to import; a Ctrl-C in that time is met here.
"""

import sys


def main() -> None:
    try:
        from aevb import cli

        cli.main()
    except KeyboardInterrupt:
        print("aevb: stopped before anything was begun", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
