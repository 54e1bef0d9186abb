"""The report: what a reader must find in it, and what must never get into it."""

import copy
import json
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import pytest

from places import ROOT

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import yaml

from darkregulome import claims
from darkregulome.diagnosis.calibrate import calibrate
from darkregulome.diagnosis.calibration_input import calibration_input
from darkregulome.diagnosis.diagnose import Diagnosis as Diagnosed
from darkregulome.diagnosis.entries import MEANING
from darkregulome.diagnosis.settings import CalibrationPlan, Settings
from darkregulome.errors import InputError
from darkregulome.io.records import VERDICTS
from darkregulome.plots.style import VERDICT_COLOURS, save
from darkregulome.report import markup
from darkregulome.report.content import Section
from darkregulome.report.figures import figure_sections, find_figures
from darkregulome.report.findings import Findings, read_findings
from darkregulome.report.records import Diagnosis, ModelCard, Truth
from darkregulome.report.regulome import report_sections
from darkregulome.report.regulome.models import card_statement
from darkregulome.report.settings import RegulomeFiles
from example_diagnosis import example_diagnosis
from script_runner import run_script

CONFIG = ROOT / "assets" / "multiqc_config.yml"
HOSTILE = "<script>alert('x')</script>"
EMPTY = '{"version": 2, "claims": []}'


def diagnosis_record() -> dict:
    """A whole diagnosis.json: a language model and an output model."""
    return copy.deepcopy(example_diagnosis().record)


def claim(name: str, model: str, verdict: str | None, **more) -> dict:
    """An entry of diagnosis.json: what the diagnosis wrote of a horizon, under other names."""
    return diagnosis_record()["claims"][0] | {"claim": name, "model": model, "verdict": verdict} | more


def version_2(**record) -> Diagnosis:
    """A diagnosis of this version, of the keys that matter."""
    return Diagnosis.model_validate({"version": 2, "claims": [], **record})


def truth_record(planted: bool = True) -> dict:
    expected = [
        {"claim": "horizon", "model": "lm", "verdict": ["hinges", "survives"]},
        {"claim": "te_discrimination", "model": "lm", "verdict": "survives"},
        {"claim": "eqtl", "model": "output", "verdict": "survives"},
    ]
    return {"planted": planted, "seed": 1, "expected": expected if planted else [], "facts": {"horizon": 10000}}


def decomposition_record() -> dict:
    """A decomposition.json: rank agreement and overlap of each pair, rung by rung, and the layers."""

    def pair(first: str, second: str, rung: str, rho: float) -> dict:
        overlap = {"k": 180, "overlap": 60, "expected_by_chance": 18.0, "p_more": 0.001, "p_fewer": 1.0}
        return {
            "first": first,
            "second": second,
            "scores": rung,
            "n": 1800,
            "spearman": rho,
            "overlap_q": 0.002,
        } | overlap

    rhos = {("lm", "lm2"): 0.8, ("lm", "output"): 0.2, ("lm2", "output"): 0.1}
    pairs = [pair(*models, rung, rho) for models, rho in rhos.items() for rung in ("raw", "trivial", "full")]
    layers = {"shared": {"n": 12, "classes": {"cCRE": 12}, "median_distance": 4200.0, "n_sure": 9}, "none": {"n": 0}}
    return {"version": 2, "claims": [], "pairs": pairs, "layers": layers, "notes": ["A note."]}


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """The files of a whole run, as the stages leave them."""
    return write_run(tmp_path)


@pytest.fixture(scope="module")
def report_html(tmp_path_factory) -> str:
    """The report of a whole run, by the script and MultiQC."""
    folder = write_run(tmp_path_factory.mktemp("run"))
    done = run_script("report", "regulome", *arguments(folder))
    assert done.code == 0, done.err
    return build_report(folder / "sections", folder / "out")


