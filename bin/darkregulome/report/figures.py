"""The stages' figures, put into the report whole, so that it is one file."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from darkregulome.errors import InputError
from darkregulome.report.markup import render

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class FigureGroup:
    """Figures that answer one question, known by a word in their file name."""

    id: str
    title: str
    words: tuple[str, ...]
    description: str


# The first group with a word of the file name takes the figure: nulls of the horizon are nulls.
GROUPS = (
    FigureGroup(
        "cross_check_figures",
        "Cross-check figures",
        ("eqtl", "conservation", "cross_check"),
        "Scores of the checked elements, raw and residual, beside what they are compared with.",
    ),
    FigureGroup(
        "nulls",
        "Nulls",
        ("null",),
        "The statistic as observed, and as rotating each locus's scores would have given it.",
    ),
    FigureGroup(
        "ladder",
        "Ladder of features",
        ("ladder",),
        "The horizon with each feature of predictability taken out in turn, and with all of them out.",
    ),
    FigureGroup(
        "effects",
        "Effects",
        ("effect",),
        "Every claim's effect with its interval, raw beside residual, and the floors.",
    ),
    FigureGroup(
        "shares",
        "Variance shares, drawn",
        ("share", "variance"),
        "How much of the variance of RIS predictability and annotation explain.",
    ),
    FigureGroup("classes", "Classes", ("class",), "Mean RIS of each class of elements, raw and residual."),
    FigureGroup(
        "rank_agreement",
        "Rank agreement, drawn",
        ("rank",),
        "Rank correlation of the scores between models, raw and residual.",
    ),
    FigureGroup(
        "lists",
        "Top lists and layers",
        ("top", "list", "overlap", "agreement", "layer"),
        "Elements that both models of a pair put first, by the length of the list; and the layers of the elements.",
    ),
    FigureGroup(
        "horizon",
        "RIS against distance",
        ("horizon", "distance"),
        "RIS against distance from the TSS, raw and residual, with the horizon.",
    ),
    FigureGroup("other_figures", "Further figures", ("",), "Figures of the stages that fit under no heading above."),
)


def find_figures(folders: Iterable[str | Path]) -> list[Path]:
    """Every PNG below the folders, by name.

    Raises
    ------
    InputError
        A folder is absent, or a file that is called PNG is none.
    """
    found: list[Path] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError.at(folder, "is not a folder", "give the figures/ folder of diagnose.py or decompose.py")
        found += folder.rglob("*.png")
    for path in found:
        with path.open("rb") as handle:
            if handle.read(len(_PNG)) != _PNG:
                raise InputError.at(path, "is not a PNG image", "draw it again")
    return sorted(found, key=lambda path: (path.name, str(path)))


def grouped_figures(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Figures by the id of their group; groups without any are left out."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        name = path.stem.lower()
        group = next(group for group in GROUPS if any(word in name for word in group.words))
        groups.setdefault(group.id, []).append(path)
    return groups


def figures_html(paths: Sequence[Path]) -> Markup:
    """Figures side by side, embedded; each with its name under it where there are several."""
    figures = [
        {"data": base64.b64encode(path.read_bytes()).decode("ascii"), "name": path.stem.replace("_", " ")}
        for path in paths
    ]
    return render(
        """<div class="dr-figures">
{% for figure in figures %}
<figure><img src="data:image/png;base64,{{ figure.data }}" alt="{{ figure.name }}">
{% if figures | length > 1 %}<figcaption>{{ figure.name }}</figcaption>{% endif %}</figure>
{% endfor %}
</div>""",
        figures=figures,
    )
