"""One generator an item: the draws of an item depend on the seed and its name, never on what ran before it."""

import zlib

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator for the item called `names`, the same on every machine and in every order of work."""
    keys = [zlib.crc32(name.encode()) for name in names]
    return np.random.default_rng(np.random.SeedSequence([seed, *keys]))