def write_run(tmp_path: Path) -> Path:
    eqtl = {"version": 2, "check": "eqtl", "claims": [claim("eqtl", "output", "survives")]}
    files = {
        "diagnosis.json": diagnosis_record(),
        "decomposition.json": decomposition_record(),
        "cross_check_eqtl.json": eqtl,
        "truth.json": truth_record(),
        "models/lm/model_card.json": {
            "command": "train_lm.py --architecture caduceus",
            "heldout_loss": 1.2345,
            "markov_loss": {str(order): 1.38 - order / 100 for order in range(1, 6)},
            "motif_loss": {"inside": 0.61, "outside": 1.21, "windows": 128},
        },
    }
    for name, record in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))
    (tmp_path / "failed_loci.tsv").write_text("locus\treason\nBROKEN1\tTSS past the end of the contig\n")
    for name, title in (("horizon", "RIS against distance"), ("nulls", "Nulls"), ("shares", "Variance shares")):
        draw(tmp_path / "figures" / f"{name}.png", title, f"The caption of {name}.")
    return tmp_path


def draw(path: Path, title: str = "", caption: str = "") -> None:
    """A figure as the stages draw it, or as anybody does, without title and caption."""
    figure, axes = plt.subplots(figsize=(4, 3))
    axes.plot([0, 1, 2], [0, 1, 4])
    axes.set_title(path.stem)
    save(figure, path.parent, path.stem, title, caption)


def findings_of(diagnosis: Path, **files) -> Findings:
    return read_findings(RegulomeFiles(diagnosis=diagnosis, **files))


def sections_by_id(findings: Findings) -> dict[str, Section]:
    return {section.id: section for section in report_sections(findings)}


def arguments(folder: Path) -> list[str]:
    return [
        *("--diagnosis", f"{folder}/diagnosis.json", "--decomposition", f"{folder}/decomposition.json"),
        *("--cross-checks", f"{folder}/cross_check_eqtl.json", "--truth", f"{folder}/truth.json"),
        *("--failed", f"{folder}/failed_loci.tsv", "--figures", f"{folder}/figures"),
        *("--model-cards", f"{folder}/models/lm/model_card.json", "--outdir", f"{folder}/sections"),
    ]


def build_report(sections: Path, out: Path, *configs: Path) -> str:
    """Run MultiQC as the pipeline does, with every network look-up pointed at nothing."""
    multiqc = Path(sys.executable).with_name("multiqc")
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_COLOR": "1"}
    settings = [word for config in (CONFIG, *configs) for word in ("--config", config)]
    command = [multiqc, *settings, "--strict", "--outdir", out, sections]
    environment = {"PATH": f"{multiqc.parent}:/usr/bin:/bin", "HOME": str(out.parent), **offline}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return (out / "report.html").read_text()


class Rows(HTMLParser):
    """The text of each table row of an HTML document, cell by cell; and every tag seen."""

    def __init__(self, html: str):
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._cell = False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag):
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, text):
        if self._cell:
            self.rows[-1][-1] += text


def sections_of(folder: Path) -> dict[str, dict]:
    return {path.name: json.loads(path.read_text()) for path in (folder / "sections").glob("*_mqc.json")}


def test_the_script_writes_every_section_and_multiqc_orders_them_all(run_folder):
    done = run_script("report", "regulome", *arguments(run_folder))
    assert done.code == 0, done.err
    written = {content["id"] for content in sections_of(run_folder).values()}
    order = yaml.safe_load(CONFIG.read_text())["custom_content"]["order"]
    assert written <= set(order)
    assert {
        "darkregulome_verdicts",
        "darkregulome_planted",
        "darkregulome_shares",
        "darkregulome_figures_nulls",
    } <= written
    assert {
        "darkregulome_cross_checks",
        "darkregulome_models",
        "darkregulome_failed",
        "darkregulome_methods",
    } <= written
    assert order[:3] == ["darkregulome_verdicts", "darkregulome_input_notes", "darkregulome_planted"]


