"""`python -m aevb`, and what the console script `aevb` calls.

A Ctrl-C while modules are imported, and a module that Python cannot read,
are met here.
"""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from aevb import cli

        cli.main()
    except KeyboardInterrupt:
        print("aevb: stopped before anything was begun", file=sys.stderr)
        sys.exit(130)
    except SyntaxError as error:
        print(
            f"aevb: {error.filename}, line {error.lineno}, is not Python: "
            f"{error.msg}; mend it and run the same command",
            file=sys.stderr,
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
