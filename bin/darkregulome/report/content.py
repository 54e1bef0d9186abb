"""One section of the report in the shape that MultiQC reads."""

from dataclasses import dataclass, field
from typing import Any

PREFIX = "darkregulome_"


@dataclass(frozen=True)
class Section:
    """A section: MultiQC custom content of one plot type.

    Attributes
    ----------
    id : short name; `assets/multiqc_config.yml` orders the sections by it.
    title, description : plain text of ours.
    plot_type : html, bargraph, heatmap, scatter or linegraph.
    data : what MultiQC draws; HTML text, or nested numbers, of a linegraph a list of {line: {x: y}}. Text from data is
        escaped before it comes here.
    pconfig, extra : MultiQC's settings of the plot, and of the section.
    """

    id: str
    title: str
    description: str
    plot_type: str
    data: Any
    pconfig: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def file_id(self) -> str:
        return PREFIX + self.id

    def content(self) -> dict[str, Any]:
        """The JSON object of a `*_mqc.json` file."""
        plot = {"pconfig": {"id": f"{self.file_id}_plot", **self.pconfig}} if self.plot_type != "html" else {}
        return {
            "id": self.file_id,
            "section_name": self.title,
            "description": self.description,
            "plot_type": self.plot_type,
            **plot,
            **self.extra,
            "data": _lines_as_pairs(self.data) if self.plot_type == "linegraph" else self.data,
        }


def _lines_as_pairs(datasets: Any) -> Any:
    """Lines of x to y as lists of pairs: MultiQC sorts keys of JSON objects as words, 1000 before 200."""
    return [{name: sorted(map(list, line.items())) for name, line in lines.items()} for lines in datasets]
