"""What is true in every simulated genome, whatever its seed: words, transposable elements, and their laws.

A model trained on one simulated genome therefore reads every other. All sequences here are arrays of base codes
(uint8; A, C, G, T are 0, 1, 2, 3, so that the complement of `b` is ``3 - b``).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

BIOLOGY_SEED = 20240229
"""Seed of the consensus sequences and of the background's trinucleotides; not an option."""

PLANTS = ("regulation", "consequence", "nothing")
"""What a genome can hold: regulation that is constrained also where it is not predictable; regulation that is
predictable wherever it is constrained; or nothing."""

HORIZON = 10_000
"""Distance from the TSS, in bases, up to which the grammar is strict and cCREs drive expression."""

# Words in IUPAC letters, as motifs are: six bases are fixed, six may be either of two. A base of a twofold place is
# hard to predict and yet must not become one of the other two: this is constraint without predictability, which is
# what the full adjustment can show. Expected composition: three of each base; no CpG, whatever is drawn: neither
# GC, CpG nor complexity tells one lexicon from the other. Any two cannot agree in at least 5 places, on both strands.
ACTIVATORS = ("GCTSWKGAMCWW", "GMWWSWKTAGCC", "WMTGSWAGKCWC")
STRUCTURALS = ("KMWATCMCWGKG", "CTGCYARWKGMW", "GKAKRMCTKCYA")
IUPAC = {"A": 1, "C": 2, "G": 4, "T": 8, "R": 5, "Y": 10, "M": 3, "K": 12, "W": 9, "S": 6, "N": 15}
"""Bases that a letter allows, as a sum of 1 (A), 2 (C), 4 (G), 8 (T): bit `b` is the base of code `b`."""
ANY_BASE = IUPAC["N"]
WORD_LENGTH = 12
SPACER_LENGTH = 4
PITCH = WORD_LENGTH + SPACER_LENGTH

CORE_PROMOTER = "GGGCGCCTATAAAAGGCTGGAAGCAGTCTGGAACTCAGTTCGGTC"
"""TATA box, spacer, initiator; read on the gene's strand."""
CORE_PROMOTER_TSS = 36
"""Offset of the TSS's base (the A of the initiator TCAGTT) inside `CORE_PROMOTER`."""

KEPT = (0.94, 1.0)
"""Share of word bases that are kept, whatever the distance: uniform between these, one draw per element."""
WORDS_PER_ELEMENT = 3

# The rest of an element is paired: each base follows from the base one turn before it. Bases are numbered A, C, G, T as
# 0 to 3, and a step is the difference modulo 4, which is the same on both strands. Fewer than `TURN` + 1 neighbouring
# bases are independent and uniform under every rule, so that no short k-mer tells one rule from another.
TURN = 10
"""Bases between the two of a pair: a turn of the helix."""


@dataclass(frozen=True)
class Pairing:
    """A rule of pairing: `steps` are drawn with equal chance in `kept` of the pairs, the other steps in the rest."""

    steps: tuple[int, ...]
    kept: float


STRICT = Pairing((0, 1), 1.0)
"""Within the horizon: the same base or the next. Half of the pairs can be guessed; an edit breaks the others."""
LOOSE = Pairing((3,), 0.8)
"""Beyond it: the base before, in four pairs of five. As predictable as `STRICT`, and hardly constrained."""
PREDICTABLE_NEAR, PREDICTABLE_FAR = Pairing((3,), 0.9), Pairing((3,), 0.5)
"""The same where regulation is what makes sequence predictable."""
PAIRED_SHARE = (0.25, 1.0)
"""Share of the bases outside of words that are paired: uniform between these, one draw per element."""

CLASS_SHARES = {"cCRE": 15 / 30, "conserved": 5 / 30, "lncRNA_exon": 4 / 30, "other": 6 / 30}
"""Shares of the classes among the elements that are not TEs: the same at every distance."""
TE_SHARE_NEAR = 0.30
TE_SHARE_FAR = 0.50
SILENT_CCRE_SHARE = 1 / 3
"""Share of the cCREs that are not at work in the tissue: they speak structural words, and do not drive expression."""
CCRE_SHARE_RANGE = (0.15, 0.85)
"""Range over genes of the cCREs' share among near elements that are not TEs; its mean is `CLASS_SHARES["cCRE"]`."""

