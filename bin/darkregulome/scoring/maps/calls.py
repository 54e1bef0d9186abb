"""Blocks and stems of dependency maps, called against a null.

A map is made symmetric, and each entry is compared with others of its distance and with what its row and column have
everywhere (`Scale.standardise`). A block is a patch most of whose entries are high: the median over 3 x 3 entries. A
stem is a run of high entries along an anti-diagonal, i + k with j - k: the smallest of each run of `MIN_STEM`. (Tomaz
da Silva et al. 2025 see motifs as blocks and helices as anti-diagonals; how they are called is our own.) The threshold
is the one that calls most while the null, in the mean, gives at most a share `fdr` of it. For stems that is their
number. Blocks have a least size besides: where small patches arise by chance, large ones do not (cluster extent, as in
maps of the brain: Nichols and Holmes 2002), and what is counted is their entries, as most patches are had where blocks
break into pieces. Two nulls:

- the map itself, its diagonals permuted (blocks) or rotated (stems): nothing more has to be run. It does not know that
  a model's neighbouring entries may resemble each other where nothing is.
- controls: maps of shuffled sequences by the same model, which do know.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy import ndimage

from darkregulome.scoring.settings import CallSettings
from darkregulome.stats.nulls import DiagonalNull

BLOCK = 3
"""Side of the patch whose median is taken."""

MIN_STEM = 3
"""Pairs of a stem at least."""

MIN_LOOP = 3
"""Bases between the two bases of a pair at least: no shorter hairpin closes."""

MIN_BLOCK, MIN_SIDE = 4, 3
"""Entries of a called block at least, and bases of each of its sides: less is the edge of something else."""

POOL = 200
"""Entries of like distance that a scale is taken from, at least."""

SMALLEST_SCALE = 0.02
"""log2 units: below this a difference between entries is no dependency, however quiet the map is."""

MOST_VALUES, MOST_CONTROLS = 2**14, 50
"""Entries of a map that thresholds are chosen from, and controls that a scale is taken from: more tell nothing new."""

THRESHOLDS, LEAST_DEVIATIONS = 60, 3.0
"""Thresholds tried, and the least one of blocks: what is nearer than that to the usual is part of no block."""

NEAR = 4
"""Bases within which two bases, or the sides of a block, lie in one motif."""

COMPLEMENTARY = frozenset(("AT", "TA", "CG", "GC", "GT", "TG"))


@dataclass(frozen=True)
class Block:
    """Two intervals (or one, where both are the same) whose bases depend on one another; along the strand read.

    Attributes
    ----------
    effect : mean dependency between them. score : largest value of the `block_field` in the patch.
    """

    first: tuple[int, int]
    second: tuple[int, int]
    effect: float
    score: float


@dataclass(frozen=True)
class Stem:
    """A run of paired bases: (i + k, j - k).

    Attributes
    ----------
    first, second : the two sides. effect : mean dependency of its pairs. score : their least value of the `stem_field`.
    complementary : share of the pairs that can pair, wobbles included; NaN where the bases are not known.
    """

    first: tuple[int, int]
    second: tuple[int, int]
    effect: float
    score: float
    complementary: float = float("nan")

    @property
    def pairs(self) -> list[tuple[int, int]]:
        return [(self.first[0] + k, self.second[1] - 1 - k) for k in range(self.first[1] - self.first[0])]


@dataclass(frozen=True)
class Patches:
    """Which patches are blocks: those of at least `entries` entries of the `block_field` of at least `threshold`."""

    threshold: float
    entries: int


@dataclass(frozen=True)
class Thresholds:
    """What is called; None where nothing keeps to the share of false calls.

    Attributes
    ----------
    stems : least entry of the `stem_field`.
    """

    blocks: Patches | None
    stems: float | None


@dataclass(frozen=True)
class Calls:
    """What one map holds.

    Attributes
    ----------
    motifs : blocks on the diagonal. blocks : pairs of intervals. stems : helices.
    """

    motifs: list[Block]
    blocks: list[Block]
    stems: list[Stem]
    thresholds: Thresholds


def symmetric(values: np.ndarray) -> np.ndarray:
    """Mean of e[i, j] and e[j, i], of the one that there is where the other is NaN; the diagonal is NaN."""
    stacked = np.stack([values, values.T]).astype(float)
    finite = np.isfinite(stacked)
    count = finite.sum(0)
    total = np.where(finite, stacked, 0).sum(0)
    means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    np.fill_diagonal(means, np.nan)
    return means


@dataclass(frozen=True)
class Scale:
    """What a map's entries are at each distance.

    Attributes
    ----------
    middle, spread : median and robust standard deviation by distance, (longest,); the last holds for all beyond.
    """

    middle: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, maps: Sequence[np.ndarray]) -> "Scale":
        """Of symmetric maps: at each distance over the entries of it and of as many like it as make `POOL`."""
        longest = max(len(values) for values in maps)
        diagonals = [
            np.concatenate([_known(np.diagonal(values, offset)) for values in maps if offset < len(values)])
            for offset in range(longest)
        ]
        middle, spread = np.zeros(longest), np.full(longest, SMALLEST_SCALE)
        for offset in range(1, longest):
            reach, pooled = 0, diagonals[offset]
            while len(pooled) < POOL and reach < longest:
                reach += 2
                pooled = np.concatenate(diagonals[max(1, offset - reach) : offset + reach + 1])
            if len(pooled):
                middle[offset] = np.median(pooled)
                spread[offset] = max(1.4826 * np.median(np.abs(pooled - middle[offset])), SMALLEST_SCALE)
        return cls(middle, spread)

    def standardise(self, values: np.ndarray) -> np.ndarray:
        """A symmetric map less the median of its distance, in deviations; 0 where there is no entry.

        Then less the medians of its row and of its column where these are above zero: a base that moves everything, or
        that everything moves, is no block.
        """
        row, column = np.indices(values.shape)
        distance = np.minimum(np.abs(row - column), len(self.middle) - 1)
        standardised = np.nan_to_num((values - self.middle[distance]) / self.spread[distance])
        usual = np.maximum(np.median(standardised, axis=0), 0)
        return np.where(np.isfinite(values), standardised - usual[:, None] - usual[None, :], 0)


def _known(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def block_field(standardised: np.ndarray) -> np.ndarray:
    """Median of the 3 x 3 entries around each."""
    return ndimage.median_filter(standardised, size=BLOCK, mode="constant", cval=0.0)


def stem_field(standardised: np.ndarray) -> np.ndarray:
    """The best run of `MIN_STEM` entries along the anti-diagonal that holds an entry: the smallest of that run.

    This is the grey opening with an anti-diagonal line. A block is full of such lines, so what most entries around have
    is taken off first. Pairs closer than a hairpin's loop are zero.
    """
    row, column = np.indices(standardised.shape)
    line_alone = standardised - np.maximum(block_field(standardised), 0)
    apart = np.where(np.abs(row - column) > MIN_LOOP, line_alone, -np.inf)
    line = np.fliplr(np.eye(MIN_STEM))
    opened = ndimage.grey_opening(apart, footprint=line, mode="constant", cval=-np.inf)
    return np.where(np.isfinite(opened), opened, 0.0)


def large_patches(field: np.ndarray, patches: Patches) -> np.ndarray:
    """Where such patches are in the upper triangle; bool, (length, length)."""
    labels, count = ndimage.label(np.triu(field, 1) >= patches.threshold)
    return (np.bincount(labels.ravel(), minlength=count + 1) >= patches.entries)[labels] & (labels > 0)


def block_sizes(field: np.ndarray, threshold: float) -> np.ndarray:
    """Entries of each patch of at least `MIN_BLOCK` entries above the threshold, in the upper triangle."""
    labels, count = ndimage.label(np.triu(field, 1) >= threshold)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return sizes[sizes >= MIN_BLOCK]


def choose_patches(steps: Iterable[tuple[float, np.ndarray, np.ndarray]], share: float, fdr: float) -> Patches | None:
    """The patches with most entries of those that keep to the rate: of each least size, more than the null gives.

    Parameters
    ----------
    steps : threshold, sizes of the patches found, and of those of the null, falling; no more are taken than are needed.
    share : maps that were read, over those of the null.
    """
    best, most = None, 0
    for threshold, patch_sizes, chance in steps:
        if threshold < LEAST_DEVIATIONS or share * chance.sum() > patch_sizes.sum() > 0:
            break  # lower thresholds give ever more of the map to both
        for least in np.unique(patch_sizes).tolist():
            called = patch_sizes[patch_sizes >= least]
            if share * (chance >= least).sum() <= fdr * len(called):
                if called.sum() >= most:
                    best, most = Patches(threshold, int(least)), int(called.sum())
                break  # larger ones are fewer
    return best


def count_stems(field: np.ndarray, threshold: float) -> int:
    """Runs of at least `MIN_STEM` entries above the threshold: those whose outermost entry it is."""
    high = np.triu(field, 1) >= threshold
    begins = high.copy()
    begins[1:, :-1] &= ~high[:-1, 1:]
    return int(begins.sum())


Field = Callable[[np.ndarray], np.ndarray]
"""`block_field` or `stem_field`."""


def thresholds_of(fields: Iterable[np.ndarray]) -> np.ndarray:
    """Thresholds to try, rising: quantiles of the entries above zero, denser towards the largest."""
    values = np.concatenate([np.empty(0), *(_largest(field[np.triu(field, 1) > 0]) for field in fields)])
    if not len(values):
        return np.empty(0)
    return np.unique(np.quantile(values, 1 - np.geomspace(1, 0.5 / len(values), THRESHOLDS)))


def _largest(values: np.ndarray) -> np.ndarray:
    return values if len(values) <= MOST_VALUES else np.partition(values, -MOST_VALUES)[-MOST_VALUES:]


def choose_threshold(steps: Iterable[tuple[float, float, float]], fdr: float) -> float | None:
    """The lowest threshold with most calls, of those from the top down at which the null keeps to `fdr`.

    Parameters
    ----------
    steps : threshold, calls, and what the null gives in the mean, falling; no more are taken than are needed.
    """
    best, most = None, 0.0
    for threshold, calls, expected in steps:
        if calls and expected > fdr * calls:
            break  # lower thresholds let in more of both
        if calls and calls >= most:
            best, most = threshold, calls
    return best


@dataclass(frozen=True)
class Controls:
    """The null of shuffled sequences: the scale of their maps, and the thresholds for all maps of a model."""

    scale: Scale
    thresholds: Thresholds

    @classmethod
    def of(
        cls,
        maps: Callable[[], Iterable[np.ndarray]],
        controls: Callable[[], Iterable[np.ndarray]],
        settings: CallSettings,
    ) -> "Controls":
        """From maps as e[i, j] and those of shuffled sequences, each read again as often as it is asked for.

        What the controls give is brought to the size of the maps by the number of their entries.
        """
        scale = Scale.of([symmetric(values) for values in islice(controls(), MOST_CONTROLS)])

        def read(field: Field, values: np.ndarray) -> np.ndarray:
            return field(scale.standardise(symmetric(values)))

        tried = thresholds_of(read(block_field, values) for values in maps())[::-1].tolist()
        sizes: list[list[list[np.ndarray]]] = [[[] for _ in tried] for _ in range(2)]
        entries = [0, 0]
        for number, source in enumerate((maps, controls)):
            for values in source():
                field = read(block_field, values)
                for threshold, so_far in zip(tried, sizes[number], strict=True):
                    so_far.append(block_sizes(field, threshold))
                entries[number] += int(np.isfinite(values).sum())
        share = entries[0] / max(entries[1], 1)
        joined = ((np.concatenate(here), np.concatenate(there)) for here, there in zip(*sizes, strict=True))
        patches = choose_patches(((t, *both) for t, both in zip(tried, joined, strict=True)), share, settings.fdr)

        tried = thresholds_of(read(stem_field, values) for values in maps())[::-1].tolist()
        counts = np.zeros((2, len(tried)))
        for number, source in enumerate((maps, controls)):
            for values in source():
                field = read(stem_field, values)
                counts[number] += [count_stems(field, threshold) for threshold in tried]
        stems = choose_threshold(zip(tried, counts[0], share * counts[1], strict=True), settings.fdr)
        return cls(scale, Thresholds(patches, stems))


def call_map(values: np.ndarray, settings: CallSettings, bases: str = "", controls: Controls | None = None) -> Calls:
    """Blocks and stems of one map, against `controls` or against the map's own permuted diagonals.

    Parameters
    ----------
    values : e[i, j], (length, length), NaN where there is none.
    bases : the sequence as it was read, for `Stem.complementary`.
    """
    even = symmetric(values)
    if controls is not None:
        observed = controls.scale.standardise(even)
        thresholds = controls.thresholds
    else:
        observed = Scale.of([even]).standardise(even)
        thresholds = _own_thresholds(np.where(np.isfinite(even), observed, np.nan), settings)
    motifs: list[Block] = []
    pairs: list[Block] = []
    helices: list[Stem] = []
    if thresholds.blocks is not None:
        field = block_field(observed)
        high = large_patches(field, thresholds.blocks)
        motifs, pairs = _blocks(field, even, high, settings)
    if thresholds.stems is not None:
        helices = _stems(stem_field(observed), even, thresholds.stems, settings, bases)
    return Calls(motifs, pairs, helices, thresholds)


def _own_thresholds(standardised: np.ndarray, settings: CallSettings) -> Thresholds:
    """Thresholds by the map itself with its diagonals torn."""
    rng = np.random.default_rng(settings.seed)
    null = DiagonalNull(standardised)
    observed = np.nan_to_num(standardised)

    def torn(field: Field, draw: Callable[[np.random.Generator], np.ndarray]) -> list[np.ndarray]:
        return [field(np.nan_to_num(draw(rng))).astype(np.float32) for _ in range(settings.permutations)]

    # Rotated diagonals keep the runs of a strong block, which then meet by chance: they would hide the blocks.
    read, nulls = block_field(observed), torn(block_field, null.permute)
    sizes = (
        (threshold, block_sizes(read, threshold), np.concatenate([block_sizes(drawn, threshold) for drawn in nulls]))
        for threshold in thresholds_of([read])[::-1].tolist()
    )
    patches = choose_patches(sizes, 1 / len(nulls), settings.fdr)
    read, nulls = stem_field(observed), torn(stem_field, null.rotate)
    counts = (
        (threshold, count_stems(read, threshold), float(np.mean([count_stems(drawn, threshold) for drawn in nulls])))
        for threshold in thresholds_of([read])[::-1].tolist()
    )
    return Thresholds(patches, choose_threshold(counts, settings.fdr))


def _blocks(
    field: np.ndarray, even: np.ndarray, high: np.ndarray, settings: CallSettings
) -> tuple[list[Block], list[Block]]:
    """Motifs (patches along the diagonal, merged where they touch) and pairs of intervals, of what is `high`."""
    row, column = np.indices(field.shape)
    close = high & (column - row <= NEAR)
    motifs = []
    labels, count = ndimage.label(_bases_of(close))
    for number in range(1, count + 1):
        places = np.flatnonzero(labels == number)
        span = (int(places[0]), int(places[-1]) + 1)
        patch = field[slice(*span), slice(*span)]
        motifs.append(Block(span, span, _mean(even[slice(*span), slice(*span)]), float(patch.max())))
    pairs = []
    labels = _to_half_height(field, high & ~close)
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        if place is None:
            continue
        rows, columns = place
        inside = labels[rows, columns] == number
        narrow = min(rows.stop - rows.start, columns.stop - columns.start) < MIN_SIDE
        if narrow or inside.sum() < MIN_BLOCK or rows.stop > columns.start:
            continue
        if columns.start - rows.stop <= NEAR:
            continue  # of one motif
        if any(_share(motif.first, rows) > 0.5 and _share(motif.first, columns) > 0.5 for motif in motifs):
            continue  # the far corner of a motif's own triangle
        first, second = (rows.start, rows.stop), (columns.start, columns.stop)
        pairs.append(Block(first, second, _mean(even[rows, columns]), float(field[rows, columns][inside].max())))
    return [block for block in motifs if block.effect >= settings.min_effect], [
        block for block in pairs if block.effect >= settings.min_effect
    ]


def _to_half_height(field: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Of each patch what hangs together with its highest entry at half its height; as labels.

    How far a patch is significant grows with the quality of the map. One of a patch: it was one that the null judged.
    """
    labels, count = ndimage.label(high)
    numbers = range(1, count + 1)
    heights = np.concatenate([[np.inf], ndimage.maximum(field, labels, numbers)])
    pieces, _ = ndimage.label(field >= heights[labels] / 2)
    peaks = [pieces[place] for place in ndimage.maximum_position(field, labels, numbers)]
    return np.where(np.isin(pieces, peaks), pieces, 0)


