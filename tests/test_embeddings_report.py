"""The report on embeddings: an interactive map of bounded size, in one file that fetches nothing; text stays text."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from darkregulome.errors import InputError
from darkregulome.io.tables import write_json, write_table
from darkregulome.plots.embeddings import draw_map
from darkregulome.report.embeddings import MOST_POINTS, embedding_sections, read_embeddings, scatter_section
from darkregulome.scoring.embeddings.compare import compare
from darkregulome.scoring.embeddings.windows import LabelledWindow
from darkregulome.scoring.settings import MapOfEmbeddings
from script_runner import run_script
from test_report import CONFIG, HOSTILE, build_report, draw

INSTRUMENTS = CONFIG.with_name("multiqc_instruments.yml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What embed_windows.py leaves behind: two groups of windows, and one that is bad."""
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.repeat(["TE", "cCRE"], 30))
    points = rng.normal(size=(60, 6)) + 9.0 * (labels == "TE")[:, None]
    windows = [LabelledWindow(f"window-{at}", f"chr{1 + at % 3}", at, at + 5, label) for at, label in enumerate(labels)]
    windows[4] = LabelledWindow("window-4", "chr9", 4, 9, "TE", "off_contig", "the FASTA has no contig chr9")
    points[4] = np.nan
    record, placed, enriched = compare(windows, points, points, MapOfEmbeddings(resolution=0.2, permutations=199))
    path = tmp_path / "embeddings" / "demo"
    write_table(placed, path / "windows.tsv.gz")
    write_table(enriched, path / "enrichment.tsv")
    draw_map(placed, enriched, path / "figures")
    write_json({"model": "demo", "dimensions": 6, **record}, path / "clusters.json")
    return path


def test_the_report_is_one_file_with_a_map_that_can_be_pointed_at(folder: Path, tmp_path: Path):
    draw(tmp_path / "logos" / "demo" / "figures" / "chr1_5-9.png")
    second = shutil.copytree(folder, tmp_path / "second")
    (second / "clusters.json").write_text((folder / "clusters.json").read_text().replace('"demo"', '"another model"'))
    given = ("--embeddings", folder, "--embeddings", second, "--logos", tmp_path / "logos" / "demo")
    assert run_script("report", "embeddings", *given, "--outdir", tmp_path / "sections").code == 0
    written = {path.name.removesuffix("_mqc.json") for path in (tmp_path / "sections").iterdir()}
    settings = yaml.safe_load(INSTRUMENTS.read_text())
    order = settings["custom_content"]["order"]
    # Else the largest map is a button that has to be found and pressed. MultiQC asks both.
    assert min(settings["plots_defer_loading_numseries"], settings["num_datasets_plot_limit"]) >= MOST_POINTS
    assert written <= set(order)
    assert len(written) == 6
    html = build_report(tmp_path / "sections", tmp_path / "out", INSTRUMENTS)
    places = [html.index(f'id="{name}"') for name in order if name in written]
    assert places == sorted(places)
    assert 'id="darkregulome_embeddings_scatter_plot"' in html
    assert "the FASTA has no contig chr9" in html
    assert "another model" in html


def test_the_map_shows_a_bounded_number_of_points_each_with_its_name(folder: Path):
    record = read_embeddings(folder)
    section = scatter_section([record])
    assert section is not None
    by_class, by_cluster = section.data
    assert len(by_class) == len(by_cluster) == 59
    assert {name.split(" (")[0] for name in by_class} == {f"window-{at}" for at in range(60) if at != 4}
    assert {point["group"] for point in by_class.values()} == {"TE", "cCRE"}
    assert {point["group"] for point in by_cluster.values()} == {"0", "1"}
    many = pd.concat([record["placed"]] * 60, ignore_index=True)
    section = scatter_section([record | {"placed": many}])
    assert section is not None
    assert len(section.data[0]) == MOST_POINTS
    assert str(MOST_POINTS) in section.description


def test_a_map_of_many_points_is_no_picture(folder: Path, tmp_path: Path):
    record = read_embeddings(folder)
    many = pd.concat([record["placed"]] * 60, ignore_index=True)
    section = scatter_section([record | {"placed": many}])
    assert section is not None
    write_json(section.content(), tmp_path / "sections" / f"{section.file_id}_mqc.json")
    html = build_report(tmp_path / "sections", tmp_path / "out", INSTRUMENTS)
    # MultiQC draws plots of more than 2,000 series as pictures, if it is let.
    assert "hc-scatter-plot" in html
    assert "mqc_mplplot" not in html.split('id="darkregulome_embeddings_scatter_plot"')[1]


def test_hostile_names_are_text(folder: Path):
    record = read_embeddings(folder)
    placed = record["placed"].assign(window=HOSTILE, reason=HOSTILE, **{"class": HOSTILE})
    enriched = record["enrichment"].assign(**{"class": HOSTILE})
    sections = embedding_sections(
        [record | {"model": HOSTILE, "placed": placed, "enrichment": enriched}], {HOSTILE: []}
    )
    assert len(sections) == 5
    for section in sections:
        assert "<script" not in json.dumps(section.content())


def test_a_folder_that_is_none_of_ours_is_told(tmp_path: Path):
    with pytest.raises(InputError, match=r"clusters\.json"):
        read_embeddings(tmp_path)
