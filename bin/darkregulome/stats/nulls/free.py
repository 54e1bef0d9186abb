"""The free shuffle within the locus: what most studies use, and anti-conservative where neighbours are alike."""

from darkregulome.stats.nulls.kind import NullKind
from darkregulome.stats.nulls.shuffle import ShuffleNull

NULL = NullKind(
    name="free",
    sentence="The scores of each locus are shuffled among its elements. Neighbouring elements resemble each other, so "
    "this null takes them for more independent data than they are and finds too much.",
    make=lambda loci, classes, permutations, rng: ShuffleNull(loci, None, permutations, rng),
)