def test_multiqc_builds_the_report_offline_with_verdicts_first(report_html):
    html = report_html
    horizon = diagnosis_record()["claims"][0]
    claimed, model, *rungs, verdict, words = next(row for row in Rows(html).rows if len(row) == 7 and row[1] == "lm")
    assert (claimed, model, verdict) == ("Regulatory horizonhorizon", "lm", "✓ survives")
    for cell, rung in zip(rungs, ("raw", "trivial", "full"), strict=True):
        low, high = horizon[rung]["interval"]
        numbers = f"{horizon[rung]['effect']:.3g}[{low:.3g}, {high:.3g}]q = {horizon[rung]['q']:.4f}"
        assert cell.replace("\n", "") == numbers
    assert words == f"{horizon['sentence']}Effect: near less far, SD of the score."
    places = [
        html.index(f'id="darkregulome_{name}"')
        for name in ("verdicts", "planted", "gates", "shares", "models", "methods")
    ]
    assert places == sorted(places)
    assert "data:image/png;base64," in html
    assert "BROKEN1" in html


def test_the_report_speaks_of_one_edition(report_html):
    text = " ".join(" ".join(row) for row in Rows(report_html).rows)
    assert not re.search(r"residual RIS|raw and residual|baseline_membership|six features", text)


def test_every_word_is_said_with_its_meaning_and_its_number(diagnosed: Diagnosed):
    html = sections_by_id(Findings(Diagnosis.model_validate(diagnosed.record)))["verdicts"].data
    rows = Rows(html).rows[: len(VERDICTS)]
    assert [row[0].split()[1] for row in rows] == list(VERDICTS)
    for word, count, meaning in (row[0].split()[1:] + row[1:] for row in rows):
        assert meaning.lower() == MEANING.get(word, meaning).lower()
        orders = [order["verdict"] for order in diagnosed.record["class_order"].values()]
        others = [one["verdict"] for one in diagnosed.record["claims"] if one["claim"] != "class_hierarchy"]
        assert int(count) == [*others, *orders].count(word)
    for word, colour in VERDICT_COLOURS.items():
        assert f".dr-{word} {{ background: {colour}; }}" in markup.STYLE


def test_the_order_of_classes_is_shown_and_its_pairs_are_folded(diagnosed: Diagnosed):
    html = str(sections_by_id(Findings(Diagnosis.model_validate(diagnosed.record)))["verdicts"].data)
    open_part, folded = html.split("<details>")
    assert "cCRE over TE" not in open_part
    assert any("lm: cCRE over TE" in row for row in Rows(folded).rows)
    (order,) = (row for row in Rows(open_part).rows if row[0] == "lm" and len(row) == 5)
    assert order[4] == "undecided: 1; not identifiable: 2"


def test_what_a_verdict_rests_on_is_shown(diagnosed: Diagnosed):
    rows = Rows(sections_by_id(Findings(Diagnosis.model_validate(diagnosed.record)))["gates"].data).rows
    horizon = diagnosed.record["claims"][0]
    row = next(row for row in rows if row[:2] == ["Regulatory horizon", "lm"])
    assert float(row[8]) == pytest.approx(horizon["sensitivity"]["robustness_value"], rel=0.01)
    times = horizon["sensitivity"].get("in_units_of_it")
    assert (
        row[9] == "no measured feature matters"
        if times is None
        else float(row[9].split(" × ")[0]) == pytest.approx(times, rel=0.01)
    )
    assert float(row[6]) == pytest.approx(horizon["gates"]["reliability"], rel=0.01)
    assert row[5] == "yes"


def test_a_rung_that_says_nothing_is_named_so():
    not_measured = claim("horizon", "lm", "undecided", full=None, reason="predictability not measured")
    told = claim("te_discrimination", "lm", "undecided", reason="not identifiable")
    told["trivial"] = told["trivial"] | {"left_over": 0.01}
    html = sections_by_id(Findings(version_2(claims=[not_measured, told])))["verdicts"].data
    first, second = (row for row in Rows(html).rows if len(row) == 7 and row[1] == "lm")
    assert (first[4], second[3]) == ("not measured", "not identifiable")
    assert (first[5], second[5]) == ("? undecidedpredictability not measured", "? undecidednot identifiable")


