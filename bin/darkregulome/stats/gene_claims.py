"""Claims about genes: whether linked ones score alike, and whether the two of a pair both score high.

Here the gene is the unit: what is compared are levels of whole loci, which the claims within loci leave out.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkregulome.stats.bootstrap import normal_interval, percentile_interval
from darkregulome.stats.claims import REFERENCE_EFFECT, NotTestable, Tested
from darkregulome.stats.loci import Floats, Ints
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.verdict import power_of

MINIMUM_LINKS = 5
"""With fewer links between the genes there is no network to speak of."""
REFERENCE_ASSORTATIVITY = 0.3
"""Power of the network claim is stated for this correlation of linked genes' scores."""


def assortativity(values: NDArray, edges: NDArray, weights: NDArray | None = None) -> Floats:
    """Correlation of the values at the two ends of a link (Newman 2003, Phys Rev E 67:026126, eq. 21).

    Parameters
    ----------
    values : shape (n, k), one column a set of values. edges : shape (m, 2).
    weights : shape (b, m), weights of the links in b resamples; None for one set of ones.

    Returns
    -------
    Shape (b, k); NaN where the values at the ends of links do not vary.
    """
    values, weights = np.asarray(values, dtype=float), np.ones((1, len(edges))) if weights is None else weights
    one, two = values[edges[:, 0]], values[edges[:, 1]]
    total = weights.sum(axis=1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        product, mean = weights @ (one * two) / total, weights @ (one + two) / (2 * total)
        variance = weights @ (one**2 + two**2) / (2 * total) - mean**2
        return np.where(variance > 1e-12, (product - mean**2) / variance, np.nan)


def network_draws(values: NDArray, networks: Iterable[Ints], top: NDArray) -> tuple[Floats, Floats]:
    """Assortativity, and links among the top genes, in each drawn network: both of shape (draws, k).

    Parameters
    ----------
    values : shape (n, k). networks : edges of shape (m, 2) each, degrees as in the observed one. top : shape (n, k).
    """
    alike, among = [], []
    for edges in networks:
        alike.append(assortativity(values, edges)[0])
        among.append((top[edges[:, 0]] & top[edges[:, 1]]).sum(axis=0))
    return np.array(alike), np.array(among, dtype=float)


def linked_genes(
    values: Floats, edges: Ints, draws: Floats, among: Floats, top: NDArray, resamples: Ints, alpha: float
) -> Tested:
    """Do linked genes score alike, beyond what networks of the same degrees give?

    Parameters
    ----------
    values : shape (n,), one score a gene. edges : shape (m, 2).
    draws, among : shape (draws,), of `network_draws`. top : shape (n,), the highest-scoring genes.
    resamples : shape (b, n), bootstrap over genes: a link counts as often as both its genes do.
    """
    estimate = float(assortativity(values[:, None], edges)[0, 0])
    if not np.isfinite(estimate):
        raise NotTestable("the linked genes' scores do not vary")
    weights = (resamples[:, edges[:, 0]] * resamples[:, edges[:, 1]]).astype(float)
    drawn = assortativity(values[:, None], edges, weights)[:, 0]
    sd, centre = float(draws.std()), float(draws.mean())
    links = float((top[edges[:, 0]] & top[edges[:, 1]]).sum())
    return Tested(
        statistic=estimate,
        p=empirical_p(estimate, draws, centre),
        # Degrees alone make ends of links alike or unlike: the effect is what is beyond that.
        effect=estimate - centre,
        interval=percentile_interval(drawn - centre),
        neutral=0.0,
        sign=float(np.sign(estimate - centre)),
        power=power_of(REFERENCE_ASSORTATIVITY, sd, alpha) if 2 / (1 + len(draws)) <= alpha else 0.0,
        contrast=estimate - centre,
        draws=draws,
        details={
            "assortativity": estimate,
            "expected_by_degree": centre,
            "n_links": len(edges),
            "links_among_top": links,
            "links_among_top_expected": float(among.mean()),
            "links_among_top_p": empirical_p(links, among, two_sided=False),
        },
    )


def locus_means(values: Floats, codes: Ints, count: int) -> Floats:
    """Mean of each column of `values` (shape (n, k)) over the elements of each gene: shape (count, k)."""
    sizes = np.maximum(np.bincount(codes, minlength=count), 1)
    sums = np.column_stack([np.bincount(codes, weights=column, minlength=count) for column in values.T])
    return sums / sizes[:, None]


def gene_pair(first: int, second: int, means: Floats, draws: Floats, alpha: float) -> Tested:
    """Do the elements of both genes score high?

    The statistic is the mean of the two genes' mean scores. Two nulls, and the p-value is the larger of the two: the
    element-to-gene map permuted within strata, which knows distance and length; and every other pair of genes, which
    knows that genes differ in level for many reasons.

    Parameters
    ----------
    first, second : the genes. means : shape (genes,), in SD of the elements.
    draws : shape (draws, genes), the same under the permuted map.
    """
    effect = float(means[first] + means[second]) / 2
    permuted = (draws[:, first] + draws[:, second]) / 2
    a, b = np.triu_indices(len(means), 1)
    others = ~((a == min(first, second)) & (b == max(first, second)))
    pairs = ((means[a] + means[b]) / 2)[others]
    if len(pairs) == 0:
        raise NotTestable("there are no other pairs of genes to compare with")
    by_map = empirical_p(effect, permuted, float(permuted.mean()))
    by_pairs = empirical_p(effect, pairs, float(pairs.mean()))
    # The pairs have few draws, and those that share a gene are alike: their SD is taken as it is.
    wider = permuted if permuted.std() >= pairs.std() else pairs
    centre, sd = float(permuted.mean()), float(wider.std())
    attainable = 1 / (1 + len(pairs)) <= alpha
    details: dict[str, Any] = {"p_map": by_map, "p_pairs": by_pairs, "n_other_pairs": len(pairs)}
    return Tested(
        statistic=effect,
        p=max(by_map, by_pairs),
        effect=effect - centre,
        interval=normal_interval(effect - centre, sd),
        neutral=0.0,
        sign=float(np.sign(effect - centre)),
        power=power_of(REFERENCE_EFFECT, sd, alpha) if attainable else 0.0,
        contrast=effect - centre,
        draws=permuted if by_map >= by_pairs else pairs,
        details=details,
    )
