"""A progress bar that is silent where nobody watches."""

import sys
from collections.abc import Mapping
from types import TracebackType

from tqdm import tqdm


class Progress:
    """A bar on standard error, shown after a second, if it is a terminal.

    >>> with Progress("train", total=2) as bar:
    ...     bar.update()
    """

    def __init__(self, label: str, total: int, initial: int = 0) -> None:
        self.bar = tqdm(
            desc=label,
            total=total,
            initial=initial,
            delay=1.0,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
        )

    def update(self, n: int = 1) -> None:
        self.bar.update(n)

    def note(self, values: Mapping[str, float]) -> None:
        """Show the latest loss beside the bar."""
        shown = {k: f"{v:.4g}" for k, v in values.items() if "loss" in k}
        self.bar.set_postfix(shown, refresh=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()
