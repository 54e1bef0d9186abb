"""A map of embeddings against annotation (clusters against classes), and next to a map of mere composition."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darkregulome.scoring.embeddings.cluster import Map, make_map
from darkregulome.scoring.embeddings.windows import UNCLASSED, LabelledWindow
from darkregulome.scoring.settings import MapOfEmbeddings
from darkregulome.stats.clusters import adjusted_rand, associate
from darkregulome.stats.loci import Loci
from darkregulome.stats.randomness import generator


def compare(
    windows: Sequence[LabelledWindow], embeddings: NDArray, composition: NDArray, settings: MapOfEmbeddings
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Map the embedded windows, cluster them, and say how clusters and classes agree.

    Parameters
    ----------
    embeddings : shape (windows, channels), NaN where there is none.
    composition : k-mer frequencies, shape (windows, kinds): clustered in the same way, for comparison.

    Returns
    -------
    The record for JSON; a table with one row per window (umap_1, umap_2, cluster; empty without an embedding); and the
    enrichment of each class in each cluster. Windows without a class are on the map and in no comparison.
    """
    usable = np.array([window.status == "ok" for window in windows])
    labels = np.array([window.label for window in windows])[usable]
    mapped = _map(embeddings[usable], settings)
    mere = _map(composition[usable], settings, draw=False)
    named = labels != UNCLASSED
    record: dict[str, Any] = {
        "parameters": settings.model_dump(),
        "windows": len(windows),
        "embedded": int(usable.sum()),
        "statuses": _counts([window.status for window in windows]),
        "classes": _counts(labels.tolist()),
        "clusters": int(mapped.clusters.max() + 1),
    }
    table = pd.DataFrame()
    if len(set(labels[named])) > 1:
        order = _by_position([window for window in windows if window.status == "ok"])
        order = order[named[order]]
        ours, classes = mapped.clusters[order], labels[order]
        chromosomes = np.array([window.chrom for window in windows])[usable][order]
        rng = generator(settings.seed, "adjusted_rand")
        agreement = associate(ours, classes, Loci.of(chromosomes), settings.permutations, rng)
        record["adjusted_rand"] = {
            "n": len(order),
            "embedding": agreement.rand,
            "p": agreement.p,
            "null": "rotation",
            "null_95": float(np.quantile(agreement.drawn, 0.95)) if len(agreement.drawn) else None,
            "log10_distinct_draws": agreement.log10_distinct,
            "composition": adjusted_rand(mere.clusters[order], classes),
            "composition_clusters": int(mere.clusters.max() + 1),
        }
        table = pd.DataFrame([asdict(row) for row in agreement.pairs])
    return record, _placed(windows, usable, mapped), table.rename(columns={"label": "class"})


def headline(record: Mapping[str, Any]) -> str:
    """The record in one sentence."""
    agreement = record.get("adjusted_rand")
    result = (
        f"adjusted Rand index {agreement['embedding']:.3f} (composition alone {agreement['composition']:.3f})"
        if agreement
        else "no two classes to compare with"
    )
    counts = f"{record['embedded']} of {record['windows']} windows, {record['clusters']} clusters"
    return f"{record['model']}: {counts}; {result}."


def _by_position(windows: Sequence[LabelledWindow]) -> NDArray[np.int64]:
    """Numbers of the windows in order along each chromosome."""
    return np.array(sorted(range(len(windows)), key=lambda at: (windows[at].chrom, windows[at].start, at)), dtype=int)


def _map(points: NDArray, settings: MapOfEmbeddings, draw: bool = True) -> Map:
    return make_map(points, draw=draw, **settings.model_dump(exclude={"permutations"}))


def _placed(windows: Sequence[LabelledWindow], usable: NDArray[np.bool_], mapped: Map) -> pd.DataFrame:
    places = np.full((len(windows), 2), np.nan)
    places[usable] = mapped.places
    clusters = pd.array([pd.NA] * len(windows), dtype="Int64")
    clusters[usable] = mapped.clusters
    return _described(windows).assign(umap_1=places[:, 0], umap_2=places[:, 1], cluster=clusters)


def embedding_table(windows: Sequence[LabelledWindow], embeddings: NDArray, model: str) -> pd.DataFrame:
    """One row per window: its place, class and status, and one column per channel, e0, e1, ..."""
    frame = _described(windows)
    frame.insert(1, "model", model)
    channels = pd.DataFrame(embeddings.astype(np.float32), columns=[f"e{at}" for at in range(embeddings.shape[1])])
    return pd.concat([frame, channels], axis=1)


def _described(windows: Sequence[LabelledWindow]) -> pd.DataFrame:
    """Name, place, class and status, one row per window."""
    rows = pd.DataFrame([asdict(window) for window in windows])
    return rows.rename(columns={"name": "window", "label": "class"})


def _counts(words: Sequence[str]) -> Mapping[str, int]:
    return {str(word): words.count(word) for word in sorted(set(words))}
