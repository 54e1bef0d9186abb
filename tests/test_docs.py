"""Every command and option that README, the documents and `--help` name exists as it is written there."""

import functools
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline_runner import ROOT
from scripts_doc import load_app, scripts_markdown

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
GENERATED = ("claims.md", "columns.md", "parameters.md", "scripts.md")
SCRIPTS = {path.name: path for path in (ROOT / "bin").glob("*.py")}
PROGRAMS = {
    str(path.relative_to(ROOT)): path for path in [*(ROOT / "benchmarks").glob("*.py"), ROOT / "setup" / "mutate.py"]
}

# Options of Nextflow itself, and of the other programs that the documents name.
OF_NEXTFLOW = {"-profile", "-resume", "-w", "-c", "-stub", "-flat", "--help"}
OF_OTHERS = {"--gres"}

BLOCK = re.compile(r"^```(?:bash|sh)\n(.*?)^```|((?:^ {4}[^\n]*\n)+)", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
COMMENT = re.compile(r"(?:^|\s)#\s.*$", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """One command line and the page that names it."""

    page: str
    words: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether it is written out, so that it could be run."""
        return not any("..." in word for word in self.words)

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def commands_of_blocks(text: str) -> Iterator[list[str]]:
    """The words of each command in fenced and indented blocks."""
    for fenced, indented in BLOCK.findall(text):
        block = COMMENT.sub("", (fenced or indented).replace("\\\n", " "))
        if re.search(r"^ *(\S+\.py|nextflow|make|docker run) ", block, re.MULTILINE):
            yield from split_commands(block)


def commands_of_spans(text: str) -> Iterator[list[str]]:
    """The words of each command in running text that has at least one option."""
    for span in SPAN.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        line = " ".join(span.split())
        if re.match(r"(\S*\w\.py|nextflow run|make) \S", line):
            yield [*shlex.split(line), "..."]


def split_commands(block: str) -> Iterator[list[str]]:
    """The simple commands of a piece of shell."""
    lexer = shlex.shlex(block, posix=True, punctuation_chars=";|&()<>\n")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    lexer.commenters = ""
    command: list[str] = []
    for token in lexer:
        if set(token) <= set(";|&()<>\n"):
            if command:
                yield command
            command = []
        else:
            command.append(token)
    if command:
        yield command


def documented_commands() -> list[Command]:
    """Every command of ours in README and docs."""
    found = []
    for page in PAGES:
        if page.name in GENERATED:
            continue
        text = page.read_text()
        for words in [*commands_of_blocks(text), *commands_of_spans(text)]:
            starts = [at for at, word in enumerate(words) if word in ("nextflow", "make") or word.endswith(".py")]
            if starts:
                found.append(Command(str(page.relative_to(ROOT)), tuple(words[starts[0] :])))
    return found


@functools.cache
def app_of(script: str) -> typer.Typer:
    """The typer app of a script of bin/."""
    return load_app(SCRIPTS[script])


@functools.cache
def parser_of(script: str) -> Any:
    """The command-line parser of a script of bin/."""
    return typer.main.get_command(app_of(script))


def options_of(parser: Any) -> dict[str, Any]:
    """Every spelling of every option, subcommands included."""
    own = {name: each for each in parser.params for name in [*each.opts, *each.secondary_opts] if name.startswith("-")}
    for child in getattr(parser, "commands", {}).values():
        own |= options_of(child)
    return own | {"-h": None, "--help": None}


@functools.cache
def parameters_of_the_pipeline() -> dict[str, Any]:
    schema = json.loads((ROOT / "nextflow_schema.json").read_text())
    return {name: each for part in schema["$defs"].values() for name, each in part["properties"].items()}


@functools.cache
def profiles_of_the_pipeline() -> set[str]:
    text = (ROOT / "nextflow.config").read_text()
    block = re.search(r"^profiles \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    return set(re.findall(r"^    '?(\w+)'? *\{", block[1], re.MULTILINE))


def faults_of_script(words: list[str], whole: bool) -> list[str]:
    """What a script would refuse in a command line."""
    parser, rest = parser_of(words[0]), words[1:]
    if getattr(parser, "commands", None) and rest and not rest[0].startswith("-"):
        if rest[0] not in parser.commands:
            return [f"no subcommand {rest[0]}"]
        parser, rest = parser.commands[rest[0]], rest[1:]
    known = options_of(parser)
    given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)}
    faults = [f"no option {name}" for name in sorted(given - known.keys())]
    if whole and not given & {"--help", "--version"}:
        needed = [each for each in parser.params if each.required and each.param_type_name == "option"]
        faults += [f"{each.opts[0]} is required" for each in needed if not given & set(each.opts)]
    return faults


def faults_of_nextflow(words: list[str]) -> list[str]:
    """What the pipeline would not know in a command line."""
    parameters, faults = parameters_of_the_pipeline(), []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "-profile":
            unknown = set(following.split(",")) - profiles_of_the_pipeline() - {"..."}
            faults += [f"no profile {name}" for name in sorted(unknown)]
        elif word.startswith("--") and word not in OF_NEXTFLOW:
            if word[2:] not in parameters:
                faults.append(f"no parameter {word}")
            elif following not in (*parameters[word[2:]].get("enum", [following]), "..."):
                faults.append(f"{word} is not {following}")
        elif re.match(r"-[a-z]", word) and word not in OF_NEXTFLOW:
            faults.append(f"no option {word} of Nextflow")
    return faults


def faults_of(command: Command) -> list[str]:
    """What is wrong with a documented command."""
    words = list(command.words)
    if words[0] == "nextflow":
        return faults_of_nextflow(words) if words[1] == "run" else []
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return [f"no target {word}" for word in words[1:] if "=" not in word and word not in (*targets, "...")]
    if words[0] in SCRIPTS:
        return faults_of_script(words, command.whole)
    if words[0] in PROGRAMS:
        text = PROGRAMS[words[0]].read_text()
        return [f"no option {word}" for word in words if word.startswith("--") and f'"{word}"' not in text]
    return ["no such script"] if "/" not in words[0] or words[0].startswith("benchmarks/") else []


COMMANDS = documented_commands()


def test_commands_are_found_in_the_documents():
    found = {command.words[0] for command in COMMANDS}
    assert {"nextflow", "make", "score_variants.py", "train_seq2exp.py", "benchmarks/scan.py"} <= found
    assert len(COMMANDS) > 80


@pytest.mark.parametrize("page", sorted({command.page for command in COMMANDS}))
def test_documented_commands_exist(page: str):
    wrong = [f"{command}: {fault}" for command in COMMANDS if command.page == page for fault in faults_of(command)]
    assert wrong == []


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_the_example_of_help_exists(script: str):
    epilog = str(app_of(script).info.epilog)
    assert "Example:  " in epilog
    commands = list(split_commands(epilog.partition("Example:  ")[2]))
    assert commands
    for words in commands:
        if words[0] != "multiqc":
            assert words[0] in SCRIPTS
            assert faults_of_script(words, not any("..." in word for word in words)) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in GENERATED], ids=lambda page: page.name)
def test_options_in_running_text_exist(page: Path):
    known = OF_OTHERS | {f"--{name}" for name in parameters_of_the_pipeline()}
    for script in SCRIPTS:
        known |= options_of(parser_of(script)).keys()
    for path in PROGRAMS.values():
        known |= set(re.findall(r'"(--[a-z0-9-]+)"', path.read_text()))
    named = {
        option
        for span in SPAN.findall(re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))
        for option in re.findall(r"(?<![\w-])(--[a-zA-Z][\w-]*)", span)
    }
    assert named - known == set()


def test_the_page_of_scripts_is_fresh():
    page = (ROOT / "docs" / "scripts.md").read_text()
    assert page == scripts_markdown(), "run make docs"
    assert {title.split()[1] for title in page.splitlines() if title.startswith("## ")} == set(SCRIPTS)


def test_links_lead_somewhere():
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        if not target.startswith(("http:", "https:")) and not (page.parent / target).exists()
    ]
    assert broken == []
