"""The numbers behind logos, base by base.

Predicted distributions (language models)
    Of a masked model p(A, C, G, T) at the base while it alone is masked; of a causal model given what stands before
    it. Both strands are averaged as log-probabilities and normalised again, as in the score `llr`. Information is
    2 - H bits (Schneider and Stephens 1990, without the correction for small samples: a model's distribution is no
    count).
ISM (all models)
    Effects of the three substitutions, as `score_variants.py` gives them: `llr` of masked models, `loglik` of causal
    ones, `track` of output models.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from darkregulome.edits.batches import Batches
from darkregulome.edits.edit import clean
from darkregulome.edits.forwards import Forward, as_numbers, run_forwards
from darkregulome.errors import InputError
from darkregulome.genome.alleles import CheckedAllele
from darkregulome.genome.bases import BASES
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models.protocol import LanguageModel, OutputModel
from darkregulome.scoring.embeddings.windows import LabelledWindow, read_windows
from darkregulome.scoring.variants.score import Scorer, records_at_a_time
from darkregulome.scoring.variants.settings import Settled

LONGEST = 500
"""Longest region, in bases: longer ones cannot be read as letters."""
INFORMATION = 2.0
"""Bits of a base that is certain."""


@dataclass(frozen=True)
class Logo:
    """A region base by base.

    Attributes
    ----------
    sequence : the reference.
    probabilities : shape (length, 4), in the order A, C, G, T; NaN for output models, and at N.
    effects : of the substitution by each base, shape (length, 4); 0 for the reference base; NaN where there is none.
    """

    region: LabelledWindow
    sequence: str
    probabilities: NDArray[np.float64]
    effects: NDArray[np.float64]

    @property
    def information(self) -> NDArray[np.float64]:
        """Bits at each base, shape (length,)."""
        return information(self.probabilities)

    @property
    def importance(self) -> NDArray[np.float64]:
        """Mean effect of the other three bases with its sign turned, shape (length,): high where edits do harm."""
        finite = np.isfinite(self.effects).all(axis=1)
        return np.where(finite, -self.effects.sum(axis=1) / 3, np.nan)

    def table(self) -> pd.DataFrame:
        """One row per base."""
        names = {f"p_{base}": self.probabilities[:, at] for at, base in enumerate(BASES)}
        effects = {f"effect_{base}": self.effects[:, at] for at, base in enumerate(BASES)}
        return pd.DataFrame(
            {
                "region": self.region.name,
                "chrom": self.region.chrom,
                "pos": np.arange(self.region.start, self.region.end),
                "ref": list(self.sequence),
                **names,
                "information": self.information,
                **effects,
                "importance": self.importance,
            }
        )


def information(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """2 - H of each distribution over the last axis, in bits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(probabilities > 0, probabilities * np.log2(probabilities), 0.0)
    return np.where(np.isnan(probabilities).any(axis=-1), np.nan, INFORMATION + terms.sum(axis=-1))


def read_logos(
    model: LanguageModel | OutputModel,
    scorer: Scorer,
    regions: list[LabelledWindow],
    reference: Reference,
    settings: Settled,
) -> Iterator[Logo]:
    """The logo of each region whose status is ok, one after the other.

    Parameters
    ----------
    scorer : gives the effects; its first score is taken.
    settings : of the scorer.
    """
    for region in regions:
        if region.status != "ok":
            continue
        sequence = reference.fetch(region.chrom, region.start, region.end)
        probabilities = np.full((len(sequence), 4), np.nan)
        if model.kind != "output":
            probabilities = predicted(
                cast(LanguageModel, model), region, reference, settings.window, settings.batch_size
            )
        yield Logo(region, sequence, probabilities, _effects(scorer, region, sequence, settings.window))


def read_regions(path: str | Path, reference: Reference) -> list[LabelledWindow]:
    """The regions of a BED or table, with a status where one is too long to be read as letters.

    Raises
    ------
    InputError : none of them can be drawn.
    """
    regions = [bounded(region) for region in read_windows(path, reference)]
    if not any(region.status == "ok" for region in regions):
        raise InputError.at(path, f"has no region to draw ({regions[0].reason})", "give shorter regions of the FASTA")
    return regions


def bounded(region: LabelledWindow) -> LabelledWindow:
    """The region, with a status where it is too long to be read."""
    if region.status == "ok" and region.end - region.start > LONGEST:
        return replace(region, status="too_long", reason=f"longer than {LONGEST} bases")
    return region


def predicted(
    model: LanguageModel, region: LabelledWindow, reference: Reference, size: int, batch_size: int | None = None
) -> NDArray[np.float64]:
    """p(A, C, G, T) at each base of a region, shape (length, 4); NaN where the reference is no A, C, G or T."""
    length, half = region.end - region.start, size // 2
    flank = clean(reference.fetch(region.chrom, region.start - half, region.end + half + 1))
    inside = np.flatnonzero([base in BASES for base in flank[half : half + length]])
    total = np.full((length, 4), np.nan)
    batches = Batches.of(model, batch_size, len(inside))
    windows = [flank[at : at + size] for at in inside.tolist()]
    # The base stands at `size // 2` of its window, and on the other strand as far from the other end.
    total[inside] = _at(model, windows, half, batches)
    if not model.equivariant:
        reverse = _at(model, [reverse_complement(window) for window in windows], size - 1 - half, batches)
        total[inside] = (total[inside] + reverse[:, ::-1]) / 2
    p = np.exp(total)
    return p / p.sum(axis=1, keepdims=True)


def _at(model: LanguageModel, windows: list[str], site: int, batches: Batches) -> NDArray[np.float64]:
    """Log-probabilities at one base of each window, masked there if the model is a masked one; (windows, 4)."""
    values = np.empty((len(windows), 4))

    def read(rows: NDArray[np.int64], _tokens: torch.Tensor, log_probs: torch.Tensor) -> None:
        values[rows] = as_numbers(log_probs[:, site])

    sites = (site,) if model.kind == "masked" else ()
    run_forwards(model, [Forward(window, sites) for window in windows], batches, read)
    return values


def _effects(scorer: Scorer, region: LabelledWindow, sequence: str, size: int) -> NDArray[np.float64]:
    """Effects of all SNVs of the region, shape (length, 4)."""
    effects = np.full((len(sequence), 4), np.nan)
    bases = [(at, base) for at, base in enumerate(sequence) if base in BASES]
    for first in range(0, len(bases), at_a_time := records_at_a_time(size)):
        snvs = [(at, base, alt) for at, base in bases[first : first + at_a_time] for alt in BASES]
        _, scores = scorer([_snv(region, *snv) for snv in snvs])
        for (at, _, alt), effect in zip(snvs, scores[scorer.names[0]], strict=True):
            effects[at, BASES.index(alt)] = effect
    return effects


def _snv(region: LabelledWindow, at: int, ref: str, alt: str) -> CheckedAllele:
    changed = ("", "") if ref == alt else (ref, alt)
    return CheckedAllele("ok", "", region.chrom, region.start + at, *changed)
