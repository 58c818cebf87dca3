"""`press report.qmd`: execute and typeset a report."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

try:
    # jsonschema, which nbformat needs, takes this where it finds it, for a
    # format that no notebook has, and it builds a grammar for two seconds
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    from press import build, lock, reader
    from press.errors import PressError
except KeyboardInterrupt:  # these imports take a second or two
    print("press: stopped before anything was begun", file=sys.stderr)
    sys.exit(130)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    try:
        try:
            return _run(_parser().parse_args(arguments))
        finally:
            print(end="", flush=True)
    except (OSError, PressError) as error:
        if isinstance(error, OSError):  # standard output takes no more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"press: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        start = "\n" if sys.stderr.isatty() else ""  # after the ^C
        print(
            f"{start}press: stopped; the files of the last build are as they "
            "were, and what its chunks have trained is kept: run the same "
            "command to go on",
            file=sys.stderr,
        )
        return 130


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        raise PressError(f"{message}; --help lists the options.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("press", description=__doc__)
    parser.add_argument(
        "document", nargs="?", type=Path, default=Path("report.qmd")
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "quarto", "press"),
        default="auto",
        help="what makes the PDF; auto takes quarto where it is installed",
    )
    parser.add_argument(
        "--state",
        default="",
        help="a hash of what the chunks depend on beside their own code: "
        "while it and they stay the same, none is run again",
    )
    parser.add_argument(
        "--provenance",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        type=_pair,
        help="recorded in the notebook and in the PDF",
    )
    return parser


def _pair(text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not key or not found:
        raise argparse.ArgumentTypeError(f"`{text}` is not KEY=VALUE")
    return key, value


def _run(options: argparse.Namespace) -> int:
    quarto = shutil.which("quarto") if options.engine != "press" else None
    if options.engine == "quarto" and not quarto:
        raise PressError("quarto is not on the PATH; use --engine press.")
    name = f"quarto ({quarto})" if quarto else "press (pandoc and Typst)"
    with lock.held(build.folder_of(options.document)) as folder:
        build.clear(folder)
        print(f"press: the PDF is made by {name}.", flush=True)
        start = time.perf_counter()
        extra = dict(options.provenance)
        made = build.build(options.document, extra, options.state)
        blank = build.unfilled(reader.read(options.document.resolve()))
        if quarto:
            command = [quarto, "render", options.document.name]
            if status := subprocess.run(command, cwd=folder).returncode:
                raise PressError(f"quarto ended with status {status}.")
    seconds = time.perf_counter() - start
    names = ", ".join(path.name for path in made)
    print(f"press: {names} made in {seconds:.1f} s.")
    if blank:
        print(f"press: {blank}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
