"""Nothing of the user's is run: not by a shell, not by a parser, not from a checkpoint; and no token is told."""

import ast
import functools
import json
import re
import time
from pathlib import Path

import pytest

from darkregulome.models import hub
from fake_hub import REPO, REVISION, FakeHub, serve
from pipeline_runner import ROOT
from script_runner import run_script

MODULES = sorted((ROOT / "modules" / "local").glob("*/main.nf"))
SOURCES = [*sorted((ROOT / "bin").rglob("*.py")), *sorted((ROOT / "setup").rglob("*.py"))]

SCRIPT = re.compile(r'"""\n(.*?)"""', re.DOTALL)
HOLE = re.compile(r"\$\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
# Values that a schema, a pattern or Nextflow itself bounds; text in them can be no command.
BOUNDED = {"device", "processor", "format", "check", "meta.shard", "meta.shards", "task.cpus", "args", "source"}
ATTACKS = ["a;b", "$(id)", "`id`", "a b", "a|b", "a&b", "a>b", "a\nb", 'a"b', "a'b", "*", "~"]


def inputs_of(module: str) -> tuple[set[str], set[str]]:
    """Names of a process's values, and of its paths (whose names Nextflow escapes)."""
    block = module.partition("input:")[2].partition("output:")[0]
    return set(re.findall(r"\bval[ (](\w+)", block)), set(re.findall(r"\bpath[ (](\w+)", block))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.parent.name)
def test_no_module_puts_a_value_of_the_users_unquoted_into_a_shell(path: Path):
    text = path.read_text()
    values, _paths = inputs_of(text)
    for script in SCRIPT.findall(text):
        # A document whose end is named in quotes is taken as it stands.
        script = re.sub(r"<<'(\w+)'\n.*?\n *\1\n", "", script, flags=re.DOTALL)
        for hole in HOLE.finditer(script):
            name = hole.group(1).strip()
            constant = re.fullmatch(r"[\w.]+ \? '[^'$]*' : '[^'$]*'", name)
            if constant or name in BOUNDED or name.split(".")[0] not in values:
                continue
            line = script[script.rfind("\n", 0, hole.start()) + 1 : hole.start()]
            assert line.count("'") % 2 == 1, f"{path.parent.name}: {name!r} is not in single quotes"


def test_parameters_that_reach_a_shell_have_patterns_that_keep_commands_out():
    """All of them stand in single quotes, which a single quote would end, were it not escaped as well."""
    groups = json.loads((ROOT / "nextflow_schema.json").read_text())["$defs"].values()
    rules = {name: rule for group in groups for name, rule in group["properties"].items()}
    config = (ROOT / "conf" / "modules.config").read_text()
    listed = {
        name for names in re.findall(r"params\.subMap\(\s*\[(.*?)\]", config) for name in re.findall(r"'(\w+)'", names)
    }
    reaching = listed | set(re.findall(r"(?:\w+: |\$\{)params\.(\w+)", config)) - {"publish_dir_mode", "outdir"}
    assert len(reaching) > 50
    for name in sorted(reaching):
        if rules[name]["type"] == "string" and "enum" not in rules[name]:
            assert not re.fullmatch(rules[name].get("pattern", ".*"), "a'b", re.DOTALL), name


def test_what_names_a_file_or_a_model_cannot_end_its_quotes():
    groups = json.loads((ROOT / "nextflow_schema.json").read_text())["$defs"].values()
    rules = {name: rule for group in groups for name, rule in group["properties"].items()}
    for name in ("models", "scores", "signals", "seq2exp_models"):
        assert not re.fullmatch(rules[name]["pattern"], "a=b';touch pwned;'"), name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_evaluated_unpickled_or_handed_to_a_shell(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert name not in {"eval", "exec", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"}, (
            name
        )
        assert not re.fullmatch(r"(c?pickle|dill|joblib|marshal|shelve)\.(loads?|Unpickler|open)", name), name
        assert not name.endswith("read_pickle"), name
        assert given.get("trust_remote_code", "False") == "False"
        assert given.get("allow_pickle", "False") == "False"
        assert given.get("shell", "False") == "False"
        if name == "torch.load":
            assert given.get("weights_only") == "True", f"{path.name}:{node.lineno}"


def test_a_token_is_neither_said_nor_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    token = "hf_" + "secret" * 5
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # the client waits longer and longer between its tries
    golden = ROOT / "tests" / "golden" / "caduceus_ph"
    files = {name: (golden / name).read_bytes() for name in ("config.json", "model.safetensors")}
    registry = tmp_path / "models.yml"
    entry = {"kind": "masked", "architecture": "caduceus", "repo": REPO, "revision": REVISION}
    registry.write_text(json.dumps({"models": {"mine": entry}}))
    said = []
    with serve(FakeHub(files)) as remote:
        monkeypatch.setattr(hub, "fetch", functools.partial(hub.fetch, endpoint=remote.endpoint))
        given = {"models": "mine", "registry": registry, "timeout": 30}
        for attempt in ("whole", "broken"):
            if attempt == "broken":
                remote.files = {}
            ran = run_script(
                "fetch_weights",
                "--no-progress",
                **given,
                cache=tmp_path / f"cache-{attempt}",
                outdir=tmp_path / attempt,
            )
            assert ran.code == (0 if attempt == "whole" else 2), ran.err
            said.append(ran.out + ran.err)
    assert not [text for text in said if token in text or "secret" in text]
    written = [path for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert written == []


def test_no_token_is_named_where_it_would_be_logged():
    """What stands in a script or a config is written into the work folder, and into the records of the run."""
    places = [*MODULES, *(ROOT / "conf").glob("*.config"), ROOT / "nextflow.config", *(ROOT / "workflows").glob("*.nf")]
    for path in places:
        assert not re.search(r"\b(\w*_)?(token|secret|password)s?\b", path.read_text(), re.IGNORECASE), path.name
