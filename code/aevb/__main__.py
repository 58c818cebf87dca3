"""`python -m aevb`, and what the console script `aevb` calls.

A Ctrl-C while modules are imported, a module that Python cannot read, and
an output that takes no more, as that of `aevb ... | head`, are met here.
"""

import io
import os
import sys


def main() -> None:
    """Run the command line."""
    if sys.stdout is None:  # `>&-` has closed it, and tyro asks it for more
        sys.stdout = io.StringIO()
    try:
        from aevb import cli

        try:
            cli.main()
        finally:
            print(end="", flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"aevb: {error}", file=sys.stderr)
        sys.exit(2)
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
