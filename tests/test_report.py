"""The report: what a reader must find in it, and what must never get into it."""

import json
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import matplotlib
import pytest

from places import ROOT

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import yaml

from darkregulome import claims
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.plots.style import save
from darkregulome.report import markup
from darkregulome.report.content import Section
from darkregulome.report.figures import figure_sections, find_figures
from darkregulome.report.findings import Findings, read_findings
from darkregulome.report.records import Diagnosis, ModelCard, Truth
from darkregulome.report.regulome import report_sections
from darkregulome.report.regulome.methods import FITS
from darkregulome.report.regulome.models import card_statement
from script_runner import run_script

CONFIG = ROOT / "assets" / "multiqc_config.yml"
HOSTILE = "<script>alert('x')</script>"
MODELS = {"demo-caduceus": "masked", "demo-hyena": "causal", "demo-enformer": "output"}


def claim(name: str, model: str, verdict: str | None, raw: float = 0.8, residual: float = 0.5, **more) -> dict:
    """An entry of diagnosis.json as docs/architecture.md describes it."""
    q = {"survives": (0.0003, 0.0004), "collapses": (0.0003, 0.62)}.get(verdict or "", (0.4, 0.5))
    return {
        "claim": name,
        "model": model,
        "unit": "near less far, SD",
        "raw": {"statistic": raw, "p": q[0] / 3, "q": q[0], "effect": raw, "interval": [raw - 0.1, raw + 0.1]},
        "residual": {"statistic": residual, "p": q[1] / 3, "q": q[1], "effect": residual, "interval": [0.31, 0.69]},
        "effect": residual,
        "interval": [0.31, 0.69],
        "null": "rotation",
        "n": 1800,
        "n_loci": 10,
        "power": 0.97,
        "floor": 0.1,
        "verdict": verdict,
        "sentence": f"{name} of {model} {verdict}.",
        "details": {},
    } | more


def diagnosis_record() -> dict:
    """A whole diagnosis.json: two language models and an output model."""
    shares = {"predictability": 0.9, "annotation": 0.02, "shared": 0.05, "unexplained": 0.03}
    return {
        "parameters": {"horizon": 10000, "permutations": 10000, "null": "rotation", "alpha": 0.05, "seed": 7},
        "models": {
            name: {"kind": kind, "n": 1800, "r2": 0.97, "shares": shares, "coefficients": {"gc": 0.2}}
            for name, kind in MODELS.items()
        },
        "claims": [
            claim("horizon", "demo-caduceus", "survives"),
            claim("horizon", "demo-hyena", "survives", residual=-0.456),
            claim("horizon", "demo-enformer", "underpowered"),
            claim("class_hierarchy", "demo-caduceus", "collapses"),
            claim("ccre_discrimination", "demo-enformer", "survives"),
            claim("list_overlap", "demo-caduceus|demo-hyena", None),
            claim("list_overlap", "demo-caduceus|demo-enformer", "absent"),
        ],
    }


def truth_record(planted: bool = True) -> dict:
    expected = [
        {"claim": "horizon", "model": "demo-caduceus", "verdict": "survives"},
        {"claim": "class_hierarchy", "model": "demo-caduceus", "verdict": "survives"},
        {"claim": "eqtl", "model": "demo-enformer", "verdict": "survives"},
    ]
    return {"planted": planted, "seed": 1, "expected": expected if planted else [], "facts": {"horizon": 10000}}


