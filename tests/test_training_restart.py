"""A training that is killed and started again ends with the weights of one that was not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from darkregulome.errors import InputError
from darkregulome.simulate.expression import simulate_expression
from darkregulome.simulate.writing import write_expression
from darkregulome.training import loop
from darkregulome.training.loop import Losses, Plan, Task, train
from darkregulome.training.schedule import Budget
from darkregulome.training.state import StateFile
from places import ROOT
from script_runner import run_script

KILLED = """
import os, runpy, signal, sys

from darkregulome.training import loop

class Optimizer:
    steps = 0

at, script = int(sys.argv[1]), sys.argv[2]
step = loop._Loop._step

def killed_step(self, number, progress):
    step(self, number, progress)
    Optimizer.steps += 1
    if Optimizer.steps == at:
        os.kill(os.getpid(), signal.SIGKILL)  # the step is done, its state is not written

loop._Loop._step = killed_step
sys.argv = [script, *sys.argv[3:]]
sys.path.insert(0, os.path.dirname(script))
runpy.run_path(script, run_name="__main__")
"""


def run_killed(script: str, options: list[str], after: int) -> int:
    """Exit status of a script of bin/ in a process of its own, which is killed after so many steps."""
    words = [sys.executable, "-c", KILLED, str(after), str(ROOT / "bin" / script), *options]
    return subprocess.run(words, env={**os.environ, "PYTHONPATH": str(ROOT / "bin")}, check=False).returncode


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_killed_language_model_ends_as_if_it_had_not_been(tmp_path):
    letters = np.random.default_rng(0).choice(list("ACGT"), (2, 3000))
    fasta = tmp_path / "genome.fa"
    fasta.write_text("".join(f">chr{row + 1}\n{''.join(line)}\n" for row, line in enumerate(letters)))
    config = tmp_path / "gpn.json"
    config.write_text(json.dumps({"hidden_size": 8, "n_layers": 2, "kernel_size": 5}))

    def options(out: str) -> list[str]:
        words = ["--fasta", fasta, "--architecture", "gpn", "--config", config, "--holdout", "chr2", "--steps", 7]
        words += ["--window", 64, "--batch", 4, "--evaluate-every", 2, "--state-minutes", 0, "--threads", 1]
        words += ["--patience", 3, "--no-progress", "--outdir", tmp_path / out]
        return [str(word) for word in words]

    assert run_script("train_lm", *options("whole")).code == 0
    assert run_killed("train_lm.py", options("broken"), after=3) == -9
    assert not (tmp_path / "broken").exists()
    assert (tmp_path / "broken.state").exists()
    assert run_script("train_lm", *options("broken")).code == 0
    assert_equal(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    curves = [json.loads((tmp_path / out / "training_curve.json").read_text())["curve"] for out in ("whole", "broken")]
    assert curves[0] == curves[1]
    assert not (tmp_path / "broken.state").exists()


def test_a_killed_seq2exp_ends_as_if_it_had_not_been(tmp_path):
    write_expression(simulate_expression(seed=3, genes=12, window=1024, genes_per_contig=4), tmp_path / "s")
    recipe = {
        "model": {
            "signals": ["dnase"], "log10_signals": [], "window": 1024, "d_model": 8, "n_layer": 1, "resolution": 32,
            "ssm_cfg": {"d_state": 4}, "stem_width": 9, "mask": {"kind": "hard", "centre": 64, "signal_scale": 1.0},
        },
        "training": {"steps": 5, "batch": 2, "warm_up": 1, "validate_every": 2, "shift": 16, "kl_guard": 0.01},
    }  # fmt: skip
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))

    def options(out: str) -> list[str]:
        words = ["--fasta", tmp_path / "s" / "genome.fa.gz", "--expression", tmp_path / "s" / "expression.tsv"]
        words += ["--signal", f"dnase={tmp_path / 's' / 'dnase.bw'}", "--config", tmp_path / "recipe.json"]
        words += ["--folds", 3, "--fold", 0, "--seeds", 2, "--state-minutes", 0, "--no-progress"]
        return [*(str(word) for word in words), "--outdir", str(tmp_path / out)]

    assert run_script("train_seq2exp", *options("whole")).code == 0
    # The eighth step is the third of the second model: the first one's is not trained again.
    assert run_killed("train_seq2exp.py", options("broken"), after=8) == -9
    assert run_script("train_seq2exp", *options("broken")).code == 0
    for name in ("fold0_seed0", "fold0_seed1"):
        assert_equal(weights(tmp_path / "whole" / name), weights(tmp_path / "broken" / name))
    tables = [(tmp_path / out / "metrics.tsv").read_text() for out in ("whole", "broken")]
    assert tables[0] == tables[1]
    assert not (tmp_path / "broken" / ".state").exists()


TINY_ENFORMER = {
    "dim": 24, "depth": 1, "heads": 1, "output_heads": {"human": 2}, "target_length": 8, "attn_dim_key": 8,
    "num_downsamples": 7, "dim_divisible_by": 4,
}  # fmt: skip
TOWER_STEPS = TRANSFORMER_STEPS = 3


@pytest.fixture(scope="module")
def enformer_options(tmp_path_factory):
    """Options of a training of six steps, and the checkpoint of one that nobody killed."""
    folder = tmp_path_factory.mktemp("enformer")
    rng = np.random.default_rng(0)
    (folder / "genome.fa").write_text(
        "".join(f">{name}\n{''.join(rng.choice(list('ACGT'), 3000))}\n" for name in ("chr1", "chr2"))
    )
    (folder / "tss.bed").write_text("chr1\t900\t901\nchr1\t2000\t2001\nchr2\t1500\t1501\n")
    (folder / "config.json").write_text(json.dumps(TINY_ENFORMER))
    words = ["--fasta", folder / "genome.fa", "--tss", folder / "tss.bed", "--config", folder / "config.json"]
    for track in ("one", "two"):
        with pyBigWig.open(str(folder / f"{track}.bw"), "w") as bigwig:
            bigwig.addHeader([("chr1", 3000), ("chr2", 3000)])
            for name in ("chr1", "chr2"):
                bigwig.addEntries(name, 0, values=rng.poisson(0.1, 3000).astype(float), span=1, step=1)
        words += ["--tracks", folder / f"{track}.bw"]
    words += ["--holdout", "chr2", "--steps", TOWER_STEPS + TRANSFORMER_STEPS, "--window", 1024, "--threads", 1]
    words += ["--tower-window", 256, "--state-minutes", 0, "--no-progress", "--device", "cpu"]
    assert run_script("train_enformer", *words, "--outdir", folder / "whole").code == 0
    return words, folder / "whole"


@pytest.mark.parametrize("step", range(1, TOWER_STEPS + TRANSFORMER_STEPS + 1))
def test_an_enformer_interrupted_at_any_step_of_either_part_ends_as_if_it_had_not_been(
    tmp_path, monkeypatch, enformer_options, step
):
    """Dropout and batch normalisation are at work, so all of the random state and all buffers must come back."""
    words, whole = enformer_options
    done, unharmed = 0, loop._Loop._step

    def killed(self, number, progress):
        nonlocal done
        unharmed(self, number, progress)
        done += 1
        if done == step:
            raise Killed  # the step is done, its state is not written

    monkeypatch.setattr(loop._Loop, "_step", killed)
    out = tmp_path / "broken"
    with pytest.raises(Killed):
        run_script("train_enformer", *words, "--outdir", out)
    assert not out.exists()
    torch.rand(5)  # what another process has drawn
    assert run_script("train_enformer", *words, "--outdir", out).code == 0
    assert done == TOWER_STEPS + TRANSFORMER_STEPS + 1  # no step but the killed one was done twice
    assert_equal(weights(whole), weights(out))
    cards = [json.loads((folder / "model_card.json").read_text()) for folder in (whole, out)]
    assert {**cards[0], "model": "", "command": ""} == {**cards[1], "model": "", "command": ""}
    assert list(tmp_path.iterdir()) == [out]


class Line(Task):
    """A line through noisy points, with dropout, so that all three kinds of random generators are at work."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.3), nn.Linear(4, 1))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.generators = {"points": np.random.default_rng(1), "noise": torch.Generator().manual_seed(2)}

    def draw(self):
        x = torch.from_numpy(self.generators["points"].normal(size=(6, 3)).astype(np.float32))
        return x, x.sum(1, keepdim=True) + torch.randn(6, 1, generator=self.generators["noise"])

    def split(self, batch, parts):
        rows = torch.arange(6).tensor_split(parts)
        return [((batch[0][row], batch[1][row]), len(row) / 6) for row in rows]

    def losses(self, batch, step, device) -> Losses:
        loss = (self.model(batch[0]) - batch[1]).square().mean()
        return loss, {"loss": float(loss.detach())}

    def evaluate(self):
        self.model.eval()
        with torch.no_grad():
            return {"error": float((self.model(torch.ones(1, 3)) - 3).square())}


