"""Calls as BED and BEDPE, in the coordinates of the genome (or of the sequence, where there is no genome)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from darkregulome.io.atomic import atomic_path
from darkregulome.scoring.maps.calls import Block, Calls, Stem

BED_COLUMNS = ("#chrom", "start", "end", "name", "score", "strand", "effect", "height")
BEDPE_COLUMNS = (
    *("#chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score", "strand1", "strand2"),
    *("effect", "height"),
)
STEM_COLUMNS = (*BEDPE_COLUMNS, "pairs", "complementary")


def on_genome(row: Mapping[str, Any], span: tuple[int, int]) -> tuple[int, int]:
    """An interval along the strand that was read, on the contig."""
    if row["strand"] == "-":
        return int(row["end"]) - span[1], int(row["end"]) - span[0]
    return int(row["start"]) + span[0], int(row["start"]) + span[1]


def write_calls(folder: Path, calls: Iterable[tuple[Mapping[str, Any], Calls]]) -> None:
    """`motifs.bed`, `blocks.bedpe` and `stems.bedpe`; `calls` go with the rows of the index that they are of.

    `score` is 100 times the effect, at most 1000, as viewers shade by it.
    """
    motifs: list[tuple[Any, ...]] = []
    blocks: list[tuple[Any, ...]] = []
    stems: list[tuple[Any, ...]] = []
    for row, found in calls:
        for number, block in enumerate(found.motifs, start=1):
            start, end = on_genome(row, block.first)
            name = f"{row['sequence']}_motif{number}"
            motifs.append((row["chrom"], start, end, name, _shade(block), row["strand"], *_sizes(block)))
        for number, block in enumerate(found.blocks, start=1):
            blocks.append(_pair(row, block, f"{row['sequence']}_block{number}"))
        for number, stem in enumerate(found.stems, start=1):
            pair = _pair(row, stem, f"{row['sequence']}_stem{number}")
            stems.append((*pair, len(stem.pairs), f"{stem.complementary:.3g}"))
    _write(folder / "motifs.bed", BED_COLUMNS, motifs)
    _write(folder / "blocks.bedpe", BEDPE_COLUMNS, blocks)
    _write(folder / "stems.bedpe", STEM_COLUMNS, stems)


def _pair(row: Mapping[str, Any], call: Block | Stem, name: str) -> tuple[Any, ...]:
    sides = sorted(on_genome(row, span) for span in (call.first, call.second))
    places = [value for side in sides for value in (row["chrom"], *side)]
    return (*places, name, _shade(call), row["strand"], row["strand"], *_sizes(call))


def _shade(call: Block | Stem) -> int:
    return min(1000, round(100 * call.effect))


def _sizes(call: Block | Stem) -> tuple[str, str]:
    return f"{call.effect:.4g}", f"{call.score:.4g}"


def _write(path: Path, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with atomic_path(path) as partial:
        partial.write_text("".join("\t".join(map(str, row)) + "\n" for row in [columns, *rows]))
