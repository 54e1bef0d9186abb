"""From an annotation's own words to the element classes: a table of patterns."""

import fnmatch
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.genome.textfile import numbered_lines
from darkregulome.io.assets import find_asset
from darkregulome.io.schemas import CLASSES

REQUIRED = ["pattern", "class", "subclass"]


@dataclass(frozen=True)
class ClassMap:
    """Patterns, first match first, each with its class and subclass.

    A pattern is the word itself or a shell pattern (``pELS*``), whatever the case. A subclass ``=`` is the word.
    """

    rows: tuple[tuple[str, str, str], ...] = ()

    def lookup(self, word: str) -> tuple[str, str] | None:
        """Class and subclass of a word, or None where no pattern fits."""
        for pattern, kind, subclass in self.rows:
            if fnmatch.fnmatchcase(word.lower(), pattern.lower()):
                return kind, word if subclass == "=" else subclass
        return None

    def has(self, words: pd.Series) -> pd.Series:
        """Which words have a class; booleans, shape as `words`."""
        return words.map({word: self.lookup(word) is not None for word in words.unique()}).astype(bool)

    def classify(self, words: pd.Series) -> tuple[pd.DataFrame, list[str]]:
        """The columns class and subclass of words, and the words that have none: they are class other."""
        labels = {word: self.lookup(word) for word in words.unique()}
        unknown = sorted(word for word, label in labels.items() if label is None)
        rows = [labels[word] or ("other", word) for word in words]
        return pd.DataFrame(rows, columns=["class", "subclass"], index=words.index), unknown


def default_class_map() -> ClassMap:
    """The map that is shipped with the project."""
    path = find_asset("class_map.csv")
    if not path.is_file():
        raise InputError.at(path, "is not installed here", "give --class-map")
    return read_class_map(path)


def read_class_map(path: str | Path | None) -> ClassMap:
    """Read a class map, or the shipped one: CSV with the columns pattern, class, subclass; ``#`` starts a comment line.

    Raises
    ------
    InputError
        A column is absent, or a class is not one of `io.schemas.CLASSES`; every bad line is named.
    """
    if path is None:
        return default_class_map()
    lines = list(numbered_lines(path))
    header = [name.strip() for name in lines[0][1].split(",")] if lines else []
    if header[:3] != REQUIRED:
        raise InputError.at(path, f"has the header {','.join(header) or 'none'!r}", f"give {','.join(REQUIRED)}")
    rows, problems = [], []
    for number, line in lines[1:]:
        fields = [value.strip() for value in line.split(",")]
        if len(fields) < 3 or not all(fields[:3]):
            problems.append(Problem(f"{path}:{number}", f"has {line!r}", "give a pattern, a class and a subclass"))
        elif fields[1] not in CLASSES:
            problems.append(
                Problem(f"{path}:{number}", f"has the class {fields[1]!r}", f"give one of {', '.join(CLASSES)}")
            )
        else:
            rows.append((fields[0], fields[1], fields[2]))
    raise_all(problems)
    if not rows:
        raise InputError.at(path, "has a header and no pattern", "give a pattern, a class and a subclass per line")
    return ClassMap(tuple(rows))
