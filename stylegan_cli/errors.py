"""The two kinds of failure that a user can mend. Each is one sentence: what happened, what was found, what to do."""


class StyleganError(Exception):
    """Something given to the tool, or around it, is not as it must be (exit code 1)."""

    exit_code = 1


class UsageError(StyleganError):
    """The command line itself asks for something that does not exist or does not fit together (exit code 2)."""

    exit_code = 2


def first_line(error: Exception) -> str:
    """What a library's error says first, for within a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")
