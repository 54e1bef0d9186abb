"""Decoys that are to be read in the place of elements."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from darkregulome.edits.edit import clean
from darkregulome.edits.plan import Decoy
from darkregulome.errors import InputError
from darkregulome.io import schemas, tables


def with_decoys(elements: pd.DataFrame, paths: Sequence[Path], perturbation: str) -> tuple[pd.DataFrame, list[str]]:
    """The elements that have decoys, with these in the column `decoys`; and a note on those that have none.

    Raises
    ------
    InputError
        Decoys are given and not asked for, or the reverse; one does not fit its element; no element has any.
    """
    if bool(paths) != (perturbation == "decoy"):
        raise InputError.at("--decoy-table", "belongs to --perturbation decoy", "give both, or neither")
    if not paths:
        return elements, []
    table = pd.concat([tables.read_table(path, schemas.DECOYS) for path in paths], ignore_index=True)
    where = ", ".join(path.name for path in paths)
    tables.check_table(table, schemas.DECOYS, where)
    table = table[table["element"].isin(elements["element"])]
    if table.empty:
        raise InputError.at(where, "has no decoy of these elements", "draw decoys of the same table of elements")
    lengths = dict(zip(elements["element"], elements["end"] - elements["start"], strict=True))
    for name, letters in zip(table["element"], table["sequence"], strict=True):
        if len(letters) != lengths[name]:
            what = f"has a decoy of {name!r} of {len(letters)} bases, where the element has {lengths[name]}"
            raise InputError.at(where, what, "draw decoys of the same table of elements")
    columns = [table[name] for name in ("decoys", "decoy", "sequence")]
    rows = [Decoy(str(name), int(number), clean(letters)) for name, number, letters in zip(*columns, strict=True)]
    own = pd.Series(rows, index=table.index, dtype=object).groupby(table["element"], sort=False).agg(tuple)
    drawn = elements[elements["element"].isin(own.index)]
    without = len(elements) - len(drawn)
    notes = [f"{without} elements have no decoys in {where} and are left out."] if without else []
    return drawn.assign(decoys=drawn["element"].map(own)), notes
