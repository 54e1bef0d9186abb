"""The report of a diagnosis: one file per section.

Each file has a function ``sections(findings)``, which returns what there is to say, none where there is nothing. The
files are found by reading this folder; `assets/multiqc_config.yml` orders their sections.
"""

import importlib
import pkgutil

from darkregulome.report.content import Section
from darkregulome.report.figures import figure_sections
from darkregulome.report.findings import Findings


def report_sections(findings: Findings) -> list[Section]:
    """Every section that there is something to say in."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    sections = [section for module in modules for section in module.sections(findings)]
    # What the reader can hover over is not shown a second time as a picture.
    return [*sections, *figure_sections(findings.figures, {section.replaces for section in sections})]
