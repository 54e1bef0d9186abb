"""Genes whose expression has known causes: what a learnt mask of regulatory elements must find, and must leave out.

Around each TSS lie elements of four kinds. Only the first does anything:

* ``causal``: activator words in open chromatin (a peak of H3K27ac and of DNase);
* ``silent_peak``: a peak like any other, over words that activate nothing;
* ``closed_motif``: activator words without a peak;
* ``repeat``: a copy of a transposable element, which language models predict well, without a peak.

So neither the sequence alone nor the signals alone tell the causal elements; both together do. Background and repeats
are those of `simulate.biology`.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from darkregulome.errors import InputError
from darkregulome.genome.bases import base_codes, reverse_complement_codes
from darkregulome.simulate import biology
from darkregulome.simulate.genome import Contigs, find_words, joined, te_copy

KIND_SHARES = {"causal": 0.30, "silent_peak": 0.30, "closed_motif": 0.15, "repeat": 0.25}
"""Chance of each kind, drawn for every element."""
ACTIVATOR, STRUCTURAL = "TGACGTCA", "CCATATGG"
"""The word of causal elements and closed motifs (a CRE), and that of silent peaks (a CArG box). Both are palindromes of
four A or T and four C or G: simpler than the words of `simulate.biology`, so that a minute of training on a CPU is
enough to learn them."""
SLOT = 16
"""Bases an element has for each of its words, which lies anywhere inside."""
WORDS_OF_UNIT_STRENGTH = 10
KEPT = (0.95, 1.0)
"""Share of word bases that an element keeps: uniform, one draw per element."""
GAPS = (40, 120)
LENGTHS = biology.ELEMENT_LENGTHS
CORE = 64
"""Bases on either side of the TSS without elements: the core promoter."""

LOG_BASE = 1.2
"""log10 of the expected CAGE counts of a gene that nothing activates."""
LOG_GAIN = 1.2
"""Increase of that log10 for one intact element (`WORDS_OF_UNIT_STRENGTH` words) at full contact."""
LOG_NOISE = 0.05
"""Standard deviation of a gene's log10 level that has no cause in its window."""
CONTACT_REACH = 1 / 3
"""Distance, as a share of half the window, at which contact with the promoter has fallen to a half."""

STEP = biology.SIGNAL_STEP
PEAK_HEIGHT = {"h3k27ac": 3.0, "dnase": 5.0}
"""Median counts per `STEP` at a peak's middle; log-normal over elements, the same for causal and silent peaks."""
PEAK_SD = {"h3k27ac": 120.0, "dnase": 60.0}
"""Standard deviation of a peak's profile, in bases."""
PEAK_SPREAD = 0.3
"""Standard deviation of the natural log of a peak's height."""
BACKGROUND = 0.2
"""Expected counts per `STEP` outside of peaks."""
SIGNALS = ("h3k27ac", "dnase", "contact")


@dataclass(frozen=True)
class SimulatedExpression(Contigs):
    """Everything there is to know of one simulation.

    Attributes
    ----------
    contigs : base codes of each contig (uint8).
    genes : one row per gene: gene, chrom, tss, strand, activation, level (expected counts), cage (counts).
    elements : one row per element: gene, chrom, start, end, kind, contact, intact (words), effect (increase of the
        gene's log10 level that it causes).
    signals : name -> contig -> values per base (float32).
    """

    seed: int
    window: int
    contigs: dict[str, np.ndarray]
    genes: pd.DataFrame
    elements: pd.DataFrame
    signals: dict[str, dict[str, np.ndarray]]

    @property
    def causal_fraction(self) -> float:
        """Share of all windows' bases that causal elements cover: the mask ratio that was planted."""
        causal = self.elements[self.elements["kind"] == "causal"]
        return float((causal["end"] - causal["start"]).sum() / (self.window * len(self.genes)))


def simulate_expression(
    seed: int = 0, genes: int = 400, window: int = 1024, genes_per_contig: int = 50
) -> SimulatedExpression:
    """Simulate genes, their windows, signals and expression.

    Parameters
    ----------
    seed : the same seed gives the same contigs, whatever their number.
    window : bases around a TSS; windows do not overlap.

    Raises
    ------
    InputError : the window is too short to hold elements, or a number is not positive.
    """
    if window < 1024 or window % 128:
        raise InputError.at("--window", f"{window} does not do", "give a multiple of 128 of at least 1024 bases")
    if genes < 1 or genes_per_contig < 1:
        raise InputError.at("--genes", "there must be at least one gene", "give positive numbers")
    chunks = np.split(np.arange(genes), range(genes_per_contig, genes, genes_per_contig))
    made = [_contig(f"chr{at + 1}", numbers, seed, window) for at, numbers in enumerate(chunks)]
    signals = {name: {chrom: track for part in made for chrom, track in part.signals[name].items()} for name in SIGNALS}
    return replace(joined(made), signals=signals)