def _share(span: tuple[int, int], side: slice) -> float:
    """Which part of a side lies in a span."""
    return max(0, min(span[1], side.stop) - max(span[0], side.start)) / (side.stop - side.start)


def _bases_of(high: np.ndarray) -> np.ndarray:
    """Which bases lie between two bases that depend on each other, (length,)."""
    marks = np.zeros(len(high) + 1, dtype=int)
    rows, columns = np.nonzero(high)
    np.add.at(marks, rows, 1)
    np.add.at(marks, columns + 1, -1)
    return marks.cumsum()[:-1] > 0


def _stems(field: np.ndarray, even: np.ndarray, threshold: float, settings: CallSettings, bases: str) -> list[Stem]:
    """Runs above the threshold, the strongest first; a base that has a partner takes no second one."""
    high = (field >= threshold) & (np.triu(np.ones_like(field), 1) > 0)
    runs: list[list[tuple[int, int]]] = []
    for i, j in zip(*np.nonzero(high), strict=True):
        if i > 0 and j + 1 < len(field) and high[i - 1, j + 1]:
            continue
        run = [(int(i), int(j))]
        while run[-1][0] + 1 < run[-1][1] - 1 and high[run[-1][0] + 1, run[-1][1] - 1]:
            run.append((run[-1][0] + 1, run[-1][1] - 1))
        runs.append(run)
    taken: set[int] = set()
    stems: list[Stem] = []
    for run in sorted(runs, key=lambda pairs: -sum(field[pair] for pair in pairs)):
        free = _longest_free(run, taken)
        effect = _mean(np.array([even[pair] for pair in free]))
        if len(free) < MIN_STEM or not effect >= settings.min_effect:
            continue
        taken.update(base for pair in free for base in pair)
        (i, j), (last_i, last_j) = free[0], free[-1]
        fits = [bases[a] + bases[b] in COMPLEMENTARY for a, b in free] if bases else []
        share = float(np.mean(fits)) if fits else float("nan")
        score = float(min(field[pair] for pair in free))
        stems.append(Stem((i, last_i + 1), (last_j, j + 1), effect, score, share))
    return sorted(stems, key=lambda stem: stem.first)


def _longest_free(run: list[tuple[int, int]], taken: set[int]) -> list[tuple[int, int]]:
    best: list[tuple[int, int]] = []
    current: list[tuple[int, int]] = []
    for pair in run:
        current = [] if taken & {*pair} else [*current, pair]
        best = max(best, current, key=len)
    return best


def _mean(values: np.ndarray) -> float:
    values = _known(values)
    return float(values.mean()) if len(values) else float("nan")