def test_the_report_says_which_verdicts_can_be_reached(tmp_path):
    plan = CalibrationPlan(loci=6, per_locus=40, worlds="nothing,masked", autocorrelation="0", tables=2)
    settings = Settings(permutations=99)
    record = calibrate(calibration_input(plan, 0).asked, plan.tables, plan.effect, settings)
    (tmp_path / "calibration.json").write_text(json.dumps({"parameters": {"effect": plan.effect}, **record}))
    (tmp_path / "diagnosis.json").write_text(json.dumps(diagnosis_record()))
    done = run_script(
        *("report", "regulome", "--diagnosis", f"{tmp_path}/diagnosis.json"),
        *("--calibration", f"{tmp_path}/calibration.json", "--outdir", f"{tmp_path}/sections"),
    )
    assert done.code == 0, done.err
    html = sections_of(tmp_path)["darkregulome_calibration_mqc.json"]["data"]
    assert "Drawn: 240 elements in 6 loci. This run: 480 elements in 8 loci. The planted effect is 0.25 SD." in html
    rows = Rows(html).rows
    worlds = {row[2]: row for row in rows if row[0] == "Regulatory horizon"}
    assert list(worlds) == [row["world"] for row in record["worlds"]]
    said = [f"{word}: {n}" for word, n in record["worlds"][0]["verdicts"].items() if n]
    assert worlds[record["worlds"][0]["world"]][5] == "; ".join(said)
    hinges = next(row for row in rows if row[0].endswith("hinges"))
    assert hinges[1:] == ["–", "it is right in none that was drawn"]


@pytest.mark.parametrize("file", ["diagnosis", "decomposition", "cross_check_eqtl"])
@pytest.mark.parametrize(
    ("version", "said"),
    [(None, "an older version, with four verdicts"), (1, "an older version"), (3, "a newer version")],
)
def test_a_file_of_another_version_is_one_clear_sentence(run_folder, file, version, said):
    path = run_folder / f"{file}.json"
    record = json.loads(path.read_text())
    record["version"] = version
    # The first edition had other keys, none of which may be complained of.
    record["claims"] = [{"claim": "horizon", "verdict": "underpowered"}]
    path.write_text(json.dumps({key: value for key, value in record.items() if value is not None}))
    done = run_script("report", "regulome", *arguments(run_folder))
    assert done.code == 2
    assert done.err.count(f"{file}.json") == 1
    assert f"{file}.json: was written by {said}" in " ".join(done.err.split())
    assert not (run_folder / "sections").exists()


def test_no_asset_is_fetched_from_elsewhere(report_html):
    class Sources(HTMLParser):
        def __init__(self):
            super().__init__()
            self.found: list[str] = []

        def handle_starttag(self, tag, attributes):
            named = dict(attributes)
            self.found.append(str(named.get("src" if tag in ("script", "img", "iframe") else "href", "")))
            if tag == "a":
                self.found.pop()

    parser = Sources()
    parser.feed(report_html)
    assert not [source for source in parser.found if source.startswith(("http:", "https:", "//"))]


def test_planted_claims_are_ticked_crossed_or_named_as_untested(run_folder):
    assert run_script("report", "regulome", *arguments(run_folder)).code == 0
    rows = Rows(sections_of(run_folder)["darkregulome_planted_mqc.json"]["data"]).rows
    assert [row[4] for row in rows if len(row) == 5][1:] == ["✓ as planted", "✗ differs", "✓ as planted"]


def test_an_expected_claim_that_was_not_tested_is_no_success():
    findings = Findings(version_2(), truth=Truth.model_validate(truth_record()))
    html = sections_by_id(findings)["planted"].data
    assert "0 of 3 as planted, 3 not tested" in html
    assert "✓ as planted" not in html


@pytest.mark.parametrize(("verdict", "right"), [("collapses", True), ("absent", True), ("survives", False)])
def test_nothing_may_survive_where_nothing_was_planted(verdict, right):
    diagnosis = version_2(claims=[claim("horizon", "lm", verdict)])
    findings = Findings(diagnosis, truth=Truth.model_validate(truth_record(planted=False)))
    html = sections_by_id(findings)["planted"].data
    assert ("✓ as planted" in html) is right
    assert ("✗ differs" in html) is not right


