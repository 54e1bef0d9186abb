"""The one exception that means: the input is at fault, and here is what to do about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the input.

    Attributes
    ----------
    where : file and place, such as ``"loci.csv:3"``.
    what : what is wrong there, as a clause with the offending value.
    remedy : what the user should do, in the imperative.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        sentence = f"{self.where}: {self.what}; {self.remedy}."
        # A line's end or an escape sequence in a value, or in the name of a file, must not break the line.
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in sentence)


class InputError(Exception):
    """Bad input: the scripts print it, without a traceback, and exit with 2."""

    def __init__(self, *problems: Problem):
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    @classmethod
    def at(cls, where: object, what: str, remedy: str) -> "InputError":
        """An error of a single problem."""
        return cls(Problem(str(where), what, remedy))


def raise_all(problems: Iterable[Problem]) -> None:
    """Raise one `InputError` that names every problem, or return if there is none."""
    if problems := tuple(problems):
        raise InputError(*problems)


def listed(names: Iterable[object], most: int = 3) -> str:
    """Names separated by commas, for a message: the first few of many."""
    words = [str(name) for name in names]
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")


class Problems:
    """Gathers the problems of several checks, so that a user reads all of them at once."""

    def __init__(self) -> None:
        self.all: list[Problem] = []

    def attempt(self, check: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer | None:
        """The answer of `check`, or None where it raises an `InputError`, whose problems are noted (each once)."""
        try:
            return check(*arguments, **options)
        except InputError as error:
            self.all += [problem for problem in error.problems if problem not in self.all]
            return None

    def raise_all(self) -> None:
        """Raise one `InputError` of everything that was noted, or return if there is nothing."""
        raise_all(self.all)
