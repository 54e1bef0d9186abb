"""Single modules in a pipeline of others (tests/foreign), with channels, parameters and containers of its own."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from bad_input_corpus import make_world
from pipeline_runner import ROOT, nextflow

pytestmark = [pytest.mark.pipeline, pytest.mark.filterwarnings("ignore")]
FOREIGN = ROOT / "tests" / "foreign"


@pytest.mark.heavy
def test_modules_run_in_a_pipeline_of_others(tmp_path: Path):
    world = tmp_path / "world"
    world.mkdir()
    make_world(world)
    for folder, name, inside in (("a", "demo-hyena", 1.38), ("b", "demo-caduceus", 0.8)):
        (world / "cards" / folder).mkdir(parents=True)
        card = {"model": name, "motif_loss": {"inside": inside, "outside": 1.39}}
        (world / "cards" / folder / "model_card.json").write_text(json.dumps(card))
    words = ["--theirs", str(world), "--models_of_theirs", str(ROOT / "assets" / "models.yml"), "--into"]
    # What an image has on its PATH is here the environment's and the checkout's.
    path = os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ["PATH"], str(ROOT / "bin")])
    given = {"cwd": tmp_path, "PATH": path}
    status, output = nextflow("run", str(FOREIGN), *words, str(tmp_path / "delivered"), **given)
    assert status == 0, output
    delivered = tmp_path / "delivered"
    effects = pd.read_parquet(delivered / "ours.demo-hyena.effects.parquet")
    assert set(effects["element"].str.split("|").str[0]) == {"ALPHA"}
    variants = pd.read_csv(delivered / "demo-hyena.1.tsv", sep="\t")
    assert variants["pos"].tolist() == [7001, 8001, 9001]
    plain, carded = (json.loads((delivered / f"{name}.json").read_text()) for name in ("diagnosis", "with_cards"))
    assert len(plain["claims"]) == len(carded["claims"]) > 0
    assert (plain["parameters"]["without_grammar"], carded["parameters"]["without_grammar"]) == ([], ["demo-hyena"])


def test_their_containers_are_taken_and_ours_where_they_have_none(tmp_path: Path):
    words = ["--theirs", str(tmp_path), "--models_of_theirs", str(ROOT / "assets" / "models.yml")]
    status, output = nextflow("inspect", str(FOREIGN), *words, "-format", "json", cwd=tmp_path)
    assert status == 0, output
    found = json.loads(output[output.index("{") :])["processes"]
    images = {process["name"].split(":")[-1]: process["container"] for process in found}
    assert images["SCORE_ELEMENTS"] == images["SCORE_VARIANTS"] == "registry.example.org/institute/genomics:7"
    assert images["DIAGNOSE"].startswith("docker.io/darkregulome/darkregulome:")