def plan(**changes) -> Plan:
    given = {"budget": Budget(9), "rate": lambda _step, _progress: 0.05, "evaluate_every": 2, "watch": "error"}
    return Plan(**{**given, **changes})


class Killed(BaseException):
    """Nobody catches it."""


@pytest.mark.parametrize("step", range(1, 10))
def test_a_training_interrupted_at_any_step_goes_on_exactly(tmp_path, step):
    whole = Line()
    wanted = train(whole, plan())
    state = StateFile(tmp_path / "line.state", {"task": "line"}, minutes=0)
    broken = Line()
    draws = 0

    def draw():
        nonlocal draws
        draws += 1
        if draws == step:
            raise Killed
        return Line.draw(broken)

    broken.draw = draw  # type: ignore[method-assign]
    with pytest.raises(Killed):
        train(broken, plan(), state=state)
    torch.rand(5)  # what another process has drawn
    again = Line()
    found = train(again, plan(), state=state)
    assert_equal(whole.model.state_dict(), again.model.state_dict())
    assert found == wanted


def test_a_finished_training_is_not_trained_again(tmp_path):
    state = StateFile(tmp_path / "state", {}, minutes=60)
    first, again = Line(), Line()
    wanted = train(first, plan(), state=state)
    again.draw = None  # type: ignore[assignment]
    assert train(again, plan(), state=state) == wanted
    assert_equal(first.model.state_dict(), again.model.state_dict())


