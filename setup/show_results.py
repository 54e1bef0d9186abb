#!/usr/bin/env python3
"""Print the verdicts of a run, and where its report is: `show_results.py results/demo`. Standard library only."""

import csv
import sys
from pathlib import Path

COLUMNS = ("claim", "model", "raw_effect", "raw_q", "residual_effect", "residual_q", "verdict")


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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
