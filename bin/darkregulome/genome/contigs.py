"""Names and lengths of contigs, and the one place where ``chr1`` meets ``1``."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from darkregulome.errors import InputError, listed

# The mitochondrion's names in UCSC, Ensembl and older files.
_MITOCHONDRION = ("chrM", "MT", "M", "chrMT")


class Contigs:
    """The contigs of a reference: their lengths, and how other files may name them.

    Parameters
    ----------
    lengths : contig name to length in bases, in the reference's order.
    where : the file they come from, for messages.
    """

    def __init__(self, lengths: Mapping[str, int], where: object = "the FASTA"):
        self.lengths = dict(lengths)
        self.where = str(where)
        self._resolved: dict[str, str | None] = {}

    def resolve(self, name: str) -> str | None:
        """The reference's own name of a contig (``1`` for ``chr1``, ``MT`` for ``chrM``, ...), or None."""
        if name not in self._resolved:
            self._resolved[name] = next((alias for alias in contig_aliases(name) if alias in self.lengths), None)
        return self._resolved[name]

    def require(self, name: str, where: object) -> str:
        """As `resolve`, but a contig that the reference lacks is an `InputError` at `where`."""
        own_name = self.resolve(name)
        if own_name is None:
            examples = get_close_matches(name, self.lengths) or list(self.lengths)[:5]
            raise InputError.at(
                where,
                f"names the contig {name!r}, which {self.where} does not have",
                f"use its names, such as {', '.join(examples)}",
            )
        return own_name

    def mapping_note(self, names: Iterable[str], source: object) -> str | None:
        """One sentence on the contig names of `source` that were mapped to the reference's, or None."""
        mapped = {name: self.resolve(name) for name in names}
        pairs = sorted(f"{name} -> {own_name}" for name, own_name in mapped.items() if own_name not in (None, name))
        if not pairs:
            return None
        return f"{source}: contig names mapped to those of {self.where}: {listed(pairs)}"


def contig_aliases(name: str) -> tuple[str, ...]:
    """The names under which a contig may be known, its own first."""
    if name in _MITOCHONDRION:
        return (name, *(alias for alias in _MITOCHONDRION if alias != name))
    return (name, name.removeprefix("chr")) if name.startswith("chr") else (name, f"chr{name}")


def bare_contig(name: str) -> str:
    """A contig's name without the prefix ``chr``; M for MT."""
    bare = re.sub(r"^chr", "", str(name), flags=re.IGNORECASE)
    return "M" if bare.upper() == "MT" else bare
