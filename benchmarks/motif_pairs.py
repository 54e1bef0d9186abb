#!/usr/bin/env python3
"""Motif pairs in dependency maps: `benchmarks/motif_pairs.py --seeds 31,32 --each 20`.

F1 of the blocks called in sequences of `simulate.py dependencies --kind pairs`, with the settings of
`call_dependencies.py`, in the maps of a model and in those of the law that the sequences are drawn from. The second is
what the caller misses; what the first has less is the model's.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bin"), str(ROOT / "tests" / "support")]

from darkregulome.models.registry import load_model  # noqa: E402
from darkregulome.scoring.maps.calls import call_map, symmetric  # noqa: E402
from darkregulome.scoring.maps.dependency import dependency_map  # noqa: E402
from darkregulome.scoring.settings import CallSettings  # noqa: E402
from darkregulome.simulate.motif_pairs import motif_sequence  # noqa: E402
from fake_models import LawOfMotifPairs  # noqa: E402
from known_structures import count_matches, f1  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="31,32", help="of the sequences; demo-pairs was trained on seed 1")
    parser.add_argument("--each", type=int, default=20, help="sequences of a seed")
    parser.add_argument("--weights", type=Path, help="a checkpoint, instead of the one that is shipped")
    given = parser.parse_args()
    models = {
        "law": LawOfMotifPairs(context=96),
        "model": load_model("demo-pairs", weights=given.weights, device="cpu"),
    }
    print("| seed | maps of | found | false | missed | F1 | mean dependency of pairs | of free pairs |")
    print("|---|---|---|---|---|---|---|---|")
    for seed in map(int, given.seeds.split(",")):
        rng = np.random.default_rng(seed)
        items = [motif_sequence(rng) for _ in range(given.each)]
        maps = {name: [dependency_map(model, item.bases) for item in items] for name, model in models.items()}
        for name, drawn in maps.items():
            matches = np.zeros(3, dtype=int)
            means: dict[str, list[float]] = {"pairs": [], "free": []}
            for values, item in zip(drawn, items, strict=True):
                matches += count_matches(call_map(values, CallSettings()).blocks, item.pairs)
                for kind, found in means.items():
                    found += [symmetric(values)[slice(*a), slice(*b)].mean() for a, b in getattr(item, kind)]
            counts = " | ".join(map(str, matches))
            sizes = " | ".join(f"{np.mean(found):.2f}" for found in means.values())
            print(f"| {seed} | {name} | {counts} | {f1(*matches):.3f} | {sizes} |", flush=True)
        agreement = np.corrcoef(np.ravel(maps["law"]), np.ravel(maps["model"]))[0, 1]
        print(f"Pearson correlation of both, seed {seed}: {agreement:.2f}")


if __name__ == "__main__":
    main()
