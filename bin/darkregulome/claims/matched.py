"""Elements against others like them: what the claims about sets of elements share."""

from typing import Any

import numpy as np

from darkregulome.diagnosis.prepared import Prepared
from darkregulome.stats.loci import Bools
from darkregulome.stats.matching import Matches, match_controls, standardised_mean_differences

MATCHED_ON = ("log_length", "gc", "log_distance", "predictability")


def match_elements(one: Prepared, chosen: Bools) -> tuple[Matches, list[dict[str, Any]]]:
    """Controls of the chosen elements (same class, nearest in `MATCHED_ON`), and the balance before and after."""
    names = one.scores.features.names
    features = {name: one.scores.features.values[:, names.index(name)] for name in MATCHED_ON if name in names}
    if one.scores.knows_distance:
        logs = np.log1p(one.scores.distance)
        features["log_distance"] = (logs - logs.mean()) / (logs.std() or 1.0)
    covariates = np.column_stack(list(features.values()))
    matches = match_controls(chosen, one.scores.classes, one.scores.loci.codes, covariates)
    if not len(matches.chosen):
        return matches, []
    before = standardised_mean_differences(covariates, np.flatnonzero(chosen), np.flatnonzero(~chosen))
    after = standardised_mean_differences(covariates, matches.chosen, matches.pools)
    balance = [
        {"covariate": name, "before": float(first), "after": float(second)}
        for name, first, second in zip(features, before, after, strict=True)
    ]
    return matches, balance
