"""The documents of the tables say what the schemas check."""

from darkregulome.io.columns_doc import columns_markdown, table_markdown
from darkregulome.io.schemas import ALL, ELEMENTS, RIS


def test_every_column_of_every_table_is_documented():
    text = columns_markdown()
    for table in ALL:
        assert f"## {table.name}\n" in text
        for column in table.columns:
            assert f"| `{column}` |" in table_markdown(table)


def test_optional_columns_and_allowed_words_are_named():
    rows = {line.split("`")[1]: line for line in table_markdown(RIS).splitlines() if line.startswith("| `")}
    assert "| absent or empty |" in rows["predictability"]
    assert "|  |" in rows["model"]
    assert "`lncRNA_exon`" in table_markdown(ELEMENTS)