def test_hostile_text_is_shown_and_never_run(run_folder):
    record = diagnosis_record()
    record["claims"].append(claim(HOSTILE, HOSTILE, "absent", sentence=HOSTILE, unit=HOSTILE, reason=HOSTILE))
    record["class_order"][HOSTILE] = record["class_order"]["lm"]
    record["models"][HOSTILE] = record["models"]["lm"] | {
        "kind": HOSTILE,
        "features": [HOSTILE],
        "predictability_source": HOSTILE,
    }
    record["parameters"][HOSTILE] = HOSTILE
    (run_folder / "diagnosis.json").write_text(json.dumps(record))
    (run_folder / "truth.json").write_text(json.dumps(truth_record() | {"facts": {HOSTILE: [HOSTILE]}}))
    decomposition = decomposition_record()
    decomposition["pairs"].append(decomposition["pairs"][0] | {"first": HOSTILE})
    decomposition["layers"][HOSTILE] = {"n": 1, "classes": {HOSTILE: 1}}
    decomposition["notes"].append(HOSTILE)
    (run_folder / "decomposition.json").write_text(json.dumps(decomposition))
    (run_folder / "failed_loci.tsv").write_text(f"locus\t{HOSTILE}\n{HOSTILE}\t<img src=x onerror=alert(1)>\n")
    card = run_folder / "models/lm/model_card.json"
    card.write_text(json.dumps({"name": HOSTILE, "command": HOSTILE, "heldout_loss": 1.0}))
    assert run_script("report", "regulome", *arguments(run_folder)).code == 0
    for name, content in sections_of(run_folder).items():
        assert "<script" not in json.dumps(content), name
        assert "<img src=x" not in json.dumps(content), name
    html = build_report(run_folder / "sections", run_folder / "out")
    assert HOSTILE not in html
    assert "&lt;script&gt;" in html


def test_a_diagnosis_alone_makes_a_report(tmp_path):
    (tmp_path / "diagnosis.json").write_text(json.dumps(diagnosis_record()))
    done = run_script(
        "report", "regulome", "--diagnosis", f"{tmp_path}/diagnosis.json", "--outdir", f"{tmp_path}/sections"
    )
    assert done.code == 0, done.err
    assert "Regulatory horizon" in build_report(tmp_path / "sections", tmp_path / "out")


def test_a_run_without_a_claim_still_says_so(tmp_path):
    (tmp_path / "diagnosis.json").write_text(EMPTY)
    assert sections_by_id(findings_of(tmp_path / "diagnosis.json")).keys() == {"verdicts", "methods"}


def test_missing_numbers_are_dashes_and_not_nan(tmp_path):
    empty = {"claim": "horizon", "model": "m", "raw": {"effect": None, "q": None}, "trivial": {}, "verdict": "absent"}
    (tmp_path / "diagnosis.json").write_text(json.dumps({"version": 2, "claims": [empty]}))
    html = sections_by_id(findings_of(tmp_path / "diagnosis.json"))["verdicts"].data
    row = next(row for row in Rows(html).rows if row[1:2] == ["m"])
    assert [cell.replace("\n", "") for cell in row[2:5]] == ["–q = –", "–q = –", "not measured"]
    assert "nan" not in html.lower().replace("content", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"claims": [', "is not JSON"),
        ("[]", "holds a JSON list"),
        ('{"models": {}}', "claims"),
        (EMPTY.replace("[]", '[{"claim": "horizon", "model": "m", "verdict": "significant"}]'), "claims.0.verdict"),
    ],
)
def test_a_broken_diagnosis_is_bad_input(tmp_path, text, said):
    (tmp_path / "diagnosis.json").write_text(text)
    done = run_script(
        "report", "regulome", "--diagnosis", f"{tmp_path}/diagnosis.json", "--outdir", f"{tmp_path}/sections"
    )
    assert done.code == 2
    assert "diagnosis.json" in done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "sections").exists()


def test_all_problems_are_named_at_once(tmp_path):
    (tmp_path / "truth.json").write_text("{")
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(InputError) as caught:
        findings_of(
            tmp_path / "absent.json",
            truth=tmp_path / "truth.json",
            cross_checks=[tmp_path / "no.json"],
            figures=[tmp_path],
        )
    said = str(caught.value)
    assert all(name in said for name in ("absent.json", "truth.json", "no.json", "text.png"))


