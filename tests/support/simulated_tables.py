"""Element and score tables whose truth is known: autocorrelated along the elements of a locus, with locus effects."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

CLASS_WORDS = np.array(["cCRE", "TE", "lncRNA_exon", "conserved", "other"])


@dataclass(frozen=True)
class Truth:
    """What is planted, in SD of the noise.

    horizon: near elements of the language models. regulation: near cCREs, in every model. class_effect: cCREs
    of the language models wherever they are. predictability: weight of the features.
    """

    horizon: float = 0.0
    regulation: float = 0.0
    class_effect: float = 0.0
    predictability: float = 2.0


def autoregressive(size: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    """A stationary AR(1) series of unit variance."""
    noise = rng.standard_normal(size)
    series = np.empty(size)
    series[0] = noise[0]
    for i in range(1, size):
        series[i] = rho * series[i - 1] + np.sqrt(1 - rho**2) * noise[i]
    return series


def by_locus(sizes: list[int], rho: float, rng: np.random.Generator) -> np.ndarray:
    """One independent series a locus, one after the other."""
    return np.concatenate([autoregressive(size, rho, rng) for size in sizes])


def make_elements(
    seed: int, loci: int = 10, per_locus: int = 120, rho: float = 0.8, flank: int = 50_000, chromosomes: int = 6
) -> pd.DataFrame:
    """An element table. cCREs are commoner and repeats rarer near the TSS, so classes and features follow distance."""
    rng = np.random.default_rng([seed, 1])
    frames = []
    for locus in range(loci):
        tss = (10 + 4 * locus) * flank  # no two loci overlap
        start = np.sort(rng.integers(tss - flank, tss + flank - 600, per_locus))
        length = np.clip(np.exp(rng.normal(5.3, 0.4, per_locus)), 50, 600).astype(int)
        end = start + length
        distance = np.where(end <= tss, end - 1 - tss, np.where(start > tss, start - tss, 0))
        closeness = np.exp(-np.abs(distance) / 15_000)
        chance = np.column_stack(
            [0.15 + 0.35 * closeness, 0.45 - 0.25 * closeness, *(np.full(per_locus, x) for x in (0.1, 0.1, 0.2))]
        )
        pick = (rng.random(per_locus)[:, None] > (chance / chance.sum(1, keepdims=True)).cumsum(1)).sum(axis=1)
        word = CLASS_WORDS[np.minimum(pick, 4)]
        is_te = word == "TE"
        gc = np.clip(0.42 + 0.05 * autoregressive(per_locus, rho, rng) + 0.05 * (word == "cCRE"), 0.2, 0.8)
        frames.append(
            pd.DataFrame(
                {
                    "element": [f"L{locus}:{i}" for i in range(per_locus)],
                    "locus": f"locus{locus:02d}",
                    "chrom": f"chr{locus % chromosomes + 1}",
                    "start": start,
                    "end": end,
                    "strand": ".",
                    "class": word,
                    "subclass": np.where(is_te, "AluY", "none"),
                    "distance": distance,
                    "length": length,
                    "gc": gc,
                    "cpg_oe": np.clip(0.25 + gc - 0.42 + 0.1 * rng.standard_normal(per_locus), 0, None),
                    "complexity": np.clip(0.95 + 0.02 * rng.standard_normal(per_locus) - 0.02 * is_te, 0, 1),
                    "repeat_fraction": np.clip(is_te * 0.9 + 0.05 * rng.random(per_locus), 0, 1),
                    "n_fraction": 0.0,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def make_ris(
    elements: pd.DataFrame, seed: int, truth: Truth, rho: float = 0.8, models: tuple[str, ...] = ("lm", "output")
) -> pd.DataFrame:
    """Scores of language models (``lm...``) and output models (``output...``) on `elements`."""
    rng = np.random.default_rng([seed, 2])
    sizes = elements.groupby("locus", sort=False).size().tolist()
    near = (elements["distance"].abs() <= 10_000).to_numpy(dtype=float)
    ccre = (elements["class"] == "cCRE").to_numpy(dtype=float)
    repeat = elements["repeat_fraction"].to_numpy()
    gc = elements["gc"].to_numpy()
    frames = []
    for name in models:
        noise = by_locus(sizes, rho, rng) + np.repeat(rng.normal(0, 0.5, len(sizes)), sizes)
        if name.startswith("lm"):
            own = repeat - 5 * (gc - 0.42) + 0.3 * by_locus(sizes, rho, rng)
            signal = -truth.predictability * own + truth.horizon * near + truth.class_effect * ccre
            kind, readout, predictability = "masked", "llr", -1.3 + 0.1 * own
        else:
            signal, kind, readout, predictability = np.zeros(len(elements)), "output", "track", np.nan
        frames.append(
            pd.DataFrame(
                {
                    "element": elements["element"],
                    "model": name,
                    "kind": kind,
                    "readout": readout,
                    "ris": 5.0 + signal + truth.regulation * near * ccre + noise,
                    "predictability": predictability,
                    "status": "ok",
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def with_halves(ris: pd.DataFrame, error: float = 0.01) -> pd.DataFrame:
    """Scores whose predictability comes in two halves that differ by so much either way."""
    noise = np.random.default_rng(0).normal(0, error, len(ris))
    return ris.assign(predictability_a=ris["predictability"] + noise, predictability_b=ris["predictability"] - noise)