def decomposition_record() -> dict:
    """A decomposition.json: rank agreement and overlap of each pair, raw and residual, and the layers."""

    def pair(first: str, second: str, scores: str, rho: float) -> dict:
        overlap = {"k": 180, "overlap": 60, "expected_by_chance": 18.0, "overlap_beyond_chance": 0.26}
        agreement = {"first": first, "second": second, "scores": scores, "n": 1800, "spearman": rho}
        return agreement | overlap | {"overlap_interval": [0.2, 0.3], "overlap_p": 0.001, "overlap_q": 0.002}

    rhos = {("demo-caduceus", "demo-hyena"): 0.8, ("demo-caduceus", "demo-enformer"): 0.2}
    rhos |= {("demo-hyena", "demo-enformer"): 0.1}
    pairs = [pair(*models, scores, rho) for models, rho in rhos.items() for scores in ("raw", "residual")]
    layers = {"shared": {"n": 12, "classes": {"cCRE": 12}, "median_distance": 4200.0, "n_sure": 9}, "none": {"n": 0}}
    return {"pairs": pairs, "layers": layers, "notes": ["A note."]}


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
    files = {
        "diagnosis.json": diagnosis_record(),
        "decomposition.json": decomposition_record(),
        "cross_check_eqtl.json": {"check": "eqtl", "claims": [claim("eqtl", "demo-enformer", "survives")]},
        "truth.json": truth_record(),
        "models/demo-caduceus/model_card.json": {
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


def sections_by_id(findings: Findings) -> dict[str, Section]:
    return {section.id: section for section in report_sections(findings)}


def arguments(folder: Path) -> list[str]:
    return [
        *("--diagnosis", f"{folder}/diagnosis.json", "--decomposition", f"{folder}/decomposition.json"),
        *("--cross-checks", f"{folder}/cross_check_eqtl.json", "--truth", f"{folder}/truth.json"),
        *("--failed", f"{folder}/failed_loci.tsv", "--figures", f"{folder}/figures"),
        *("--model-cards", f"{folder}/models/demo-caduceus/model_card.json", "--outdir", f"{folder}/sections"),
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
    rows = [row for row in Rows(html).rows if row[-5:-4] and row[-5] in (*MODELS, "demo-caduceus × demo-hyena")]
    assert [row[-5] for row in rows[:3]] == ["demo-caduceus", "demo-hyena", "demo-enformer"]
    claimed, _, raw, residual, verdict, words = rows[0]
    assert claimed.endswith("horizon")
    assert raw == "0.8[0.7, 0.9]q = 0.0003"
    assert residual == "0.5[0.31, 0.69]q = 0.0004"
    assert verdict == "✓ survives"
    assert words == "horizon of demo-caduceus survives.Effect: near less far, SD."
    places = [
        html.index(f'id="darkregulome_{name}"') for name in ("verdicts", "planted", "shares", "models", "methods")
    ]
    assert places == sorted(places)
    assert "data:image/png;base64," in html
    assert "BROKEN1" in html


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
    findings = Findings(Diagnosis(claims=[]), truth=Truth.model_validate(truth_record()))
    html = sections_by_id(findings)["planted"].data
    assert "0 of 3 as planted, 3 not tested" in html
    assert "✓ as planted" not in html


@pytest.mark.parametrize(("verdict", "right"), [("collapses", True), ("absent", True), ("survives", False)])
def test_nothing_may_survive_where_nothing_was_planted(verdict, right):
    record = {"claims": [claim("horizon", "demo-caduceus", verdict)]}
    findings = Findings(Diagnosis.model_validate(record), truth=Truth.model_validate(truth_record(planted=False)))
    html = sections_by_id(findings)["planted"].data
    assert ("✓ as planted" in html) is right
    assert ("✗ differs" in html) is not right


def test_hostile_text_is_shown_and_never_run(run_folder):
    record = diagnosis_record()
    record["claims"].append(claim(HOSTILE, HOSTILE, "absent", sentence=HOSTILE, unit=HOSTILE))
    record["models"][HOSTILE] = record["models"]["demo-hyena"] | {"kind": HOSTILE}
    record["parameters"][HOSTILE] = HOSTILE
    (run_folder / "diagnosis.json").write_text(json.dumps(record))
    (run_folder / "truth.json").write_text(json.dumps(truth_record() | {"facts": {HOSTILE: [HOSTILE]}}))
    decomposition = decomposition_record()
    decomposition["pairs"].append(decomposition["pairs"][0] | {"first": HOSTILE})
    decomposition["layers"][HOSTILE] = {"n": 1, "classes": {HOSTILE: 1}}
    decomposition["notes"].append(HOSTILE)
    (run_folder / "decomposition.json").write_text(json.dumps(decomposition))
    (run_folder / "failed_loci.tsv").write_text(f"locus\t{HOSTILE}\n{HOSTILE}\t<img src=x onerror=alert(1)>\n")
    card = run_folder / "models/demo-caduceus/model_card.json"
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
    (tmp_path / "diagnosis.json").write_text('{"claims": []}')
    assert sections_by_id(read_findings(tmp_path / "diagnosis.json")).keys() == {"verdicts", "methods"}


def test_missing_numbers_are_dashes_and_not_nan(tmp_path):
    empty = {"claim": "horizon", "model": "m", "raw": {"effect": None, "q": None}, "residual": {}, "verdict": "absent"}
    (tmp_path / "diagnosis.json").write_text(json.dumps({"claims": [empty]}))
    html = sections_by_id(read_findings(tmp_path / "diagnosis.json"))["verdicts"].data
    row = next(row for row in Rows(html).rows if row[1:2] == ["m"])
    assert row[2:4] == ["–q = –", "–q = –"]
    assert "nan" not in html.lower().replace("content", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"claims": [', "is not JSON"),
        ("[]", "holds a JSON list"),
        ('{"models": {}}', "claims"),
        ('{"claims": [{"claim": "horizon", "model": "m", "verdict": "significant"}]}', "claims.0.verdict"),
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
        read_findings(
            tmp_path / "absent.json",
            truth=tmp_path / "truth.json",
            cross_checks=[tmp_path / "no.json"],
            figures=[tmp_path],
        )
    said = str(caught.value)
    assert all(name in said for name in ("absent.json", "truth.json", "no.json", "text.png"))


def test_an_empty_failure_table_says_that_nothing_failed(tmp_path):
    (tmp_path / "diagnosis.json").write_text('{"claims": []}')
    (tmp_path / "none.tsv").write_text("locus\treason\n")
    (tmp_path / "empty.tsv").write_text("")
    failed = [tmp_path / "none.tsv", tmp_path / "empty.tsv"]
    assert "Nothing failed" in sections_by_id(read_findings(tmp_path / "diagnosis.json", failed=failed))["failed"].data


def test_what_was_not_tested_or_not_scored_is_said_with_its_reason(tmp_path):
    record = diagnosis_record()
    record["not_tested"] = [{"claim": "class_hierarchy", "model": "demo-hyena", "reason": "one class only"}]
    record["models"]["demo-hyena"] |= {"without_score": {"n_masked": 12345, "failed": 0}}
    (tmp_path / "diagnosis.json").write_text(json.dumps(record))
    sections = sections_by_id(read_findings(tmp_path / "diagnosis.json"))
    assert Rows(sections["verdicts"].data).rows[-1][1:] == ["demo-hyena", "one class only"]
    assert Rows(sections["failed"].data).rows[1:] == [["demo-hyena", "n_masked", "12,345"]]


def test_overlaps_and_layers_are_reported(run_folder):
    findings = read_findings(run_folder / "diagnosis.json", decomposition=run_folder / "decomposition.json")
    sections = sections_by_id(findings)
    rows = Rows(sections["list_overlap"].data).rows
    assert len(rows) == 7
    assert rows[1] == ["demo-caduceus × demo-hyena", "RIS", "180", "60", "18", "0.26 [0.2, 0.3]", "0.0020"]
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
    findings = read_findings(run_folder / "diagnosis.json", figures=[run_folder / "figures"])
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
    usual, other = methods_of(), methods_of(residualize="splines", null="free", alpha=0.01, bootstrap=200)
    assert "a linear regression" in usual
    assert "rotated along its elements" in usual
    assert "below 0.05" in usual
    assert "a linear regression" not in other
    assert "a regression on splines of the features" in other
    assert "are rotated" not in other
    assert "are shuffled among its elements" in other
    assert "below 0.01" in other
    assert "(200 samples)" in other


def test_every_way_of_taking_features_out_is_named_in_the_methods():
    assert set(get_args(Settings.model_fields["residualize"].annotation)) == set(FITS)


def test_the_methods_name_verdicts_in_the_order_in_which_they_are_decided():
    html = methods_of()
    places = [html.index(f"<b>{word}</b>") for word in ("Survives", "Underpowered", "Collapses", "Absent")]
    assert places == sorted(places)
    assert "0.25 SD" in html  # power is stated for the reference effect, not for the floor of 0.1 SD


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
    sections = sections_by_id(Findings(Diagnosis.model_validate({"claims": [claim("toy", "demo-hyena", "survives")]})))
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
    findings = read_findings(run_folder / "diagnosis.json", decomposition=run_folder / "decomposition.json")
    sections = sections_by_id(findings)
    cells = sections["rank_agreement_raw"].data
    assert cells == [list(row) for row in zip(*cells, strict=True)]
    assert [cells[index][index] for index in range(3)] == [1.0] * 3
    for shares in sections["shares"].data.values():
        assert sum(shares.values()) == pytest.approx(100)


def test_a_strange_decomposition_costs_only_its_own_sections(tmp_path):
    (tmp_path / "diagnosis.json").write_text(json.dumps(diagnosis_record()))
    findings = read_findings(tmp_path / "diagnosis.json")
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
