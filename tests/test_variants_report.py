"""The report on variants: counts and distributions against pandas, whatever the format; hostile text stays text."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from darkregulome.errors import InputError
from darkregulome.genome.alleles import allele_class
from darkregulome.io.schemas import VARIANTS
from darkregulome.io.tables import read_table
from darkregulome.models import registry
from darkregulome.report.variants import read_evaluations, variant_sections
from darkregulome.scoring.variants.summary import QUANTILES, summarise
from fake_models import MarkovMasked
from script_runner import run_script
from test_report import CONFIG, HOSTILE, build_report

SEQUENCE = "".join(np.random.default_rng(8).choice(list("ACGT"), 400))
INSTRUMENTS = CONFIG.with_name("multiqc_instruments.yml")


def write_input(folder: Path) -> None:
    (folder / "genome.fa").write_text(f">chr1\n{SEQUENCE}\n")
    lines = []
    for at in range(20, 380, 3):
        ref = SEQUENCE[at]
        alts = [
            "ACGT".replace(ref, "")[at % 3],
            ref + "GT",
            "<DEL>",
            "ACGT".replace(ref, "")[at % 2] + SEQUENCE[at + 1],
        ]
        refs = [ref, ref, ref, SEQUENCE[at : at + 2]]
        lines.append(f"chr1\t{at + 1}\tNA\t{refs[at % 4]}\t{alts[at % 4]}\t.\t.\t.")
    lines.append("chr1\tnowhere\t.\tA\tC\t.\t.\t.")
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (folder / "in.vcf").write_text(head + "\n".join(lines) + "\n")


@pytest.fixture
def scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same variants scored into each format."""

    monkeypatch.setattr(registry, "load_model", lambda *_: MarkovMasked(context=32))
    write_input(tmp_path)
    for kind in ("vcf.gz", "parquet", "tsv.gz"):
        words = ("--vcf", tmp_path / "in.vcf", "--fasta", tmp_path / "genome.fa", "--score", "llr,influence")
        done = run_script(
            "score_variants", *words, "--model", "demo-caduceus", "--no-progress", "--out", tmp_path / f"scored.{kind}"
        )
        assert done.code == 0, done.err
    return tmp_path


def test_a_written_table_has_the_schema(scored: Path):
    table = read_table(scored / "scored.parquet", VARIANTS)
    assert table["pos"].isna().sum() == 1  # of the malformed line


@pytest.mark.parametrize(
    ("ref", "alt", "kind"),
    [
        ("A", "C", "SNV"),
        ("AC", "GT", "MNV"),
        ("A", "AT", "insertion"),
        ("TA", "A", "deletion"),
        ("TAC", "GG", "complex"),
        ("A", "<DEL>", "other"),
        ("A", "*", "other"),
    ],
)
def test_the_class_of_an_allele(ref: str, alt: str, kind: str):
    assert allele_class(ref, alt) == kind


@pytest.mark.parametrize("kind", ["vcf.gz", "parquet", "tsv.gz"])
def test_a_summary_counts_what_pandas_counts(kind: str, scored: Path):
    table = pd.read_parquet(scored / "scored.parquet")
    table["class"] = [allele_class(*pair) for pair in zip(table["ref"], table["alt"], strict=True)]
    if kind == "vcf.gz":  # there a malformed line has no alleles of its own
        table.loc[table["status"] == "malformed", "class"] = "other"
    found = summarise(scored / f"scored.{kind}")
    assert found["alleles"] == len(table)
    for (status, name), count in table.groupby(["status", "class"]).size().items():
        assert found["statuses"][status][name] == count
    assert found["model"] == ("scored" if kind == "tsv.gz" else "demo-caduceus")
    for score in ("llr", "influence"):
        for name, values in table.dropna(subset=[score]).groupby("class")[score]:
            of = found["scores"][score]["classes"][name]
            assert of["n"] == len(values)
            np.testing.assert_allclose(of["quantiles"], values.quantile(QUANTILES), rtol=1e-4, atol=1e-6)
        edges = np.array(found["scores"][score]["edges"])
        density = np.array(found["scores"][score]["classes"]["SNV"]["density"])
        assert 0.9 < (density * np.diff(edges)).sum() <= 1 + 1e-9  # what lies outside the middle is left out


