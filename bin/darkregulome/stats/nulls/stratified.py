"""The shuffle within class and locus."""

from darkregulome.stats.nulls.kind import NullKind
from darkregulome.stats.nulls.shuffle import ShuffleNull

NULL = NullKind(
    name="stratified",
    sentence="The scores of each locus are shuffled among its elements of the same class. Neighbouring elements "
    "resemble each other, so this null takes them for more independent data than they are and finds too much.",
    make=ShuffleNull,
)
