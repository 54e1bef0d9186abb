"""One section of the report in the shape that MultiQC reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darkregulome.io.tables import write_json
from darkregulome.report.markup import STYLE

PREFIX = "darkregulome_"


@dataclass(frozen=True)
class Section:
    """A section: MultiQC custom content of one plot type.

    Attributes
    ----------
    id : short name; the settings of MultiQC in `assets/` order the sections by it.
    title, description : plain text of ours.
    data : what MultiQC draws; HTML text, or nested numbers, of a linegraph a list of {line: {x: y}}. Text from data is
        escaped before it comes here.
    plot_type : html, bargraph, heatmap, scatter or linegraph.
    pconfig, extra : MultiQC's settings of the plot, and of the section.
    replaces : title of the figures that show the same, and are left out of the report.
    """

    id: str
    title: str
    description: str
    data: Any
    plot_type: str = "html"
    pconfig: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    replaces: str = ""

    @property
    def file_id(self) -> str:
        return PREFIX + self.id

    def content(self) -> dict[str, Any]:
        """The JSON object of a `*_mqc.json` file."""
        is_html = self.plot_type == "html"
        data = _lines_as_pairs(self.data) if self.plot_type == "linegraph" else self.data
        return {
            "id": self.file_id,
            "section_name": self.title,
            "description": self.description,
            "plot_type": self.plot_type,
            **({} if is_html else {"pconfig": {"id": f"{self.file_id}_plot", **self.pconfig}}),
            **self.extra,
            "data": str(STYLE + data) if is_html else data,
        }


def lines_section(id: str, title: str, description: str, lines: Mapping[str, Any], xlab: str, ylab: str) -> Section:
    """A section of line plots behind tabs: by the name of the tab, lines as {line: {x: y}}.

    Parameters
    ----------
    xlab, ylab : what the axes show; an empty one shows what the tab is named for.
    """
    labels = [{"name": name, "xlab": xlab or name, "ylab": ylab or name} for name in lines]
    pconfig = {"title": title, "xlab": labels[0]["xlab"], "ylab": labels[0]["ylab"], "data_labels": labels}
    return Section(id, title, description, list(lines.values()), "linegraph", pconfig)


def write_sections(sections: Sequence[Section], folder: str | Path) -> list[Path]:
    """Write one `<id>_mqc.json` per section; the paths, in order."""
    paths = [Path(folder) / f"{section.file_id}_mqc.json" for section in sections]
    for section, path in zip(sections, paths, strict=True):
        write_json(section.content(), path)
    return paths


def _lines_as_pairs(datasets: Any) -> Any:
    """Lines of x to y as lists of pairs: MultiQC sorts keys of JSON objects as words, 1000 before 200."""
    return [{name: sorted(map(list, line.items())) for name, line in lines.items()} for lines in datasets]
