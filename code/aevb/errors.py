"""The one exception that a person, not a programmer, is meant to read."""


class UserError(Exception):
    """A fault that its user can mend.

    Its message is one sentence: what is wrong, where, and what to do.
    Command lines print it without a traceback and exit with status 2.
    """


class Damaged(UserError):
    """A saved file fails its integrity check."""
