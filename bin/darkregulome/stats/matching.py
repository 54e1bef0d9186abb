"""Matched controls: elements like the chosen ones in everything but the choice, and contrasts of the two."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from darkregulome.stats.bootstrap import ratio, resample_loci
from darkregulome.stats.compiled import compiled
from darkregulome.stats.loci import Bools, Floats, Ints
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.nulls.network import next_state
from darkregulome.stats.tested import MINIMUM_GROUP, MOST_SET_DRAWS, NotTestable, Setting, Tested
from darkregulome.stats.verdict import REFERENCE_EFFECT, power_of

LOCUS_PENALTY = 0.25
"""Squared SD added to the distance of a control of another locus: half a standard deviation."""
_EMPTY = -1


@dataclass(frozen=True)
class Matches:
    """Pools of controls.

    Attributes
    ----------
    chosen : shape (m,), indices of the chosen elements that have a pool.
    pools : shape (m, k), indices of their controls, nearest first.
    same_locus : number of chosen elements whose controls are all of their own locus.
    unmatched : number of chosen elements for which no control of their class exists.
    """

    chosen: Ints
    pools: Ints
    same_locus: int
    unmatched: int

    def weights(self, n: int) -> Floats:
        """Weights of the matched contrast, shape (n,): chosen less the mean of their controls; they sum to zero."""
        weights = np.zeros(n)
        np.add.at(weights, self.chosen, 1.0 / len(self.chosen))
        np.add.at(weights, self.pools.ravel(), -1.0 / self.pools.size)
        return weights


def match_controls(chosen: Bools, classes: NDArray, loci: NDArray, covariates: Floats, pool_size: int = 5) -> Matches:
    """Pools of `pool_size` controls of the same class, nearest in the covariates.

    A control of another locus is taken only where it is nearer by more than `LOCUS_PENALTY`: a locus has few elements
    near its TSS, and controls of the same locus but far from the TSS would not be matched in distance.

    Parameters
    ----------
    chosen : shape (n,). classes, loci : shape (n,). covariates : shape (n, q), standardised.
    """
    members = np.flatnonzero(chosen)
    class_codes, locus_codes = (np.unique(labels, return_inverse=True)[1] for labels in (classes, loci))
    # The nearest with the penalty are among the nearest of all and the nearest of the own locus: whatever comes after
    # `pool_size` nearer ones of all comes after them with the penalty too, or is of the own locus.
    nearest = _nearest(covariates, class_codes, members, pool_size)
    own_codes = class_codes * (locus_codes.max(initial=0) + 1) + locus_codes
    nearest_of_own = _nearest(covariates, own_codes, members, pool_size)
    enough = nearest[:, -1] != _EMPTY
    members, candidates = members[enough], np.hstack([nearest, nearest_of_own])[enough]
    # An element that is in both lists counts once.
    candidates.sort(axis=1)
    void = (candidates == _EMPTY) | (np.diff(candidates, axis=1, prepend=-2) == 0)
    gap = ((covariates[candidates] - covariates[members][:, None, :]) ** 2).sum(axis=2)
    gap += LOCUS_PENALTY * (loci[candidates] != loci[members][:, None])
    best = np.argsort(np.where(void, np.inf, gap), axis=1, kind="stable")[:, :pool_size]
    pools = np.take_along_axis(candidates, best, axis=1)
    same = int((loci[pools] == loci[members][:, None]).all(axis=1).sum())
    return Matches(members, pools, same, int((~enough).sum()))


def matchable(strata: NDArray, chosen: Ints) -> Bools:
    """Whether each chosen element has any other element in its stratum that is not chosen: shape (m,)."""
    codes = np.unique(np.asarray(strata), return_inverse=True)[1]
    others = np.ones(len(codes), dtype=bool)
    others[chosen] = False
    return np.bincount(codes[others], minlength=codes.max(initial=0) + 1)[codes[chosen]] > 0


def nearest_pools(features: NDArray, strata: NDArray, chosen: Ints, pool_size: int) -> Ints:
    """The nearest elements of each chosen element's stratum, no chosen one among them.

    Parameters
    ----------
    features : shape (n, q), in any units: each column is divided by its SD; constant columns count for nothing.
    strata : shape (n,), labels that must be equal (class, or class and locus).
    chosen : shape (m,), indices.
    pool_size : most controls of one element.

    Returns
    -------
    Shape (m, pool_size), indices, nearest first; -1 where a stratum has no more.
    """
    features = np.asarray(features, dtype=float).reshape(len(strata), -1)
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
    codes = np.unique(np.asarray(strata), return_inverse=True)[1]
    return _nearest(scaled, codes, np.asarray(chosen, dtype=np.int64), pool_size)


def _nearest(covariates: Floats, codes: Ints, chosen: Ints, size: int) -> Ints:
    """The `size` elements of its code nearest to each chosen one, none of them chosen; -1 where there are fewer."""
    is_chosen = np.zeros(len(codes), dtype=bool)
    is_chosen[chosen] = True
    pools = np.full((len(chosen), size), _EMPTY, dtype=np.int64)
    for code in np.unique(codes[chosen]):
        rows = np.flatnonzero(codes[chosen] == code)
        candidates = np.flatnonzero((codes == code) & ~is_chosen)
        k = min(size, len(candidates))
        if k:
            nearest = KDTree(covariates[candidates]).query(covariates[chosen[rows]], k=k)[1]
            pools[rows, :k] = candidates[nearest.reshape(len(rows), k)]
    return pools


def matched_draws(
    features: NDArray, strata: NDArray, chosen: Ints, n_draws: int, rng: np.random.Generator, pool_size: int = 20
) -> Ints:
    """Random sets of controls: in each draw, every chosen element gets one of its nearest of the same stratum.

    A draw is without replacement: elements take their controls in random order, each at random from those of its pool
    that are still free; only where none is free is a control taken twice.

    Parameters
    ----------
    features : shape (n, q), what to match on, in any units. strata : shape (n,), what must be equal.
    chosen : shape (m,), indices. n_draws : number of sets. rng : source of the draws.
    pool_size : nearest controls from which each is drawn: fewer are better matched, more are more various.

    Returns
    -------
    Shape (n_draws, m), indices; column j are the controls of ``chosen[j]``.

    Raises
    ------
    ValueError
        An element has no control in its stratum: see `matchable`.
    """
    pools = nearest_pools(features, strata, chosen, pool_size)
    alone = int((pools[:, 0] == _EMPTY).sum()) if len(pools) else 0
    if alone:
        raise ValueError(f"{alone} chosen elements have no control in their stratum")
    return _draw_controls(pools, (pools != _EMPTY).sum(axis=1), len(strata), rng.random((n_draws, 2, len(pools))))


@compiled
def _draw_controls(pools: Ints, sizes: Ints, n: int, uniforms: Floats) -> Ints:  # pragma: no cover, compiled
    draws, _, members = uniforms.shape
    taken_in = np.full(n, -1)
    drawn = np.empty((draws, members), dtype=np.int64)
    for draw in range(draws):
        for member in np.argsort(uniforms[draw, 0]):
            size = sizes[member]
            first = int(uniforms[draw, 1, member] * size)
            pick = pools[member, first]
            for step in range(size):
                candidate = pools[member, (first + step) % size]
                if taken_in[candidate] != draw:
                    pick = candidate
                    break
            taken_in[pick] = draw
            drawn[draw, member] = pick
    return drawn


def standardised_mean_differences(features: NDArray, chosen: Ints, controls: Ints) -> Floats:
    """Difference of means over the pooled SD, of each feature (Austin 2009, Statistics in Medicine 28:3083).

    Parameters
    ----------
    features : shape (n, q). chosen : shape (m,), indices. controls : indices of any shape, with repeats, as
        `matched_draws` gives them; or all elements that are not chosen, for the balance before matching.

    Returns
    -------
    Shape (q,); 0 where a feature does not vary. Above 0.1 in size is usually called unbalanced.
    """
    features = np.asarray(features, dtype=float)
    one, two = features[np.asarray(chosen)], features[np.asarray(controls).ravel()]
    pooled = np.sqrt((one.var(axis=0) + two.var(axis=0)) / 2)
    gap = one.mean(axis=0) - two.mean(axis=0)
    return np.divide(gap, pooled, out=np.zeros_like(gap), where=pooled > 0)


def matched_contrast(
    scores: Floats, matches: Matches, setting: Setting, rng: np.random.Generator, blocks: Ints | None = None
) -> Tested:
    """Chosen elements less their matched controls, in SD.

    Two nulls: matched draws (each chosen element replaced by one of its controls) and the rotation of the same
    contrast. Chosen elements lie next to each other more often than their controls do, and only the rotation knows; the
    p-value is the larger of the two, so both must reject. With `blocks` there is a third: the sign of each block's
    difference, flipped at random.

    Parameters
    ----------
    blocks : shape (matched,), codes from 0 of blocks whose elements are not independent (linkage disequilibrium). The
        bootstrap then draws blocks instead of loci.
    """
    loci, chosen = setting.loci, matches.chosen
    if len(chosen) < MINIMUM_GROUP:
        raise NotTestable(f"{len(chosen)} elements could be matched; {MINIMUM_GROUP} are needed")
    weights = matches.weights(loci.n)
    rotation, p_rotation = setting.draw(scores, weights)
    # A pool's members and its chosen element are exchangeable under the null, so the draw is from all of them.
    block = np.column_stack([scores[chosen], scores[matches.pools]])
    n_draws = min(setting.null.permutations, MOST_SET_DRAWS)
    draws = exchanged_contrasts(block, n_draws, rng)
    effect = float(rotation.observed[0])
    nulls = {
        "p_matched_draws": (empirical_p(effect, draws), draws),
        "p_rotation": (p_rotation, rotation.draws[:, 0]),
    }
    gaps = scores[chosen] - scores[matches.pools].mean(axis=1)
    units, n_units, resamples = loci.codes[chosen], loci.count, setting.resamples
    if blocks is not None:
        units, n_units = blocks, int(blocks.max()) + 1
        resamples = resample_loci(n_units, len(setting.resamples), rng)
        flips = _sign_flips(np.bincount(blocks, weights=gaps) / len(gaps), n_draws, rng)
        nulls["p_blocks"] = (empirical_p(effect, flips), flips)
    sums = np.bincount(units, weights=gaps, minlength=n_units)
    counts = np.bincount(units, minlength=n_units).astype(float)
    # Flipped signs keep the effect itself in their spread; power is of the spread about it.
    scatter = float(np.sqrt(((sums - counts * effect) ** 2).sum())) / len(gaps) if blocks is not None else 0.0
    widest = max(float(draws.std()), float(rotation.sd[0]), scatter)
    p, drawn = max(nulls.values(), key=lambda null: null[0])
    # This many blocks allow no smaller p, whatever the scores are.
    attainable = blocks is None or 2.0 ** (1 - n_units) <= setting.alpha
    return Tested.of_effect(
        effect,
        p,
        interval=setting.interval(effect, ratio(sums, counts, resamples), widest),
        power=power_of(REFERENCE_EFFECT, widest, setting.alpha) if attainable else 0.0,
        draws=drawn,
        details={**{name: null[0] for name, null in nulls.items()}, "n_matched": len(chosen)},
    )


def _sign_flips(sums: Floats, permutations: int, rng: np.random.Generator) -> Floats:
    """The sum of independent block differences, each with a random sign: shape (permutations,)."""
    draws = np.empty(permutations)
    for start in range(0, permutations, 1000):
        signs = 2.0 * rng.integers(0, 2, (min(1000, permutations - start), len(sums))) - 1.0
        draws[start : start + len(signs)] = signs @ sums
    return draws


def exchanged_contrasts(block: Floats, n_draws: int, rng: np.random.Generator) -> Floats:
    """Mean over rows of one member less the mean of the others, when any member of a row may be the chosen one.

    Parameters
    ----------
    block : shape (m, k), scores of a chosen element and its k - 1 controls, which are exchangeable under the null.

    Returns
    -------
    Shape (n_draws,).
    """
    size = block.shape[1]
    # The contrast of member j of row i: what a draw looks up.
    contrasts = (block - (block.sum(axis=1, keepdims=True) - block) / (size - 1)) / len(block)
    states = rng.integers(2**63, size=n_draws, dtype=np.uint64) | np.uint64(1)
    return _exchanged(np.ascontiguousarray(contrasts), states)


@compiled
def _exchanged(contrasts: Floats, states: NDArray[np.uint64]) -> Floats:  # pragma: no cover, compiled
    rows, size = contrasts.shape
    sums = np.zeros(len(states))
    for draw in range(len(states)):
        state = states[draw]
        total = 0.0
        for row in range(rows):
            state = next_state(state)
            total += contrasts[row, int(((state >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))]
        sums[draw] = total
    return sums
