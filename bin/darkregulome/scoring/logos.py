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
from typing import cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from darkregulome.edits.batches import Batches
from darkregulome.edits.perturb import clean
from darkregulome.edits.readout import bases_per_batch
from darkregulome.genome.bases import BASES
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models.protocol import LanguageModel, OutputModel
from darkregulome.scoring.embeddings.windows import Window
from darkregulome.scoring.variants.place import Judge
from darkregulome.scoring.variants.records import parse_record
from darkregulome.scoring.variants.score import Scorer, score_records

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

    region: Window
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
        known = np.isfinite(self.effects).all(axis=1)
        found = np.full(len(self.effects), np.nan)
        found[known] = -self.effects[known].sum(axis=1) / 3
        return found

    def table(self) -> pd.DataFrame:
        """One row a base."""
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
    regions: list[Window],
    reference: Reference,
    *,
    size: int,
    batch_size: int | None = None,
) -> Iterator[Logo]:
    """The logo of each region whose status is ok, one after the other.

    Parameters
    ----------
    scorer : gives the effects; its first score is taken.
    size : bases that a language model sees.
    """
    for region in regions:
        if region.status != "ok":
            continue
        sequence = reference.fetch(region.chrom, region.start, region.end)
        probabilities = np.full((len(sequence), 4), np.nan)
        if model.kind != "output":
            probabilities = predicted(cast(LanguageModel, model), region, reference, size, batch_size)
        yield Logo(region, sequence, probabilities, _effects(scorer, region, sequence, reference, size))


def bounded(region: Window) -> Window:
    """The region, with a status where it is too long to be read."""
    if region.status == "ok" and region.end - region.start > LONGEST:
        return replace(region, status="too_long", reason=f"longer than {LONGEST} bases")
    return region


def predicted(
    model: LanguageModel, region: Window, reference: Reference, size: int, batch_size: int | None = None
) -> NDArray[np.float64]:
    """p(A, C, G, T) at each base of a region, shape (length, 4); NaN where the reference is no A, C, G or T."""
    length, half = region.end - region.start, size // 2
    flank = clean(reference.fetch(region.chrom, region.start - half, region.end + half + 1))
    inside = np.flatnonzero([base in BASES for base in flank[half : half + length]])
    total = np.full((length, 4), np.nan)
    batches = Batches(bases_per_batch(model), batch_size, len(inside))

    def run(rows: NDArray[np.int64]) -> None:
        windows = [flank[at : at + size] for at in rows.tolist()]
        # The base stands at `size // 2` of its window, and on the other strand as far from the other end.
        forward = _at(model, windows, half)
        if model.equivariant:
            total[rows] = forward
            return
        reverse = _at(model, [reverse_complement(window) for window in windows], size - 1 - half)
        total[rows] = (forward + reverse[:, ::-1]) / 2

    batches.run(inside, size, run)
    p = np.exp(total)
    return p / p.sum(axis=1, keepdims=True)


def _at(model: LanguageModel, windows: list[str], site: int) -> NDArray[np.float64]:
    tokens = model.encode(windows)
    if model.kind == "masked":
        tokens = model.mask(tokens, torch.full((len(windows),), site, device=tokens.device))
    return model.log_probs(tokens)[:, site].double().cpu().numpy()


def _effects(scorer: Scorer, region: Window, sequence: str, reference: Reference, size: int) -> NDArray[np.float64]:
    """Effects of all SNVs of the region, shape (length, 4)."""
    found = np.full((len(sequence), 4), np.nan)
    records = [
        parse_record(at, f"{region.chrom}\t{region.start + at + 1}\t.\t{base}\t{','.join(BASES.replace(base, ''))}")
        for at, base in enumerate(sequence)
        if base in BASES
    ]
    for scored in score_records(records, scorer, Judge(reference, 1), size):
        values = iter(scored.scores[scorer.names[0]])
        for alleles in scored.alleles:
            for allele in alleles:
                found[allele.record.number, BASES.index(allele.alt)] = next(values)
    for at, base in enumerate(sequence):
        if base in BASES:
            found[at, BASES.index(base)] = 0.0
    return found
