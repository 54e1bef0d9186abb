"""Checks of the scores against data that no model saw: eQTLs of the right gene, and conservation.

`genes.py` has the checks whose unit is the gene, `families.py` that of transposable elements; all run by `run_check`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bioframe
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darkregulome.diagnosis.diagnose import Prepared, Sides, prepare, testable, track_floor
from darkregulome.diagnosis.entries import ClaimResult, entries, power_warnings
from darkregulome.diagnosis.scores import ModelScores, join_scores
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.genome.bed import bed_intervals
from darkregulome.genome.contigs import bare_contig
from darkregulome.genome.genes import genes_of_loci
from darkregulome.io.records import rounded
from darkregulome.stats import claims
from darkregulome.stats.claims import NotTestable, Tested
from darkregulome.stats.loci import Bools, Floats
from darkregulome.stats.matching import Matches, match_controls, standardised_difference
from darkregulome.stats.randomness import generator
from darkregulome.stats.residual import normal_scores_by_locus, residualize

BLOCK_WIDTH = 20_000
"""Without a list of blocks, elements of one piece of this width are taken to be in linkage disequilibrium. Coarse: less
than the half-length of D' in Europeans (60 kb; Reich 2001, Nature 411:199), so that a locus has several blocks."""
MATCHED_ON = ("log_length", "gc", "log_distance", "predictability")


@dataclass(frozen=True)
class CrossCheck:
    """``cross_check_<name>.json``; one row an element with what the check knows of it; profiles for the figure."""

    record: dict[str, Any]
    elements: pd.DataFrame
    profiles: pd.DataFrame


# -- eQTLs -----------------------------------------------------------------------------------------------------------


def elements_with_eqtl(elements: pd.DataFrame, loci: pd.DataFrame, eqtls: pd.DataFrame) -> tuple[pd.Series, bool]:
    """Whether each element holds an eQTL of its own locus's gene (shape of `elements`), and whether genes were known.

    Where the eQTLs or the loci name no genes at all, position alone decides, and the second value is False.
    """
    own: dict[str, set[str]] = {}
    for locus, key in genes_of_loci(loci):
        own.setdefault(locus, set()).add(key)
    gene_matched = bool(eqtls["gene"].notna().any()) and bool(own)
    places = elements[["chrom", "start", "end"]].assign(row=np.arange(len(elements)))
    places["chrom"] = places["chrom"].map(bare_contig)
    variants = eqtls.assign(chrom=eqtls["chrom"].map(bare_contig))
    hits = bioframe.overlap(places, variants, how="inner", suffixes=("", "_eqtl"))
    if gene_matched:
        owner = elements["locus"].astype(str).to_numpy()[hits["row"].to_numpy(dtype=int)]
        right = [gene in own.get(locus, ()) for locus, gene in zip(owner, hits["gene_eqtl"], strict=True)]
        hits = hits[np.array(right, dtype=bool)] if len(hits) else hits
    found = np.zeros(len(elements), dtype=bool)
    found[hits["row"].to_numpy(dtype=int)] = True
    return pd.Series(found, index=elements.index), gene_matched


def block_of_elements(elements: pd.DataFrame, blocks: pd.DataFrame | None) -> pd.Series:
    """The block of linkage disequilibrium of each element, by element.

    Parameters
    ----------
    blocks : chrom, start, end; an element belongs to the block that holds its middle, and to one of its own where no
        block does. None: blocks of `BLOCK_WIDTH` bases.
    """
    middle = (elements["start"].to_numpy() + elements["end"].to_numpy()) // 2
    chrom = elements["chrom"].map(bare_contig).to_numpy(dtype=object)
    if blocks is None:
        names = [f"{name}:{place // BLOCK_WIDTH}" for name, place in zip(chrom, middle, strict=True)]
        return pd.Series(names, index=elements["element"].to_numpy())
    names = [f"outside:{at}" for at in range(len(elements))]
    for name, rows in blocks.assign(chrom=blocks["chrom"].map(bare_contig)).groupby("chrom"):
        rows = rows.sort_values("start")
        here = np.flatnonzero(chrom == name)
        at = np.searchsorted(rows["start"].to_numpy(), middle[here], side="right") - 1
        inside = (at >= 0) & (middle[here] < rows["end"].to_numpy()[np.maximum(at, 0)])
        for row, block in zip(here[inside], at[inside], strict=True):
            names[row] = f"{name}:{rows['start'].iloc[block]}"
    return pd.Series(names, index=elements["element"].to_numpy())