def test_the_state_of_another_training_is_refused(tmp_path):
    train(Line(), plan(), state=StateFile(tmp_path / "a.state", {"seed": 1, "window": 64}, 0))
    with pytest.raises(InputError, match=r"not the same: seed\)"):
        train(Line(), plan(), state=StateFile(tmp_path / "a.state", {"seed": 2, "window": 64}, 0))
    (tmp_path / "b.state").write_bytes(b"PK not a state")
    with pytest.raises(InputError, match="not the state of a training"):
        train(Line(), plan(), state=StateFile(tmp_path / "b.state", {}, 0))


def test_training_stops_when_nothing_gets_better_and_keeps_the_best():
    errors = iter([5.0, 3.0, 4.0, 3.5, 1.0])

    kept = {}

    class Known(Line):
        def evaluate(self):
            error = next(errors)
            kept[error] = {name: value.clone() for name, value in self.model.state_dict().items()}
            return {"error": error}

    task = Known()
    done = train(task, plan(budget=Budget(100), evaluate_every=1, patience=2))
    assert (done.steps, done.best_step, done.best) == (4, 2, 3.0)
    assert_equal(task.model.state_dict(), kept[3.0])


def test_a_loss_that_is_no_number_is_told():
    task = Line()
    with torch.no_grad():
        task.model[0].weight.fill_(float("nan"))
    with pytest.raises(InputError, match="no number"):
        train(task, plan())
