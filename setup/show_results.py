#!/usr/bin/env python3
"""Print the verdicts of a run, and where its report is: `show_results.py results/demo [demo-data/truth.json]`.

With the truth of a simulated genome, planted is compared with found, and a disagreement exits with 1.
Standard library only.
"""

import csv
import itertools
import json
import sys
from pathlib import Path

NUMBERS = tuple(f"{rung}_{number}" for rung in ("raw", "trivial", "full") for number in ("effect", "q"))
COLUMNS = ("claim", "model", *NUMBERS, "verdict", "reason")


def main(outdir: Path) -> None:
    with open(outdir / "diagnosis" / "claims.tsv", newline="") as handle:
        rows = [tuple(shorten(row[column]) for column in COLUMNS) for row in csv.DictReader(handle, delimiter="\t")]
    header = tuple(column.replace("_", " ") for column in COLUMNS)
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print()
    for row in [header, tuple("-" * width for width in widths), *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\nreport     {outdir / 'report' / 'report.html'}")
    print(f"diagnosis  {outdir / 'diagnosis' / 'diagnosis.json'}")


def shorten(cell: str) -> str:
    """Numbers to three digits, words as they are."""
    try:
        return f"{float(cell):.3g}" if cell else "-"
    except ValueError:
        return cell


def disagreements(outdir: Path, truth: Path) -> list[str]:
    """What was planted and not found, or found where nothing was planted; one sentence each."""
    planted = json.loads(truth.read_text())
    checks = sorted((outdir / "cross_checks").glob("**/cross_check_*.json"))
    records = [outdir / "diagnosis" / "diagnosis.json", *checks]
    claims = [claim for record in records for claim in json.loads(record.read_text())["claims"]]
    verdicts = {(claim["claim"], claim["model"]): claim["verdict"] for claim in claims}
    if not planted["planted"]:
        survivors = [f"{claim} of {model}" for (claim, model), verdict in verdicts.items() if verdict == "survives"]
        return [f"nothing was planted, and yet {name} survives" for name in survivors]
    wrong = []
    for one in planted["expected"]:
        expected = [one["verdict"]] if isinstance(one["verdict"], str) else one["verdict"]
        verdict = verdicts.get((one["claim"], one["model"]))
        if verdict not in expected:
            words = " or ".join(map(repr, expected))
            wrong.append(f"{one['claim']} of {one['model']} should be {words}, and is {verdict!r}")
    # The pair of proteins that the network links and that is nothing must die.
    nothing = {"~".join(pair) for pair in itertools.permutations(planted["facts"].get("protein_pair_of_nothing", []))}
    return wrong + [
        f"{claim} of {model} survives, and the pair is nothing"
        for (claim, model), verdict in verdicts.items()
        if claim == "protein_pair" and model.split("|")[-1] in nothing and verdict == "survives"
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        wrong = disagreements(Path(sys.argv[1]), Path(sys.argv[2]))
        print("\n".join(f"DISAGREES  {sentence}" for sentence in wrong) or "planted    and found agree")
        sys.exit(1 if wrong else 0)