@pytest.mark.parametrize("kind", ["parquet", "tsv"])
def test_words_and_infinite_scores_are_no_scores(kind: str, tmp_path: Path):
    """A column of words beside the scores is anybody's right; what is not finite has no place in a distribution."""
    table = pd.DataFrame(
        {"record": range(4), "chrom": "chr1", "pos": 7, "id": ".", "ref": "A", "alt": list("CGTC"), "status": "ok"}
    ).assign(reason="", llr=[0.5, np.inf, np.nan, -0.5], gene="a", mixed=["1.5", "x", None, "2.5"])
    path = tmp_path / f"s.{kind}"
    (table.to_parquet if kind == "parquet" else lambda to: table.to_csv(to, sep="\t", index=False))(path)
    scores = summarise(path)["scores"]
    assert {name: (of["classes"]["SNV"]["n"], of["classes"]["SNV"]["mean"]) for name, of in scores.items()} == {
        "llr": (2, 0.0),
        "mixed": (2, 2.0),
    }


def test_another_file_is_told(tmp_path: Path):
    write_input(tmp_path)
    (tmp_path / "in.vcf").rename(tmp_path / "plain.vcf.gz")
    with pytest.raises(InputError, match="was not scored by"):
        summarise(tmp_path / "plain.vcf.gz")


def test_the_report_has_each_section_in_its_order_and_no_markup_of_the_users(scored: Path):
    truth = pd.read_parquet(scored / "scored.parquet").query("status == 'ok'")
    truth = truth.assign(effect=np.arange(len(truth)) % 7, AF=0.01)[["chrom", "pos", "ref", "alt", "effect", "AF"]]
    truth.to_csv(scored / "truth.tsv", sep="\t", index=False)
    words = ("--score", "llr:neg,influence", "--measurement", "effect", "--frequency", "AF", "--draws", 20)
    folder = scored / "evaluation" / "demo-caduceus"
    done = run_script(
        "evaluate_scores", *words, scores=scored / "scored.vcf.gz", truth=scored / "truth.tsv", outdir=folder
    )
    assert done.code == 0, done.err
    options = ("--scored", scored / "scored.vcf.gz", "--evaluation", folder, "--outdir", scored / "sections")
    assert run_script("report", "variants", *options).code == 0
    written = {json.loads(path.read_text())["id"] for path in (scored / "sections").iterdir()}
    order = yaml.safe_load(INSTRUMENTS.read_text())["custom_content"]["order"]
    assert written <= set(order)
    assert len(written) == 6
    counts = json.loads((scored / "sections" / "darkregulome_variants_counts_mqc.json").read_text())["data"]
    classes = ["SNV", "MNV", "insertion", "other"]  # no deletion is among the variants, so it has no column
    assert re.findall(r"<th[^>]*>([^<]*)</th>", counts)[3:-1] == classes
    html = build_report(scored / "sections", scored / "out", INSTRUMENTS)
    places = [html.index(f'id="{name}"') for name in order if name in written]
    assert places == sorted(places)
    assert "Spearman with frequency" in html

    summary = summarise(scored / "scored.parquet") | {"model": HOSTILE}
    sections = variant_sections([summary], {HOSTILE: read_evaluations([folder])["demo-caduceus"]})
    for section in sections:
        assert "<script" not in json.dumps(section.content())


def test_a_folder_without_an_evaluation_is_told(tmp_path: Path):
    with pytest.raises(InputError, match=r"holds no evaluation\.json"):
        read_evaluations([tmp_path])
