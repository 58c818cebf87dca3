"""The one exception of press: a fault of the document or of its folder."""


class PressError(Exception):
    """One sentence: what is wrong, where (file and line), what to do.

    The command line prints it without a traceback and exits with status 2.
    It is one line, whatever words of the document it repeats.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
