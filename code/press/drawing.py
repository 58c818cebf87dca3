"""In press's kernel: a figure is drawn by a copy of the process.

So the next chunks run while it is drawn. The copy writes its drawing to a
file that it holds locked until it ends, however it ends; what the kernel
sends is the file's name. Elsewhere than on Linux, where a process that has
begun to draw may not be copied, the kernel draws by itself.
"""

import os
import sys
import tempfile
from typing import Any

MARK = "file:"


def begin() -> None:
    """From now on IPython's figures are drawn beside the kernel."""
    if sys.platform != "linux":
        return
    from IPython.core import pylabtools

    tools: Any = pylabtools
    draw = tools.print_figure
    running: list[int] = []

    def beside(figure: Any, **options: Any) -> str:
        import fcntl

        while len(running) >= len(os.sched_getaffinity(0)):
            os.waitpid(running.pop(0), 0)
        file, name = tempfile.mkstemp(dir=os.environ["IPYTHONDIR"])
        fcntl.flock(file, fcntl.LOCK_EX)
        process = os.fork()
        if process:
            running.append(process)
            os.close(file)
            return MARK + name
        try:
            text = draw(figure, **options) or ""
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        with open(file, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os._exit(0)

    tools.print_figure = beside


def drawn(text: str) -> str:
    """The drawing, once it is there, or what is wrong with it."""
    if not text.startswith(MARK):
        return text
    import fcntl

    with open(text.removeprefix(MARK), encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return file.read()
