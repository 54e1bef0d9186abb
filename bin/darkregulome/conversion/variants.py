"""Scores of variants: gpn's parquet, or any table with chrom, pos, ref, alt and a score.

``pos`` is 1-based, as in VCF. gpn writes one column, ``score``, in the order of the variants that it was given; these
are then named too. A gpn score is the masked log-likelihood ratio of alternative to reference; where a site has all
three alternatives, the log-likelihood of its reference base follows: ``-log(1 + sum(exp(llr)))``. That is
predictability.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from darkregulome.conversion.scored import SiteScores
from darkregulome.conversion.settings import ScoreFormat
from darkregulome.errors import InputError, listed
from darkregulome.genome.alleles import is_substitution
from darkregulome.io.tables import read_table

_KEYS = ("chrom", "pos", "ref", "alt")


def read_variant_scores(path: Path, form: ScoreFormat, log_ratios: bool) -> SiteScores:
    """Effects of single variants; only substitutions of one base are taken.

    Parameters
    ----------
    form : its `variants` are a table of the variants, where `path` holds scores alone, row by row.
    log_ratios : the scores are log-likelihood ratios (natural log), so predictability can be worked out.
    """
    variants, score_column = form.variants, form.score_column
    table = read_table(path).rename(columns=lambda name: str(name))
    column = score_column or next((name for name in ("score", "llr", "0") if name in table.columns), None)
    if column is None or column not in table.columns:
        raise InputError.at(path, f"has no column {score_column or 'score'!r}", "name the score by --score-column")
    scores = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)
    if not set(_KEYS) <= set(table.columns):
        if variants is None:
            raise InputError.at(path, "holds scores without their variants", "give the variants by --variants")
        table = read_table(variants)
        if lacking := [name for name in _KEYS if name not in table.columns]:
            raise InputError.at(variants, f"lacks {', '.join(lacking)}", "give chrom, pos (1-based), ref and alt")
        if len(table) != len(scores):
            raise InputError.at(
                variants, f"has {len(table)} variants, where {path} has {len(scores)} scores", "give its own variants"
            )
    return site_scores(table.assign(score=scores), path, log_ratios)


def site_scores(table: pd.DataFrame, where: object, log_ratios: bool) -> SiteScores:
    """Sites from chrom, pos (1-based), ref, alt, score."""
    table = table.assign(**{name: table[name].astype(str).str.upper() for name in ("ref", "alt")})
    single = np.array([is_substitution(*pair) for pair in zip(table["ref"], table["alt"], strict=True)], dtype=bool)
    notes = []
    if others := list((table["ref"] + ">" + table["alt"])[~single]):
        notes.append(
            f"{where}: {len(others)} variants are no substitution of one base and left out ({listed(others)})."
        )
    table = table[single & np.isfinite(table["score"])].drop_duplicates(list(_KEYS))
    if table.empty:
        raise InputError.at(where, "has no scored substitution of one base", "give single-base substitutions")
    sites = pd.DataFrame(
        {
            "chrom": table["chrom"].astype(str).to_numpy(),
            "position": table["pos"].to_numpy(dtype=np.int64) - 1,
            "effect": table["score"].abs().to_numpy(),
            "ratio": np.exp(table["score"].to_numpy(dtype=float)) if log_ratios else np.nan,
        }
    )
    if log_ratios:
        groups = sites.groupby(["chrom", "position"], sort=False)["ratio"]
        complete = (groups.transform("size") == 3) & (groups.cumcount() == 0)
        sites["loglik"] = np.where(complete, -np.log1p(groups.transform("sum")), np.nan)
        if not complete.any():
            sites = sites.drop(columns="loglik")
    return SiteScores(sites.drop(columns="ratio"), notes=notes)
