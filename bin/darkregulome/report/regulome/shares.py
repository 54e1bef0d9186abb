"""How much of each model's RIS features and annotation explain."""

from markupsafe import escape

from darkregulome.report.content import Section
from darkregulome.report.findings import Findings

SHARES = {
    "predictability": ("features alone", "#2166ac"),
    "shared": ("shared", "#92c5de"),
    "annotation": ("annotation alone", "#1b7837"),
    "unexplained": ("unexplained", "#d9d9d9"),
}


def sections(findings: Findings) -> list[Section]:
    """Variance shares of each model's RIS, as stacked bars in per cent."""
    data = {
        str(escape(name)): {share: 100 * value for share in SHARES if (value := model.shares.get(share)) is not None}
        for name, model in findings.diagnosis.models.items()
    }
    data = {name: shares for name, shares in data.items() if shares}
    if not data:
        return []
    return [
        Section(
            "shares",
            "Variance shares",
            "How much of the variance of RIS is explained by features of the sequence alone (composition, copies, "
            "repeats and predictability), by annotation (class and distance) alone, by both without telling them "
            "apart, and by neither.",
            data,
            "bargraph",
            pconfig={
                "title": "Variance of RIS explained",
                "ylab": "% of the variance",
                "ysuffix": " %",
                "tt_decimals": 1,
                "cpswitch": False,
                "stacking": "relative",
                "sort_samples": False,
                "hide_zero_cats": False,
            },
            extra={"categories": {share: {"name": name, "color": color} for share, (name, color) in SHARES.items()}},
            replaces="Variance shares",
        )
    ]
