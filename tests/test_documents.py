"""JSON and YAML objects: whatever a file holds, its object comes out or one sentence."""

import json

import pytest

from darkregulome.errors import InputError, Problem
from darkregulome.io.documents import read_json, read_yaml


def test_the_object_of_a_file_is_read(tmp_path):
    record = {"a": [1, {"b": None}], "é": "漢"}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    assert read_json(path, "x") == record
    # JSON is YAML.
    assert read_yaml(path, "x") == record


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"is not JSON \(Expecting value\)|holds nothing"),
        (b"[1]", "holds a (JSON|YAML) list, not an object"),
        (b"{\n'a': [}", r"(:2: is not JSON \(|is not YAML \()"),
        (b"\xff\xfe{", "is not UTF-8 text"),
        (b"[" * 100_000, r"is not (JSON|YAML) \(maximum recursion depth"),
        (b'{"a": ' + b"9" * 5_000 + b"}", r"is not (JSON|YAML) \(Exceeds the limit"),
        (b"{a: 2001-99-99}", r"is not (JSON \(|YAML \(month must be)"),
    ],
    ids=["empty", "list", "cut", "not text", "brackets", "digits", "date"],
)
@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_whatever_else_a_file_holds_is_told_in_one_sentence(tmp_path, content, said, read):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        read(path, "give another")
    (line,) = str(error.value).splitlines()
    assert line.endswith("; give another.")


def test_a_value_with_a_line_break_does_not_break_its_sentence():
    assert str(Problem("a\nb", "has \x1b[1m é", "mend it")) == "a\\nb: has \\x1b[1m é; mend it."