def test_an_empty_failure_table_says_that_nothing_failed(tmp_path):
    (tmp_path / "diagnosis.json").write_text(EMPTY)
    (tmp_path / "none.tsv").write_text("locus\treason\n")
    (tmp_path / "empty.tsv").write_text("")
    failed = [tmp_path / "none.tsv", tmp_path / "empty.tsv"]
    assert "Nothing failed" in sections_by_id(findings_of(tmp_path / "diagnosis.json", failed=failed))["failed"].data


def test_what_was_not_tested_or_not_scored_is_said_with_its_reason(tmp_path):
    record = diagnosis_record()
    record["not_tested"] = [{"claim": "class_hierarchy", "model": "lm", "reason": "one class only"}]
    record["models"]["lm"] |= {"without_score": {"n_masked": 12345, "failed": 0}}
    (tmp_path / "diagnosis.json").write_text(json.dumps(record))
    sections = sections_by_id(findings_of(tmp_path / "diagnosis.json"))
    assert Rows(sections["verdicts"].data).rows[-1][1:] == ["lm", "one class only"]
    assert Rows(sections["failed"].data).rows[1:] == [["lm", "n_masked", "12,345"]]


def test_overlaps_and_layers_are_reported(run_folder):
    findings = findings_of(run_folder / "diagnosis.json", decomposition=run_folder / "decomposition.json")
    sections = sections_by_id(findings)
    rows = Rows(sections["list_overlap"].data).rows
    assert len(rows) == 10
    assert rows[1] == ["lm × lm2", "RIS", "180", "60", "18", "0.0010", "1.0000", "0.0020"]
    assert Rows(sections["layers"].data).rows[1][2:] == ["12", "9", "4.2 kb", "cCRE: 12"]


def test_figures_stand_under_the_title_that_is_written_in_them(tmp_path):
    captions = {"layers": "Elements in each layer, ρ > 0.", "overlap": "Both."}
    for name, caption in captions.items():
        draw(tmp_path / f"{name}.png", "Top lists", caption)
    draw(tmp_path / "alone.png", "Nulls", "As the null would have it.")
    draw(tmp_path / "strange.png")
    sections = {section.title: section for section in figure_sections(find_figures([tmp_path]))}
    assert {title: section.id for title, section in sections.items()} == {
        "Nulls": "figures_nulls",
        "Top lists": "figures_top_lists",
        "Further figures": "figures_further_figures",
    }
    assert sections["Nulls"].description == "As the null would have it."
    assert re.findall("<figcaption>(.*)</figcaption>", unescape(sections["Top lists"].data)) == [*captions.values()]
    assert 'alt="strange"' in sections["Further figures"].data
    assert (tmp_path / "alone.svg").read_text().count("As the null would have it.") == 1


def test_a_figure_that_can_be_pointed_at_is_not_shown_as_a_picture_too(run_folder):
    findings = findings_of(run_folder / "diagnosis.json", figures=[run_folder / "figures"])
    ids = sections_by_id(findings).keys()
    assert {"shares", "figures_nulls"} <= ids
    assert "figures_variance_shares" not in ids


def test_a_title_in_a_figure_cannot_name_a_file_elsewhere(tmp_path):
    draw(tmp_path / "a.png", "../../" + HOSTILE, HOSTILE)
    (section,) = figure_sections(find_figures([tmp_path]))
    assert set(section.id) <= set("abcdefghijklmnopqrstuvwxyz_")
    assert "<script" not in json.dumps(section.content())


def methods_of(**parameters) -> str:
    record = diagnosis_record()
    findings = Findings(Diagnosis.model_validate(record | {"parameters": record["parameters"] | parameters}))
    return " ".join(sections_by_id(findings)["methods"].data.split())


def test_the_methods_are_those_of_the_run():
    usual, other = methods_of(), methods_of(null="free", alpha=0.01, bootstrap=200)
    assert "rotated along its elements" in usual
    assert "q below 0.05" in usual
    assert "are rotated" not in other
    assert "are shuffled among its elements" in other
    assert "q below 0.01" in other
    assert "(200 samples)" in other


