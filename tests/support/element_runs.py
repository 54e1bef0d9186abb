"""Elements scored by settings as they are asked: settled for the model, and run, in one call."""

from darkregulome.edits import plan
from darkregulome.edits.settings import Settings, resolve
from darkregulome.scoring.elements import ElementRun, score_elements


def element_run(model, elements, loci, genome, settings: Settings, **options) -> ElementRun:
    return ElementRun(model, elements, loci, genome, resolve(settings, model), **options)


def score_loci(*arguments, **options):
    return score_elements(element_run(*arguments, **options))


def make_plan(model, elements, genome, settings: Settings, locus=None) -> plan.Plan:
    return plan.make_plan(model, elements, genome, resolve(settings, model), locus)