def read_blocks(path: Path) -> pd.DataFrame:
    """Blocks of linkage disequilibrium: chrom, start, end of a BED (a header line is skipped)."""
    return pd.DataFrame([row[1:4] for row in bed_intervals(path, header=True)], columns=["chrom", "start", "end"])


def check_eqtl(
    elements: pd.DataFrame,
    ris: pd.DataFrame,
    loci: pd.DataFrame,
    eqtls: pd.DataFrame,
    settings: Settings,
    notes: Sequence[str] = (),
    blocks: pd.DataFrame | None = None,
) -> CrossCheck:
    """Do elements that hold an eQTL of their own gene score higher than matched elements of the same class?

    Variants in linkage disequilibrium are not independent: the bootstrap draws whole blocks, and beside matched draws
    and rotation the differences of whole blocks must be more than chance (random signs).
    """
    found, gene_matched = elements_with_eqtl(elements, loci, eqtls)
    holds = pd.Series(found.to_numpy(), index=elements["element"])
    said = list(notes)
    if not gene_matched:
        said.append(
            "WARNING: the eQTLs or the loci name no gene; position alone was used: other genes' eQTLs count too."
        )
    balances: dict[str, Any] = {}
    block_of = block_of_elements(elements, blocks)

    def test(one: Prepared) -> tuple[Tested, Tested, dict[str, Any]]:
        chosen = one.scores.table["element"].map(holds).to_numpy(dtype=bool)
        blocks_of = one.scores.table["element"].map(block_of).to_numpy()
        sides, details, balances[one.scores.name] = eqtl_sides(one, chosen, blocks_of, settings)
        return sides.raw, sides.residual, details | {"gene_matched": gene_matched}

    prepared, skipped = prepared_models(elements, ris, settings)
    null = "matched draws, rotation, and signs of blocks of linkage disequilibrium"
    record = run_check("eqtl", null, prepared, skipped, settings, test, floor=track_floor)
    record |= {"gene_matched": gene_matched, "balance": balances, "n_eqtls": len(eqtls), "notes": said}
    record["blocks"] = "given" if blocks is not None else f"fixed width, {BLOCK_WIDTH} bases"
    table = elements[["element", "locus", "chrom", "start", "end", "class", "distance"]].assign(
        eqtl=found.to_numpy(dtype=int)
    )
    return CrossCheck(rounded(record), table, pd.DataFrame())


def eqtl_sides(
    one: Prepared, chosen: Bools, blocks_of: NDArray, settings: Settings
) -> tuple[Sides, dict[str, Any], list[dict[str, Any]]]:
    """Chosen elements less matched controls, raw and residual; details; balance of the matching.

    Parameters
    ----------
    chosen : shape (n,), elements with an eQTL. blocks_of : shape (n,), block of linkage disequilibrium of each element.
    """
    matches, balance = match_elements(one, chosen)
    codes = np.unique(blocks_of[matches.chosen], return_inverse=True)[1]
    sides = Sides(
        *(
            claims.matched_contrast(
                values, matches, one.setting, generator(settings.seed, "matched", one.scores.name), codes
            )
            for values in (one.raw, one.residual)
        )
    )
    details = {
        "n_with_eqtl": int(chosen.sum()),
        "n_unmatched": matches.unmatched,
        "n_matched_in_own_locus": matches.same_locus,
        "n_blocks": int(codes.max(initial=-1) + 1),
    }
    return sides, details, balance


def match_elements(one: Prepared, chosen: np.ndarray) -> tuple[Matches, list[dict[str, Any]]]:
    """Controls of the chosen elements (same class, nearest in `MATCHED_ON`), and the balance before and after."""
    names = one.scores.features.names
    features = {name: one.scores.features.values[:, names.index(name)] for name in MATCHED_ON if name in names}
    logs = np.log1p(one.scores.distance)
    features["log_distance"] = (logs - logs.mean()) / (logs.std() or 1.0)
    covariates = np.column_stack(list(features.values()))
    matches = match_controls(chosen, one.scores.classes, one.scores.loci.codes, covariates)
    others = np.flatnonzero(~chosen)
    if not len(matches.chosen):
        return matches, []
    balance = [
        {
            "covariate": name,
            "before": standardised_difference(values, np.flatnonzero(chosen), others),
            "after": standardised_difference(values, matches.chosen, matches.pools.ravel()),
        }
        for name, values in features.items()
    ]
    return matches, balance


# -- conservation ----------------------------------------------------------------------------------------------------


