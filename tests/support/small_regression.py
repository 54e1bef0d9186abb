"""Scores that follow three features in 8 loci of 25 elements, for what explains scores by features."""

import numpy as np

from darkregulome.stats.loci import Loci

LOCI = Loci.of(np.repeat(np.arange(8), 25))


def scores_and_features() -> tuple[np.ndarray, np.ndarray]:
    """Scores of shape (200,), linear in three features but for a bend in the first, and the features (200, 3)."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((200, 3)) + 0.5 * LOCI.codes[:, None]
    scores = 3 + features @ [1.0, -0.5, 0.2] + np.abs(features[:, 0]) + rng.standard_normal(200) + LOCI.codes
    return scores, features
