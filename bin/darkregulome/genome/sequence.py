"""Facts about sequences, and shuffles of them. Upper-case letters; only A, C, G and T count as bases."""

import re

import numpy as np

from darkregulome.genome.bases import BASES, N_CODE, base_codes, letters_of_codes

_COMPLEMENT = str.maketrans("ACGTUNRYSWKMBDHVacgtunryswkmbdhv", "TGCAANYRSWMKVHDBtgcaanyrswmkvhdb")
_BASES = re.compile("[ACGT]+")
KMER = 3


def reverse_complement(sequence: str) -> str:
    """Reverse complement; IUPAC letters become their complements, N stays N, the case is kept."""
    return sequence.translate(_COMPLEMENT)[::-1]


def n_fraction(sequence: str) -> float:
    """Fraction of letters that are not A, C, G or T; 1 for an empty sequence."""
    return 1.0 - _n_bases(sequence) / len(sequence) if sequence else 1.0


def gc(sequence: str) -> float:
    """Fraction of G and C among the bases; NaN where there is no base."""
    bases = _n_bases(sequence)
    return (sequence.count("G") + sequence.count("C")) / bases if bases else float("nan")


def cpg_oe(sequence: str) -> float:
    """CpG observed over expected, ``n(CG) * n / (n(C) * n(G))`` with n the number of bases.

    0 where there is no C or no G (there can be no CpG); NaN where there is no base.

    References
    ----------
    Gardiner-Garden and Frommer, J Mol Biol 1987, 196:261-282.
    """
    bases = _n_bases(sequence)
    if not bases:
        return float("nan")
    expected = sequence.count("C") * sequence.count("G")
    return sequence.count("CG") * bases / expected if expected else 0.0


def complexity(sequence: str) -> float:
    """Shannon entropy of the 3-mers over the largest possible at this length, in [0, 1].

    The largest possible is ``log(min(64, n))`` for n 3-mers; 3-mers with another letter than A, C, G, T are left out.
    NaN where fewer than two remain.
    """
    codes = base_codes(sequence)
    if len(codes) < KMER:
        return float("nan")
    kmers = np.lib.stride_tricks.sliding_window_view(codes, KMER)
    kmers = kmers[(kmers < N_CODE).all(axis=1)]
    if len(kmers) < 2:
        return float("nan")
    counts = np.bincount(kmers @ np.array([16, 4, 1]), minlength=64)
    shares = counts[counts > 0] / len(kmers)
    entropy = -float(np.sum(shares * np.log(shares)))
    return min(1.0, max(0.0, entropy / float(np.log(min(64, len(kmers))))))


def dinucleotide_shuffle(sequence: str, rng: np.random.Generator | int) -> str:
    """A random sequence with exactly the dinucleotide counts of `sequence`, and its first and last base.

    Uniform over all such sequences. Letters other than A, C, G and T stay where they are; the runs of
    bases between them are shuffled one by one.

    Parameters
    ----------
    sequence : any case; the answer is upper case.
    rng : a generator, or a seed.

    References
    ----------
    Altschul and Erickson, Mol Biol Evol 1985, 2:526-538.
    """
    generator = np.random.default_rng(rng)
    return _BASES.sub(lambda run: _shuffle_run(run.group(), generator), sequence.upper())


def _shuffle_run(run: str, rng: np.random.Generator) -> str:
    """Shuffle a run of bases: a random Eulerian path through the multigraph of its dinucleotides."""
    if len(run) < 4:
        return run  # with the ends fixed, three bases have one arrangement
    codes = base_codes(run).astype(np.int64)
    last = int(codes[-1])
    # successors[b]: the bases that follow b, each as often as it does.
    successors = [codes[1:][codes[:-1] == base] for base in range(4)]
    exits = _random_last_exits(successors, last, rng)
    for base, edges in enumerate(successors):
        if base != last and len(edges):
            edges = edges.copy()
            edges[[exits[base], -1]] = edges[[-1, exits[base]]]
            edges[:-1] = rng.permutation(edges[:-1])
            successors[base] = edges
        else:
            successors[base] = rng.permutation(edges)
    followers = [edges.tolist() for edges in successors]
    used = [0, 0, 0, 0]
    path = [int(codes[0])]
    for _ in range(len(run) - 1):
        base = path[-1]
        path.append(followers[base][used[base]])
        used[base] += 1
    return letters_of_codes(np.array(path))


def _random_last_exits(successors: list[np.ndarray], last: int, rng: np.random.Generator) -> dict[int, int]:
    """For each base but the last one, which of its edges is walked last; redrawn until all lead to the last base."""
    present = [base for base in range(4) if base != last and len(successors[base])]
    while True:
        exits = {base: int(rng.integers(len(successors[base]))) for base in present}
        towards = {base: int(successors[base][edge]) for base, edge in exits.items()}
        if all(_reaches(base, towards, last) for base in present):
            return exits


def _reaches(base: int, towards: dict[int, int], last: int) -> bool:
    for _ in range(4):
        if base == last:
            return True
        base = towards[base]
    return base == last


def _n_bases(sequence: str) -> int:
    return sum(sequence.count(base) for base in BASES)