ELEMENT_LENGTHS = (120, 240)
"""Shortest and longest element. One law for all classes: length must not tell a class."""
GAP_LENGTHS = (30, 80)
CORE_ZONE = 250
"""Bases on either side of the TSS that hold the core promoter and the first exon, and no element."""
MARGIN = 500
"""Bases between a window's end and its neighbour's or the contig's; the last exon of the gene lies there."""

GC_RANGE = (0.36, 0.56)
GC_BLOCK = 512
"""Bases over which the background's GC is constant."""
GC_DRIFT = 0.02
"""Standard deviation of the step of GC from one block to the next."""
CPG_DEPLETION = 0.25
"""Weight of G after C, relative to what composition alone would give."""

CAGE_BASE = 2.5
"""Expected CAGE counts of a gene that nothing activates."""
CAGE_GAIN = 0.175
"""Natural-log increase of CAGE for one unit of activation."""
WORDS_OF_UNIT_STRENGTH = 3
"""Intact activator words that make a cCRE of strength 1."""
CAGE_NULL_RANGE = (5.0, 300.0)
"""Range of the CAGE counts where nothing is planted: log-uniform, whatever the sequence."""
SIGNAL_STEP = 16
"""Bases over which the signal tracks are constant."""
CAGE_SD = 48.0
"""Standard deviation, in bases, of the CAGE profile about the TSS."""
DNASE_PER_WORD = 20.0
"""Expected DNase counts of one intact activator word, spread about its middle."""
DNASE_SD = 48.0
DNASE_BACKGROUND = 0.02
CAGE_BACKGROUND = 0.002
"""Expected counts per `SIGNAL_STEP` where there is nothing."""

PHYLOP_SD = 0.8
PHYLOP_CONSERVED = 1.5
"""Mean phyloP inside strict cCREs and conserved elements; the rest of the genome has mean 0."""

SNP_SPACING = 300
"""Mean distance between common SNPs."""
EQTLS_PER_GENE = 12
EQTL_CAUSAL_SHARE = 0.8
"""Share of the eQTLs that break an activator word of a near cCRE of their own gene."""


@dataclass(frozen=True)
class Family:
    """A family of transposable elements: its names in RepeatMasker's terms, consensus and mean divergence."""

    name: str
    repeat_class: str
    repeat_family: str
    consensus: np.ndarray
    divergence: float


_FAMILIES = (
    ("SimAluA", "SINE", "Alu", 310, 0.05, 0.52),
    ("SimL1A", "LINE", "L1", 600, 0.11, 0.42),
    ("SimERV1", "LTR", "ERV1", 450, 0.17, 0.46),
    ("SimTigger", "DNA", "TcMar-Tigger", 380, 0.25, 0.40),
)
"""Name, class, family, length of the consensus, divergence, GC."""

