"""One option word means one thing over all scripts, and the project's own files use today's names."""

import importlib.util
from collections import defaultdict

import typer

from places import BIN

OF_EACH_SCRIPT = {
    "out": "what the file holds",
    "outdir": "what the folder holds",
    "bed": "what the intervals are for",
    "elements": "whether they are needed, and for what",
    "loci": "whether they are needed, and for what; in simulate.py and calibrate.py a number of them",
    "fasta": "one genome, several, or the source of features",
    "gtf": "needed, or the source of loci",
    "repeats": "needed, or the source of a feature",
    "ris": "which columns are needed",
    "score_column": "a BED's column has a number",
    "eqtl": "which columns are needed",
    "variants": "which format",
    "network": "needed, or in place of pairs",
    "min_score": "of a link, or of a pair",
    "config": "of which model",
    "checkpoint": "of which model",
    "model": "of the registry, or of a score table",
    "model_cards": "what they are for",
    "weights": "of one model, or NAME=FOLDER of several",
    "device": "the price list of estimate_cost.py knows two",
    "precision": "only with --calibrate in estimate_cost.py",
    "batch": "of genes, or of windows",
    "steps": "in place of minutes, or of the config's",
    "window": "of a model, of a training, or of a simulation",
    "windows": "to embed, or with targets",
    "tracks": "names, or files to learn",
    "strands": "what a language model of RNA does",
    "evaluate_every": "0 where no evaluation is needed",
    "patience": "which loss is watched",
    "holdout": "whether patterns are taken",
    "permutations": "of which null",
    "max_length": "of an element, or of a sequence",
    "flank": "of a locus, or of a simulated one",
    "failed": "written, or read by report.py",
    "bigwig": "one, or named ones",
    "truth": "of labels, or of a simulation",
    "score": "one, or columns to judge",
    "scores": "files, or names in score_variants.py",
    "kind": "of model, or of simulation",
    "genes": "which, or how many",
    "label": "of classes, or of truth",
    "effects": "of any edits, or of decoys",
    "decoy_table": "what they are read for",
    "alpha": "of verdicts, or of calls",
    "first": "the model to compare with, or the number of a decoy",
}
"""Options whose help differs between scripts, each with what the difference is."""

OF_SEVERAL_TYPES = {
    "fasta": "the trainers of models take several genomes",
    "weights": "of one model, or NAME=FOLDER of several",
    "scores": "one file, or several",
    "score": "one, or columns to judge",
    "bigwig": "one, or named ones",
    "tracks": "names, or files to learn",
    "model_cards": "report.py takes several by comma",
    "failed": "the table that is written, or several that report.py reads",
    "window": "auto is the model's own; a training has none",
    "loci": "in simulate.py and calibrate.py a number of them",
    "genes": "in simulate.py a number of them",
    "kind": "of model, or of simulation",
    "first": "the model to compare with, or the number of a decoy",
}
"""Options whose type differs between scripts, each with the reason."""


def commands() -> dict[str, typer.core.TyperCommand]:
    """Every command of every script, such as ``simulate.py genome``."""
    found = {}
    for path in sorted(BIN.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"options_of_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        command = typer.main.get_command(module.app)
        subcommands = getattr(command, "commands", None) or {"": command}
        found |= {f"{path.name} {name}".strip(): one for name, one in subcommands.items()}
    return found


COMMANDS = commands()


def helps() -> dict[str, set[str]]:
    """The help texts of every option over all scripts."""
    texts = defaultdict(set)
    for command in COMMANDS.values():
        for parameter in command.params:
            if parameter.opts[0].startswith("--"):
                texts[parameter.opts[0].removeprefix("--").replace("-", "_")].add(str(parameter.help))
    return texts


def test_an_option_has_one_type_but_where_scripts_differ():
    types = defaultdict(set)
    for command in COMMANDS.values():
        for parameter in command.params:
            if parameter.opts[0].startswith("--"):
                types[parameter.opts[0][2:].replace("-", "_")].add(str(parameter.type_descriptor.annotation))
    assert {name for name, kinds in types.items() if len(kinds) > 1} == set(OF_SEVERAL_TYPES)


def test_an_option_has_one_help_but_where_scripts_differ():
    assert {name for name, texts in helps().items() if len(texts) > 1} == set(OF_EACH_SCRIPT)


def test_out_is_a_file_and_outdir_a_folder():
    texts = helps()
    assert [text for text in texts["out"] if "older" in text] == []
    assert [text for text in texts["outdir"] if "older" not in text] == []
