"""Errors that the user can mend."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec


class UserError(Exception):
    """Something the user can put right: a file, a value, a missing library.

    The message says what, where and how; it stands alone, without a traceback.
    """


class JobsError(UserError):
    """Some jobs have failed; all that needed none of them were run.

    Args:
        errors: the errors by job.
        in_vain: the jobs that were not run, as they need one that failed.
    """

    def __init__(self, errors: Mapping[str, str], in_vain: Sequence[str]) -> None:
        self.errors, self.in_vain = errors, in_vain
        said = list(dict.fromkeys(errors.values()))
        super().__init__("\n".join([*said, *self.not_run]))

    @property
    def not_run(self) -> list[str]:
        """A line about the jobs that were not run, if there are any."""
        if not self.in_vain:
            return []
        return [f"not run, as they need what failed: {', '.join(self.in_vain)}"]


@contextmanager
def optional(need: str, extra: str) -> Iterator[None]:
    """Say how to install a library where it is missing.

    Args:
        need: subject and verb of the message: `encoders need`.
        extra: the argument of recipes/setup.sh that installs it.

    Raises:
        UserError: a library isn't installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise _missing(need, str(error.name), extra) from None


def require(module: str, need: str, extra: str) -> None:
    """Say how to install a library that is missing, without importing it.

    Raises:
        UserError: the module isn't installed.
    """
    if find_spec(module) is None:
        raise _missing(need, module, extra)


def _missing(need: str, module: str, extra: str) -> UserError:
    return UserError(f"{need} {module}; install it: bash recipes/setup.sh {extra}")


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type where there is no message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