DIVERGENCE_SPREAD = 0.2
"""A copy's divergence lies within this fraction of its family's, either side."""
INDELS_PER_SUBSTITUTION = 0.1


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """The transposable elements' families. Read-only arrays."""
    rng = np.random.default_rng(BIOLOGY_SEED)
    made = []
    for name, repeat_class, repeat_family, length, divergence, gc in _FAMILIES:
        consensus = sample_background(np.full(-(-length // GC_BLOCK), gc), rng)[:length]
        consensus.flags.writeable = False
        made.append(Family(name, repeat_class, repeat_family, consensus, divergence))
    return tuple(made)


def words_of(active: bool) -> tuple[str, ...]:
    """Words of an element in IUPAC letters: active cCREs speak activators, silent ones and all other classes not."""
    return ACTIVATORS if active else STRUCTURALS


def lexicon(active: bool) -> np.ndarray:
    """`words_of` an element as bits: shape (3, WORD_LENGTH), each place a sum of the bits of `IUPAC`."""
    return encode_words(words_of(active))


def pairing_of(near: bool, plant: str) -> Pairing:
    """The rule by which an element's bases are paired."""
    if plant == "consequence":
        return PREDICTABLE_NEAR if near else PREDICTABLE_FAR
    return STRICT if near else LOOSE


def draw_paired(length: int, rule: Pairing, rng: np.random.Generator) -> tuple[np.ndarray, int, int]:
    """`length` bases in which one stretch, of a share drawn from `PAIRED_SHARE`, follows a rule of pairing.

    Returns
    -------
    Base codes, and start and end of the stretch. Bases outside of it are uniform.
    """
    paired = round(rng.uniform(*PAIRED_SHARE) * length)
    bases = rng.integers(0, 4, length).astype(np.uint8)
    first = int(rng.integers(length - paired + 1))
    turns = -(-paired // TURN)
    others = [step for step in range(4) if step not in rule.steps]
    is_kept = rng.random((turns, TURN)) < rule.kept
    steps = np.where(is_kept, rng.choice(rule.steps, (turns, TURN)), rng.choice(others, (turns, TURN)))
    steps[0] = rng.integers(0, 4, TURN)
    bases[first : first + paired] = (steps.cumsum(0) % 4).ravel()[:paired]
    return bases, first, first + paired


def encode_words(words: tuple[str, ...]) -> np.ndarray:
    """IUPAC words as bits, shape (words, WORD_LENGTH)."""
    return np.array([[IUPAC[letter] for letter in word] for word in words], np.uint8)


def reverse_complement_bits(allowed: np.ndarray) -> np.ndarray:
    """Reverse complement of allowed bases, along the last axis: A and T change places, and so do C and G."""
    swapped = (allowed & 1) << 3 | (allowed & 2) << 1 | (allowed & 4) >> 1 | (allowed & 8) >> 3
    return swapped[..., ::-1]


def draw_allowed(allowed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the allowed bases at every place, each with equal chance; the shape of `allowed`."""
    keys = rng.random((*allowed.shape, 4)) * (allowed[..., None] >> np.arange(4) & 1)
    return keys.argmax(-1).astype(np.uint8)


def sample_background(gc: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Background sequence from the order-2 Markov chain, `GC_BLOCK` bases for each value of `gc`.

    Parameters
    ----------
    gc : shape (blocks,), fraction of G and C wanted in each block.

    Returns
    -------
    Base codes, shape (blocks * GC_BLOCK,).

    Notes
    -----
    All blocks advance together, each from a pair of bases drawn from its own stationary distribution.
    """
    tables = _chain_tables()
    level = np.abs(np.asarray(gc)[:, None] - tables.gc[None, :]).argmin(1)
    uniforms = rng.random((GC_BLOCK + 1, len(level)))
    pair = (uniforms[0][:, None] > tables.pair_cumulative[level]).sum(1)
    sequence = np.empty((len(level), GC_BLOCK), np.uint8)
    for position in range(GC_BLOCK):
        thresholds = tables.next_cumulative[level, pair]
        base = (uniforms[position + 1][:, None] > thresholds).sum(1)
        sequence[:, position] = base
        pair = (pair % 4) * 4 + base
    return sequence.ravel()


@dataclass(frozen=True)
class _ChainTables:
    gc: np.ndarray
    pair_cumulative: np.ndarray
    """Shape (levels, 15)."""
    next_cumulative: np.ndarray
    """Shape (levels, 16, 3)."""


@lru_cache(maxsize=1)
def _chain_tables() -> _ChainTables:
    """Cumulative probabilities of the background chain at 41 levels of GC."""
    taste = 0.25 * np.random.default_rng([BIOLOGY_SEED, 2]).standard_normal((4, 4, 4))
    wanted = np.linspace(0.30, 0.62, 41)
    pairs, nexts = [], []
    for level in wanted:
        weight = level
        for _ in range(20):  # CpG depletion and the taste shift GC; move the weight until GC is what was wanted
            triplets = _triplets(weight, taste)
            weight = np.clip(weight + level - triplets.sum((0, 1))[1:3].sum(), 0.05, 0.95)
        pair = triplets.sum(2)
        pairs.append(pair.ravel().cumsum()[:-1])
        nexts.append((triplets / pair[:, :, None]).reshape(16, 4).cumsum(1)[:, :-1])
    return _ChainTables(wanted, np.stack(pairs), np.stack(nexts))


def _triplets(weight: float, taste: np.ndarray) -> np.ndarray:
    """Stationary trinucleotide frequencies, equal on both strands (Chargaff's second rule): shape (4, 4, 4)."""
    composition = np.array([1 - weight, weight, weight, 1 - weight]) / 2
    transition = composition[None, None, :] * np.exp(taste)
    transition[:, 1, 2] *= CPG_DEPLETION
    transition /= transition.sum(2, keepdims=True)
    pair = np.full((4, 4), 1 / 16)
    for _ in range(100):
        pair = np.einsum("ab,abc->bc", pair, transition)
    forward = pair[:, :, None] * transition
    return (forward + forward[::-1, ::-1, ::-1].transpose(2, 1, 0)) / 2
