"""A genome whose truth is known: sequence, elements and signals, as arrays.

`simulate` makes everything that the files of `simulate.writing` hold, so that trainers and tests need no files.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from darkregulome.errors import InputError
from darkregulome.genome.bases import base_codes, letters_of_codes, reverse_complement_codes
from darkregulome.simulate import biology
from darkregulome.simulate.biology import ANY_BASE, HORIZON, MARGIN, PITCH, WORD_LENGTH

NULL_STREAM = "null"


@dataclass(frozen=True)
class Locus:
    """A row of `SimulatedGenome.loci`: what does not depend on the sequence."""

    locus: str
    gene: str
    gene_id: str
    number: int
    chrom: str
    tss: int
    strand: str
    start: int
    end: int


@dataclass(frozen=True)
class Element:
    """A row of `SimulatedGenome.elements`, its class under the name `element_class`."""

    chrom: str
    start: int
    end: int
    strand: str
    element_class: str
    subclass: str
    locus: str
    gene: str
    distance: int
    active: bool
    strict: bool
    words: int
    intact: int
    strength: float
    weight: float
    effect: float
    divergence: float
    paired_start: int
    paired_end: int
    consensus_start: int
    consensus_end: int


class Contigs:
    """What has sequence: contigs as base codes, and as letters."""

    contigs: dict[str, np.ndarray]

    def sequence(self, chrom: str, start: int = 0, end: int | None = None) -> str:
        """Sequence of an interval as a string."""
        return letters_of_codes(self.contigs[chrom][start:end])


@dataclass(frozen=True)
class SimulatedGenome(Contigs):
    """Everything there is to know of one simulated genome.

    Attributes
    ----------
    seed, plant, flank : what it was made from; `plant` is one of `biology.PLANTS`.
    contigs : sequence of each contig as base codes (uint8; A, C, G, T are 0 to 3).
    loci : one row per gene: locus, gene, gene_id, chrom, tss, strand, start, end (the window), activation (sum of the
        near cCREs' weighted strengths), level (expected CAGE counts) and cage (the counts observed).
    elements : one row per element, sorted: chrom, start, end, strand, class, subclass, locus, gene, distance (signed,
        strand-aware, nearest edge), active (a cCRE that speaks activator words), strict, words, intact, strength,
        weight (of its strength at the TSS), effect (expected log2 change of CAGE when it is deleted), divergence
        (TEs), paired_start and paired_end (bases that follow a rule of pairing; -1 where none do), consensus_start
        and consensus_end (TEs).
    cage, dnase : counts per base (float32) of each contig; a bin's sum is its counts.
    templates : bases that the word or consensus allows at each place (bits of `biology.IUPAC`); any in the background.
    """

    seed: int
    plant: str
    flank: int
    contigs: dict[str, np.ndarray]
    loci: pd.DataFrame
    elements: pd.DataFrame
    cage: dict[str, np.ndarray]
    dnase: dict[str, np.ndarray]
    templates: dict[str, np.ndarray]

    @property
    def null(self) -> bool:
        """Whether nothing is planted."""
        return self.plant == "nothing"


def each_locus(loci: pd.DataFrame) -> Iterator[Locus]:
    """The rows of a table of loci, typed."""
    names = list(Locus.__dataclass_fields__)
    yield from (Locus(*row) for row in zip(*(loci[name].tolist() for name in names), strict=True))


def element_columns() -> list[str]:
    """Columns of a table of elements that `Element` has."""
    return ["class" if name == "element_class" else name for name in Element.__dataclass_fields__]


def each_element(elements: pd.DataFrame) -> Iterator[Element]:
    """The rows of a table of elements, typed."""
    columns = (elements[name].tolist() for name in element_columns())
    yield from (Element(*row) for row in zip(*columns, strict=True))


def joined(parts: Sequence[Any]) -> Any:
    """Simulations of some contigs each as one: tables one below the other, and the contigs of all (not empty)."""
    together: dict[str, Any] = {}
    for name, value in vars(parts[0]).items():
        values = [getattr(part, name) for part in parts]
        if isinstance(value, pd.DataFrame):
            together[name] = pd.concat(values, ignore_index=True)
        elif isinstance(value, dict):
            together[name] = {key: content for each in values for key, content in each.items()}
    return replace(parts[0], **together)


def simulate(
    seed: int = 0, loci: int = 10, flank: int = 24_000, plant: str = "regulation", loci_per_contig: int = 2
) -> SimulatedGenome:
    """Simulate a genome.

    Parameters
    ----------
    seed : the same seed gives the same genome; a contig does not depend on how many others there are.
    loci : number of genes.
    flank : bases of a locus on either side of its TSS; more than the horizon, so that there is a far side.
    plant : one of `biology.PLANTS`. With ``nothing``, elements and TEs stay where they would be, without words, and
        signals do not follow sequence. With ``consequence``, pairs near the TSS are constrained by being predictable.
    loci_per_contig : genes on one contig.

    Raises
    ------
    InputError
        The flank does not reach past the horizon, or a number is not positive.
    """
    if flank < HORIZON + 2_000:
        raise InputError.at("--flank", f"{flank} is too short", f"give at least {HORIZON + 2_000} bases")
    if loci < 1 or loci_per_contig < 1:
        raise InputError.at("--loci", "there must be at least one locus", "give a positive number")
    numbers = np.arange(loci)
    chunks = np.split(numbers, range(loci_per_contig, loci, loci_per_contig))
    return joined([_simulate_contig(f"chr{at + 1}", chunk, seed, flank, plant) for at, chunk in enumerate(chunks)])


def stream(seed: int, null: bool, *names: str) -> np.random.Generator:
    """The random stream of one thing (a contig's sequence, a gene's eQTLs), independent of every other."""
    key = "/".join((*names, NULL_STREAM) if null else names)
    return np.random.default_rng([seed, zlib.crc32(key.encode())])


def _simulate_contig(chrom: str, numbers: np.ndarray, seed: int, flank: int, plant: str) -> SimulatedGenome:
    null = plant == "nothing"
    rng = stream(seed, null, chrom)
    loci = _place_loci(chrom, numbers, flank, rng)
    sequence = _background(loci, rng)
    elements = pd.concat([_lay_out(locus, seed, rng) for locus in each_locus(loci)], ignore_index=True)
    for locus in each_locus(loci):
        _write_core_promoter(sequence, locus.tss, locus.strand)
    template = np.full(len(sequence), ANY_BASE, np.uint8)
    awake = stream(seed, null, chrom, "awake").random(len(elements)) >= biology.SILENT_CCRE_SHARE
    elements["active"] = (elements["class"] == "cCRE") & awake
    elements = _write_elements(sequence, template, elements, rng, plant)
    elements = _measure_words(sequence, elements)
    loci, elements = _express(loci, elements, rng, null)
    cage = _cage_track(len(sequence), loci, rng)
    dnase = _dnase_track(sequence, elements, rng, plant)
    loci["cage"] = [float(cage[tss - 500 : tss + 501].sum()) for tss in loci["tss"]]
    tracks = {"cage": {chrom: cage}, "dnase": {chrom: dnase}, "templates": {chrom: template}}
    return SimulatedGenome(seed, plant, flank, {chrom: sequence}, loci, elements, **tracks)


# Layout


def _place_loci(chrom: str, numbers: np.ndarray, flank: int, rng: np.random.Generator) -> pd.DataFrame:
    tss = np.arange(len(numbers)) * 2 * (flank + MARGIN) + MARGIN + flank
    return pd.DataFrame(
        {
            "locus": [f"locus{number + 1}" for number in numbers],
            "gene": [f"SIM{number + 1}" for number in numbers],
            "gene_id": [f"SIMG{number + 1:08d}" for number in numbers],
            "number": numbers,
            "chrom": chrom,
            "tss": tss,
            "strand": rng.choice(["+", "-"], len(numbers)),
            "start": tss - flank,
            "end": tss + flank,
        }
    )


def near_ccre_share(number: int, seed: int) -> float:
    """The share of cCREs among the near elements of a gene that are not TEs.

    Genes come in pairs whose shares add up to twice the mean, so that no class is nearer than another overall; pairs
    step by the golden ratio, so that any number of them covers the range evenly.
    """
    low, high = biology.CCRE_SHARE_RANGE
    first = stream(seed, False, "near cCRE share").random()
    share = low + (high - low) * ((first + (number // 2) * 0.6180339887498949) % 1)
    return share if number % 2 == 0 else low + high - share


def _lay_out(locus: Locus, seed: int, rng: np.random.Generator) -> pd.DataFrame:
    """Intervals of a locus, and their classes: by quota within the near and the far zone, in random order."""
    sides = [
        _fill(locus.start, locus.tss - biology.CORE_ZONE, rng),
        _fill(locus.tss + biology.CORE_ZONE, locus.end, rng),
    ]
    start, end = np.concatenate(sides, axis=1)
    left = end <= locus.tss
    offset = np.where(left, end - 1 - locus.tss, start - locus.tss)
    distance = offset if locus.strand == "+" else -offset
    near = np.abs(distance) <= HORIZON
    classes = np.empty(len(start), object)
    for zone, te_share, ccre_share in (
        (near, biology.TE_SHARE_NEAR, near_ccre_share(locus.number, seed)),
        (~near, biology.TE_SHARE_FAR, biology.CLASS_SHARES["cCRE"]),
    ):
        classes[zone] = rng.permutation(_quota(int(zone.sum()), te_share, ccre_share, rng))
    return pd.DataFrame(
        {
            "chrom": locus.chrom,
            "start": start,
            "end": end,
            "strand": rng.choice(["+", "-"], len(start)),
            "class": classes,
            "locus": locus.locus,
            "gene": locus.gene,
            "distance": distance,
            "near": near,
        }
    )


def _fill(start: int, end: int, rng: np.random.Generator) -> np.ndarray:
    """Fill an interval with elements and gaps, left to right: starts and ends, shape (2, elements)."""
    most = (end - start) // (biology.ELEMENT_LENGTHS[0] + biology.GAP_LENGTHS[0]) + 1
    lengths = rng.integers(*biology.ELEMENT_LENGTHS, size=most, endpoint=True)
    gaps = rng.integers(*biology.GAP_LENGTHS, size=most, endpoint=True)
    ends = start + np.cumsum(lengths + gaps)
    inside = ends + biology.GAP_LENGTHS[0] <= end
    return np.stack([(ends - lengths)[inside], ends[inside]])


def _quota(n: int, te_share: float, ccre_share: float, rng: np.random.Generator) -> np.ndarray:
    """`n` class names in the wanted shares; what rounding leaves over is drawn."""
    others = {name: share for name, share in biology.CLASS_SHARES.items() if name != "cCRE"}
    scale = (1 - te_share) * (1 - ccre_share) / sum(others.values())
    shares = {"TE": te_share, "cCRE": (1 - te_share) * ccre_share}
    shares |= {name: share * scale for name, share in others.items()}
    exact = n * np.array(list(shares.values()))
    counts = np.floor(exact).astype(int)
    rest = exact - counts
    left_over = n - counts.sum()
    if left_over:
        counts += np.bincount(rng.choice(len(rest), left_over, replace=False, p=rest / rest.sum()), minlength=len(rest))
    return np.repeat(np.array(list(shares), object), counts)


# Sequence


def _background(loci: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Background of a contig; every locus is an isochore whose GC drifts slowly."""
    blocks = []
    low, high = biology.GC_RANGE
    for locus in each_locus(loci):
        n = -(-(locus.end - locus.start + 2 * MARGIN) // biology.GC_BLOCK)
        mean = rng.uniform(low, high)
        drift = np.zeros(n)
        for block, step in enumerate(rng.normal(0, biology.GC_DRIFT, n)):
            drift[block] = 0.9 * drift[block - 1] + step
        gc = np.clip(mean + drift, low, high)
        blocks.append(biology.sample_background(gc, rng)[: locus.end - locus.start + 2 * MARGIN])
    return np.concatenate(blocks)


def _write_core_promoter(sequence: np.ndarray, tss: int, strand: str) -> None:
    promoter = base_codes(biology.CORE_PROMOTER)
    offset = biology.CORE_PROMOTER_TSS
    if strand == "-":
        promoter, offset = reverse_complement_codes(promoter), len(promoter) - 1 - offset
    sequence[tss - offset : tss - offset + len(promoter)] = promoter


def _write_elements(
    sequence: np.ndarray, template: np.ndarray, elements: pd.DataFrame, rng: np.random.Generator, plant: str
) -> pd.DataFrame:
    """Write every element into the contig; add subclass, strictness and what is known of TE copies."""
    families, null = biology.families(), plant == "nothing"
    subclass, paired, copies = [], [], []
    columns = (elements[name].tolist() for name in ("start", "end", "strand", "class", "near", "active"))
    for start, end, strand, element_class, near, active in zip(*columns, strict=True):
        place = sequence[start:end] if strand == "+" else 3 - sequence[start:end][::-1]
        name, copy, pairs = SUBCLASSES.get(element_class, ""), NOT_A_COPY, NOT_PAIRED
        model = np.full(len(place), ANY_BASE, np.uint8)
        if element_class == "TE":
            family = families[rng.integers(len(families))]
            name = family.name
            place, model, copy = te_copy(family, len(place), rng)
        elif not null:
            place, (first, last) = _write_words_and_pairs(place, model, active, biology.pairing_of(near, plant), rng)
            pairs = (start + first, start + last) if strand == "+" else (end - last, end - first)
        sequence[start:end] = place if strand == "+" else reverse_complement_codes(place)
        template[start:end] = model if strand == "+" else biology.reverse_complement_bits(model)
        subclass.append(name)
        paired.append(pairs)
        copies.append(copy)
    elements["subclass"] = subclass
    elements["strict"] = elements["near"] & (elements["class"] != "TE") & (not null)
    elements[["paired_start", "paired_end"]] = paired
    elements[["divergence", "consensus_start", "consensus_end"]] = copies
    return elements.astype({"consensus_start": int, "consensus_end": int})


def _write_words_and_pairs(
    place: np.ndarray, model: np.ndarray, active: bool, rule: biology.Pairing, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int]]:
    """Bases of an element on its own strand, whose background is `place`, and where in it they are paired.

    The words' allowed bases are written into `model`.
    """
    model[:WORDS_END] = word_tile(biology.lexicon(active), WORDS_END, rng)
    is_kept = (model != ANY_BASE) & (rng.random(len(place)) < rng.uniform(*biology.KEPT))
    bases, first, last = biology.draw_paired(len(place) - WORDS_END, rule, rng)
    place = np.where(is_kept, biology.draw_allowed(model, rng), np.r_[place[:WORDS_END], bases])
    return place, (WORDS_END + first, WORDS_END + last)


NOT_PAIRED = (-1, -1)
WORDS_END = biology.WORDS_PER_ELEMENT * PITCH
"""Bases at the beginning of an element that hold its words."""
NOT_A_COPY = (float("nan"), -1, -1)
SUBCLASSES = {
    "cCRE": "sim_enhancer",
    "other": "sim_unclassified",
    "conserved": "conserved",
    "lncRNA_exon": "lncRNA",
}
"""Subclass of each class: the word of the annotation that declares it. A TE's is its family's name."""


def word_tile(words: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Words in cyclic order from a random one, `SPACER_LENGTH` apart, at a random place in `length` bases.

    Returns
    -------
    Bits of the allowed bases (`biology.IUPAC`), shape (length,): any base outside words.
    """
    n_words = (length + biology.SPACER_LENGTH) // PITCH
    spare = length - (n_words * PITCH - biology.SPACER_LENGTH)
    first = rng.integers(spare + 1)
    cells = np.full((n_words, PITCH), ANY_BASE, np.uint8)
    cells[:, :WORD_LENGTH] = words[(rng.integers(len(words)) + np.arange(n_words)) % len(words)]
    tile = np.full(length, ANY_BASE, np.uint8)
    tile[first : first + n_words * PITCH] = cells.ravel()[: length - first]
    return tile


def te_copy(
    family: biology.Family, length: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, tuple[float, int, int]]:
    """A diverged copy of a random fragment of a consensus, `length` bases long.

    Returns
    -------
    Base codes; the bit of the consensus's base at each of them (any base where bases were inserted); and (divergence,
    start and end of the fragment in the consensus).
    """
    spread = biology.DIVERGENCE_SPREAD
    divergence = family.divergence * rng.uniform(1 - spread, 1 + spread)
    indel = rng.random(length) < divergence * biology.INDELS_PER_SUBSTITUTION
    inserted = indel & (rng.random(length) < 0.5)
    advance = np.where(inserted, 0, 1 + np.where(indel, rng.integers(1, 4, length), 0))
    advance[0] = 0
    position = np.cumsum(advance)
    spare = len(family.consensus) - 1 - position[-1]
    # Many deletions in a long fragment could overrun the consensus; then it is read round, as a tandem would be.
    start = int(rng.integers(spare + 1)) if spare >= 0 else 0
    model = family.consensus[(start + position) % len(family.consensus)]
    substituted = rng.random(length) < divergence
    copy = np.where(substituted, (model + rng.integers(1, 4, length)) % 4, model)
    copy = np.where(inserted, rng.integers(0, 4, length), copy).astype(np.uint8)
    end = min(int(start + position[-1] + 1), len(family.consensus))
    return copy, np.where(inserted, ANY_BASE, 1 << model).astype(np.uint8), (divergence, start, end)


# Truth read back from the sequence


def find_words(sequence: np.ndarray, words: tuple[str, ...]) -> np.ndarray:
    """Starts of the occurrences of any of the IUPAC `words`, on either strand, sorted."""
    bits = np.left_shift(1, sequence).astype(np.uint8)
    starts = []
    for word in biology.encode_words(words):
        for allowed in (word, biology.reverse_complement_bits(word)):
            match = np.ones(len(sequence) - len(allowed) + 1, bool)
            for offset, letter in enumerate(allowed):
                match &= (bits[offset : offset + len(match)] & letter) > 0
            starts.append(np.flatnonzero(match))
    return np.sort(np.concatenate(starts))


def _measure_words(sequence: np.ndarray, elements: pd.DataFrame) -> pd.DataFrame:
    """Count the intact words of every element's own lexicon, as the finished sequence has them."""
    elements["words"] = np.where(elements["paired_start"] >= 0, biology.WORDS_PER_ELEMENT, 0)
    intact = np.where(
        elements["active"],
        _count_within(find_words(sequence, biology.words_of(True)), elements),
        _count_within(find_words(sequence, biology.words_of(False)), elements),
    )
    elements["intact"] = np.where(elements["class"] == "TE", 0, intact)
    elements["strength"] = np.where(elements["active"], elements["intact"] / biology.WORDS_OF_UNIT_STRENGTH, 0.0)
    return elements


def _count_within(starts: np.ndarray, elements: pd.DataFrame) -> np.ndarray:
    first = np.searchsorted(starts, elements["start"])
    return np.searchsorted(starts, elements["end"] - WORD_LENGTH, side="right") - first


# Signals


def decay(distance: np.ndarray) -> np.ndarray:
    """Weight at the TSS of a cCRE at `distance` bases: 1 at the TSS, 0 at the horizon and beyond."""
    return np.clip(1 - (np.abs(distance) / HORIZON) ** 2, 0, 1)


def _express(
    loci: pd.DataFrame, elements: pd.DataFrame, rng: np.random.Generator, null: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Expected CAGE of each gene, and each element's part in it."""
    elements["weight"] = 0.0 if null else decay(elements["distance"].to_numpy()) * elements["active"]
    part = elements["strength"] * elements["weight"]
    elements["effect"] = 0.0 - biology.CAGE_GAIN * part / np.log(2)
    loci["activation"] = part.groupby(elements["locus"]).sum().reindex(loci["locus"]).to_numpy()
    lowest, highest = biology.CAGE_NULL_RANGE
    random_level = np.exp(rng.uniform(np.log(lowest), np.log(highest), len(loci)))
    planted_level = biology.CAGE_BASE * np.exp(biology.CAGE_GAIN * loci["activation"])
    loci["level"] = random_level if null else planted_level
    return loci, elements


def _cage_track(length: int, loci: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    steps = -(-length // biology.SIGNAL_STEP)
    middle = (np.arange(steps) + 0.5) * biology.SIGNAL_STEP
    expected = np.full(steps, biology.CAGE_BACKGROUND)
    for tss, level in zip(loci["tss"].tolist(), loci["level"].tolist(), strict=True):
        profile = np.exp(-0.5 * ((middle - tss) / biology.CAGE_SD) ** 2)
        expected += level * profile / profile.sum()
    return _per_base(rng.poisson(expected), length)


def _dnase_track(sequence: np.ndarray, elements: pd.DataFrame, rng: np.random.Generator, plant: str) -> np.ndarray:
    """DNase counts about every intact activator word of active cCREs; where nothing is planted, about random places."""
    steps = -(-len(sequence) // biology.SIGNAL_STEP)
    if plant == "nothing":
        open_elements = elements[rng.random(len(elements)) < 0.2]
        spread = rng.random((len(open_elements), biology.WORDS_OF_UNIT_STRENGTH))
        length = (open_elements["end"] - open_elements["start"]).to_numpy()
        middles = (open_elements["start"].to_numpy()[:, None] + spread * length[:, None]).ravel()
    else:
        starts = find_words(sequence, biology.words_of(True))
        ccres = elements[elements["active"]]
        owner = np.searchsorted(ccres["start"], starts, side="right") - 1
        inside = (owner >= 0) & (starts + WORD_LENGTH <= ccres["end"].to_numpy()[np.maximum(owner, 0)])
        middles = starts[inside] + WORD_LENGTH / 2
    impulses = np.bincount((middles // biology.SIGNAL_STEP).astype(int), minlength=steps).astype(float)
    reach = int(4 * biology.DNASE_SD // biology.SIGNAL_STEP)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * biology.SIGNAL_STEP / biology.DNASE_SD) ** 2)
    expected = np.convolve(impulses, kernel / kernel.sum(), mode="same") * biology.DNASE_PER_WORD
    return _per_base(rng.poisson(expected + biology.DNASE_BACKGROUND), len(sequence))


def _per_base(counts: np.ndarray, length: int) -> np.ndarray:
    return np.repeat(counts / biology.SIGNAL_STEP, biology.SIGNAL_STEP)[:length].astype(np.float32)
