"""Runs a script of bin/ inside the test process: quick, and its exit code and messages can be seen."""

import contextlib
import importlib.util
import io
import sys
from dataclasses import dataclass
from unittest import mock

import typer

from darkregulome import cli
from places import BIN


@dataclass(frozen=True)
class Ran:
    """What a script did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


def app_of(name: str) -> typer.Typer:
    """The app of ``bin/<name>.py``."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", BIN / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


def run_script(name: str, *arguments: object, **options: object) -> Ran:
    """Run ``bin/<name>.py``; ``run_script("x", min_length=5)`` is ``x.py --min-length 5``."""
    app = app_of(name)
    words = [str(argument) for argument in arguments]
    for option, value in options.items():
        words += [f"--{option.replace('_', '-')}", str(value)]
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", [f"{name}.py", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.run(app)
        except SystemExit as done:
            return Ran(int(done.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("cli.run always exits")