def check_conservation(
    elements: pd.DataFrame, ris: pd.DataFrame, means: Floats, settings: Settings, notes: Sequence[str] = ()
) -> CrossCheck:
    """Are scores and conservation linked within loci, and beyond what predictability explains of both?"""
    table = elements[["element", "locus", "chrom", "start", "end", "class", "distance"]].assign(conservation=means)
    known = np.isfinite(means)
    if not known.any():
        raise InputError.at("conservation", "has no value in any element", "give a bigWig that covers the loci")
    values = pd.Series(means, index=elements["element"])
    profiles: list[pd.DataFrame] = []

    def test(one: Prepared) -> tuple[Tested, Tested, dict[str, Any]]:
        scores = one.scores
        conservation = np.asarray(scores.table["element"].map(values), dtype=np.float64)
        profiles.append(_conservation_profile(one, conservation))
        return *conservation_sides(one, conservation, settings), {}

    prepared, skipped = prepared_models(elements[known], ris, settings)
    record = run_check("conservation", settings.null, prepared, skipped, settings, test)
    record |= {"n_without_value": int((~known).sum()), "notes": list(notes)}
    joined = pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame()
    return CrossCheck(rounded(record), table, joined)


def conservation_sides(one: Prepared, conservation: Floats, settings: Settings) -> Sides:
    """Correlation of scores and `conservation` (shape (n,)) within loci: of ranks, and of what the features leave."""
    scores = one.scores
    raw = claims.rank_association(one.raw, scores.loci.center(conservation), one.setting)
    # Ranks first, then the features out of both, and no ranks again: what a residual misses of the features
    # (a bend) then meets what is left of the other's only where that misses the same. Ranked anew, the noise of
    # the other's slopes would meet it as well, and be taken for a link.
    ranks = (normal_scores_by_locus(values, scores.loci) for values in (scores.raw, conservation))
    parts = [
        residualize(values, scores.features.values, scores.loci, scores.folds, settings.residualize).residual
        for values in ranks
    ]
    return Sides(raw, claims.association(parts[0], parts[1], one.setting))


def _conservation_profile(one: Prepared, conservation: Floats, bins: int = 10) -> pd.DataFrame:
    """Mean score, raw and residual, by bins of conservation with equal numbers of elements."""
    edges = np.unique(np.quantile(conservation, np.linspace(0, 1, bins + 1)))
    bin_of = np.clip(np.searchsorted(edges, conservation, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = []
    for side, values in (("raw", one.raw), ("residual", one.residual)):
        for place in np.unique(bin_of):
            inside = bin_of == place
            rows.append(
                {
                    "model": one.scores.name,
                    "scores": side,
                    "conservation": float(np.median(conservation[inside])),
                    "mean": float(values[inside].mean()),
                    "n": int(inside.sum()),
                }
            )
    return pd.DataFrame(rows)


# -- all -------------------------------------------------------------------------------------------------------------


Test = Callable[[Prepared], tuple[Tested, Tested, dict[str, Any]]]
"""What a check asks of one model: raw, residual, details."""


def prepared_models(
    elements: pd.DataFrame, ris: pd.DataFrame, settings: Settings
) -> tuple[list[Prepared], list[dict[str, str]]]:
    """The models that can be tested, and the others with the reason."""
    models, skipped = testable(join_scores(elements, ris))
    return [prepare(model, settings) for model in models], skipped


def run_check(
    check: str,
    null: str,
    prepared: Sequence[Prepared],
    skipped: list[dict[str, str]],
    settings: Settings,
    test: Test | Mapping[str, Test],
    claim: str | None = None,
    floor: Callable[[ModelScores, Settings], float | None] | None = None,
) -> dict[str, Any]:
    """Test every model, once or once a subject, adjust the whole family, and give the record of the check.

    Parameters
    ----------
    test : one test, or tests by subject (a family, a pair); with subjects an entry's model is ``"model|subject"``.
    claim : name of the claim; the check's where there is none.
    floor : the floor in the readout's own units, where the claim is a difference of means.
    """
    name = claim or check
    skipped, results = list(skipped), []
    tests: Mapping[str, Test] = test if isinstance(test, Mapping) else {"": test}
    for one in prepared:
        for subject, asked in tests.items():
            model = f"{one.scores.name}|{subject}" if subject else one.scores.name
            try:
                raw, residual, details = asked(one)
            except NotTestable as error:
                skipped.append({"claim": name, "model": model, "reason": str(error)})
                continue
            natural = None if floor is None else floor(one.scores, settings)
            loci = one.scores.loci
            results.append(
                ClaimResult(name, model, raw, residual, loci.n, loci.count, null, one.residual_sd, natural, details)
            )
    written = entries(results, settings)
    return {
        "check": check,
        "parameters": settings.model_dump(),
        "claims": [entry.to_json() for entry in written],
        "warnings": power_warnings(written),
        "not_tested": skipped,
    }