def _contig(chrom: str, numbers: np.ndarray, seed: int, window: int) -> SimulatedExpression:
    rng = np.random.default_rng([seed, zlib.crc32(f"expression/{chrom}".encode())])
    length = len(numbers) * window
    blocks = -(-length // biology.GC_BLOCK)
    gc = np.clip(rng.normal(np.mean(biology.GC_RANGE), biology.GC_DRIFT, blocks), *biology.GC_RANGE)
    sequence = biology.sample_background(gc, rng)[:length]
    tss = np.arange(len(numbers)) * window + window // 2
    genes = pd.DataFrame(
        {
            "gene": [f"SIM{number + 1}" for number in numbers],
            "chrom": chrom,
            "tss": tss,
            "strand": rng.choice(["+", "-"], len(numbers)),
        }
    )
    elements = pd.concat(
        [_elements(name, chrom, at, window, rng) for name, at in zip(genes["gene"], tss.tolist(), strict=True)],
        ignore_index=True,
    )
    _write_sequence(sequence, elements, rng)
    starts = np.unique(find_words(sequence, (ACTIVATOR,)))  # a palindrome is found on both strands
    first = np.searchsorted(starts, elements["start"])
    elements["intact"] = np.searchsorted(starts, elements["end"] - len(ACTIVATOR), side="right") - first
    strength = elements["intact"] / WORDS_OF_UNIT_STRENGTH * (elements["kind"] == "causal")
    elements["effect"] = LOG_GAIN * strength * elements["contact"]
    genes["activation"] = elements.groupby("gene")["effect"].sum().reindex(genes["gene"]).fillna(0.0).to_numpy()
    genes["level"] = 10 ** (LOG_BASE + genes["activation"] + rng.normal(0, LOG_NOISE, len(genes)))
    genes["cage"] = rng.poisson(genes["level"])
    signals = _signals(length, tss, elements, window, rng)
    tracks = {name: {chrom: track} for name, track in signals.items()}
    return SimulatedExpression(seed, window, {chrom: sequence}, genes, elements, tracks)


def contact(distance: np.ndarray, window: int) -> np.ndarray:
    """Contact with the promoter at `distance` bases from it: 1 at the TSS, a half at `CONTACT_REACH`."""
    return 1 / (1 + np.abs(distance) / (CONTACT_REACH * window / 2))


def _elements(gene: str, chrom: str, tss: int, window: int, rng: np.random.Generator) -> pd.DataFrame:
    most = window // (LENGTHS[0] + GAPS[0])
    sides = []
    for low, high in ((tss - window // 2, tss - CORE), (tss + CORE, tss + window // 2)):
        lengths = rng.integers(*LENGTHS, size=most, endpoint=True)
        ends = low + np.cumsum(lengths + rng.integers(*GAPS, size=most, endpoint=True))
        inside = ends + GAPS[0] // 2 <= high
        sides.append(np.stack([(ends - lengths)[inside], ends[inside]]))
    start, end = np.concatenate(sides, axis=1)
    kinds = rng.choice(list(KIND_SHARES), len(start), p=list(KIND_SHARES.values()))
    near = contact((start + end) / 2 - tss, window)
    return pd.DataFrame({"gene": gene, "chrom": chrom, "start": start, "end": end, "kind": kinds, "contact": near})


def _write_sequence(sequence: np.ndarray, elements: pd.DataFrame, rng: np.random.Generator) -> None:
    families = biology.families()
    columns = (elements[name].tolist() for name in ("start", "end", "kind"))
    for start, end, kind in zip(*columns, strict=True):
        if kind == "repeat":
            place = te_copy(families[rng.integers(len(families))], end - start, rng)[0]
        else:
            place = _write_words(sequence[start:end], STRUCTURAL if kind == "silent_peak" else ACTIVATOR, rng)
        sequence[start:end] = place if rng.random() < 0.5 else reverse_complement_codes(place)


def _write_words(background: np.ndarray, word: str, rng: np.random.Generator) -> np.ndarray:
    """The background with the word in every slot, some of its bases left as they were."""
    made, share = background.copy(), rng.uniform(*KEPT)
    letters = base_codes(word)
    for slot in range(0, len(made) - SLOT + 1, SLOT):
        first = slot + int(rng.integers(SLOT - len(word) + 1))
        is_kept = rng.random(len(word)) < share
        made[first : first + len(word)] = np.where(is_kept, letters, made[first : first + len(word)])
    return made


def _signals(
    length: int, tss: np.ndarray, elements: pd.DataFrame, window: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    middle = (np.arange(length // STEP) + 0.5) * STEP
    peaks = elements[elements["kind"].isin(["causal", "silent_peak"])]
    centres = ((peaks["start"] + peaks["end"]) / 2).to_numpy()
    tracks = {}
    for name, height in PEAK_HEIGHT.items():
        expected = np.full(len(middle), BACKGROUND)
        heights = height * np.exp(PEAK_SPREAD * rng.standard_normal(len(peaks)))
        reach = int(4 * PEAK_SD[name] // STEP)
        for centre, top in zip(centres, heights, strict=True):
            here = slice(max(0, int(centre // STEP) - reach), int(centre // STEP) + reach + 1)
            expected[here] += top * np.exp(-0.5 * ((middle[here] - centre) / PEAK_SD[name]) ** 2)
        tracks[name] = rng.poisson(expected)
    tracks["contact"] = contact(middle - np.repeat(tss, window // STEP), window)
    return {name: np.repeat(track, STEP).astype(np.float32) for name, track in tracks.items()}