def test_the_methods_define_every_word_and_name_floor_and_margin_of_each_claim():
    html = methods_of()
    assert all(f"<b>{word.capitalize()}</b>" in html for word in VERDICTS)
    row = next(row for row in Rows(html).rows if row[0].strip().endswith("list_overlap"))
    assert [cell.strip() for cell in row[3:5]] == ["0.05", "0.1"]


def test_the_models_are_shown_with_what_was_adjusted_for(diagnosed: Diagnosed):
    rows = Rows(sections_by_id(Findings(Diagnosis.model_validate(diagnosed.record)))["models"].data).rows
    model = diagnosed.record["models"]["output"]
    numbers, features = (row for row in rows if row[0] == "output")
    assert float(numbers[3].replace("−", "-")) == pytest.approx(model["r2"]["trivial"], abs=1e-3)
    told = "; ".join(f"{auc:.2g}" for auc in model["top_tenth_from_features"].values())
    assert numbers[5] == told
    assert "annotated repeats" in features[1]
    assert "copies elsewhere: no values" in features[2]
    assert features[3:] == ["mean of lm", "corrected, from its two halves"]


def test_a_claim_in_one_new_file_is_in_the_report(tmp_path, monkeypatch):
    text = (ROOT / "bin" / "darkregulome" / "claims" / "horizon.py").read_text()
    for old, new in (
        ('name="horizon"', 'name="toy"'),
        ('title="Regulatory horizon"', 'title="A claim of a test"'),
        ("do elements near the TSS score otherwise than those farther out?", "is a toy a claim?"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "toy.py").write_text(text)
    monkeypatch.setattr(claims, "__path__", [*claims.__path__, str(tmp_path)])
    sections = sections_by_id(Findings(version_2(claims=[claim("toy", "lm", "survives")])))
    assert "A claim of a test" in sections["verdicts"].data
    assert "Is a toy a claim?" in sections["methods"].data


@pytest.mark.parametrize(
    ("inside", "said"), [(0.6, "Knows the grammar."), (1.2, "Does not know the grammar"), (None, "")]
)
def test_a_card_says_whether_its_model_knows_the_grammar(inside, said):
    statement = card_statement(ModelCard(model="m", motif_loss={"inside": inside, "outside": 1.22}))
    assert statement.startswith(said)
    assert bool(statement) is bool(said)


@pytest.mark.parametrize(("loss", "said"), [(1.30, "better than every"), (1.35, "no better than")])
def test_a_card_is_held_against_its_markov_models(loss, said):
    assert said in card_statement(ModelCard(model="m", heldout_loss=loss, markov_loss={"1": 1.37, "5": 1.33}))


def test_heat_map_is_symmetric_and_shares_add_up(run_folder):
    findings = findings_of(run_folder / "diagnosis.json", decomposition=run_folder / "decomposition.json")
    sections = sections_by_id(findings)
    cells = sections["rank_agreement_raw"].data
    assert cells == [list(row) for row in zip(*cells, strict=True)]
    assert [cells[index][index] for index in range(3)] == [1.0] * 3
    assert {f"rank_agreement_{rung}" for rung in ("raw", "trivial", "full")} <= set(sections)
    for shares in sections["shares"].data.values():
        assert sum(shares.values()) == pytest.approx(100)


def test_a_strange_decomposition_costs_only_its_own_sections(tmp_path):
    (tmp_path / "diagnosis.json").write_text(json.dumps(diagnosis_record()))
    findings = findings_of(tmp_path / "diagnosis.json")
    strange = Findings(findings.diagnosis, decomposition={"pairs": [{"first": 3}, "x"], "layers": [], "notes": 1})
    assert sections_by_id(strange).keys() == sections_by_id(findings).keys()


@pytest.mark.parametrize(
    ("value", "text"), [(0.04, "0.0400"), (1e-4, "0.0001"), (2e-6, "2e−06"), (None, "–"), (float("nan"), "–")]
)
def test_probabilities_are_never_rounded_to_nothing(value, text):
    assert markup.probability(value) == text


def test_the_script_shows_an_example_and_its_version():
    assert "Example:" in run_script("report", "regulome", "--help").out
    assert run_script("report", "--version").out.startswith("darkregulome ")
