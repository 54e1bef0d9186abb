"""A reader can hold any function in the head: none is long, and none takes many parameters."""

import ast
from collections.abc import Iterator

from places import BIN, ROOT

LINES, PARAMETERS = 60, 8
EXCEPTIONS = {
    ("bin/darkregulome/models/kernels/scan_triton.py", "_scan"): "Triton takes each pointer and stride by itself",
    (
        "bin/darkregulome/models/language.py",
        "__init__",
    ): "the parts of a language model",
}


def functions() -> Iterator[tuple[tuple[str, str], int, int]]:
    """Every function of bin/: file and name, lines, parameters without self."""
    for path in sorted(BIN.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                own = names[1:] if names and names[0].arg in ("self", "cls") else names
                yield (str(path.relative_to(ROOT)), node.name), (node.end_lineno or 0) - node.lineno + 1, len(own)


def test_no_function_is_long_or_takes_many_parameters():
    large = {name for name, lines, parameters in functions() if lines > LINES or parameters > PARAMETERS}
    assert large == set(EXCEPTIONS)
