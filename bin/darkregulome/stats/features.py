"""Features of sequence, standardised, and as the columns that a regression takes. Distance to the TSS is never one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import SplineTransformer

from darkregulome.stats.loci import Floats


@dataclass(frozen=True)
class FeatureMatrix:
    """Standardised features.

    Attributes
    ----------
    names : features kept.
    values : shape (n, len(names)), mean 0 and SD 1.
    imputed : number of missing values replaced by the median, by feature.
    dropped : features left out, with the reason.
    """

    names: tuple[str, ...]
    values: Floats
    imputed: dict[str, int]
    dropped: dict[str, str]


def standardise_features(columns: Mapping[str, NDArray | None]) -> FeatureMatrix:
    """Standardise feature columns (each of shape (n,), or None where there is none).

    Missing values take the feature's median, and are counted. A feature that is missing or constant is left out.
    """
    kept: dict[str, Floats] = {}
    imputed: dict[str, int] = {}
    dropped: dict[str, str] = {}
    size = max((len(column) for column in columns.values() if column is not None), default=0)
    for name, column in columns.items():
        values = None if column is None else np.asarray(column, dtype=float)
        if values is None or not np.isfinite(values).any():
            dropped[name] = "no values"
            continue
        missing = ~np.isfinite(values)
        if missing.any():
            values = np.where(missing, np.median(values[~missing]), values)
            imputed[name] = int(missing.sum())
        sd = values.std()
        if sd <= 1e-12 * max(1.0, float(np.abs(values).max())):
            dropped[name] = "constant"
            continue
        kept[name] = (values - values.mean()) / sd
    matrix = np.column_stack(list(kept.values())) if kept else np.zeros((size, 0))
    return FeatureMatrix(tuple(kept), matrix, imputed, dropped)


def expand(values: Floats, basis: str) -> Floats:
    """The columns that a regression uses: the features as they are (``"linear"``), or cubic ``"splines"`` of each.

    Knots are at the quartiles; a feature of few values stays as it is.
    """
    if basis == "linear" or not values.shape[1]:
        return values
    if basis == "splines":
        return np.hstack([_splines(column) for column in values.T])
    raise ValueError(f"unknown basis {basis!r}")


def _splines(column: Floats) -> Floats:
    knots = np.unique(np.quantile(column, np.linspace(0, 1, 5)))
    if len(knots) < 4:
        return column[:, None]
    transformer = SplineTransformer(degree=3, knots=knots[:, None], include_bias=False)
    return np.asarray(transformer.fit_transform(column[:, None]), dtype=np.float64)
