"""The two kinds of error that a user can fix. Each is one sentence: what happened, what was found, what to do."""

import re
import struct

# What code raises that trusts the contents of a file when these are not what they seem, whatever the format.
# (RecursionError: Python's JSON reader, on thousands of brackets.)
MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, struct.error)
# The words of CUDA, CPUs, cuBLAS and cuDNN, and oneDNN (whose "primitive descriptor" is another error).
NO_MEMORY = re.compile(r"out of memory|allocate memory|ALLOC_FAILED|could not create a primitive(?! descriptor)")


class StyleganError(Exception):
    """An input to the tool, or its environment, is not as it must be (exit code 1)."""

    exit_code = 1


class UsageError(StyleganError):
    """The command line itself asks for something that does not exist or does not fit together (exit code 2)."""

    exit_code = 2


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error means that there was not enough memory, on whatever device."""
    return isinstance(error, MemoryError) or bool(NO_MEMORY.search(str(error)))


def first_line(error: Exception) -> str:
    """The first line of a library's error, for use inside a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")
