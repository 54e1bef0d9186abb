//
// The main job up to its scores: the dark genome around the loci, by every model. JUDGE_SCORES decides what they are worth.
//

include { CHECK_INPUTS   } from '../modules/local/check_inputs'
include { PREPARE_LOCI   } from '../modules/local/prepare_loci'
include { BUILD_ELEMENTS } from '../modules/local/build_elements'
include { PLAN_SCORING   } from '../subworkflows/local/plan_scoring'
include { SCORE_LOCI     } from '../subworkflows/local/score_loci'

workflow REGULOME {
    take:
    run // map: parameters by their types, reference, models and checkpoints (main.nf)

    main:
    // A model that is fetched is checked by the task that fetches it.
    def at_hand = run.models.findAll { model -> !model.hub }
    CHECK_INPUTS(
        run.reference,
        run.gtf,
        run.loci,
        run.regulatory,
        run.repeats,
        run.conserved,
        run.class_map,
        run.conservation,
        run.eqtl,
        run.registry,
        at_hand.collect { model -> [name: model.name, staged: model.weights != []] },
        at_hand.collect { model -> model.weights }.findAll { weights -> weights != [] },
        run.device,
    )

    // The rest waits for the check, but does not depend on its output: another model must not rebuild the elements.
    ch_reference = CHECK_INPUTS.out.checked.combine(run.reference).map { _checked, fasta, index -> [fasta, index] }.first()
    PREPARE_LOCI(run.loci, run.gtf, ch_reference)

    BUILD_ELEMENTS(
        PREPARE_LOCI.out.loci,
        ch_reference,
        run.gtf,
        run.regulatory,
        run.repeats,
        run.conserved,
        run.class_map,
    )
    ch_names = PREPARE_LOCI.out.loci
        .combine(BUILD_ELEMENTS.out.failed)
        .flatMap { placed, empty -> column(placed, 'locus') - column(empty, 'locus') }

    PLAN_SCORING(run, BUILD_ELEMENTS.out.elements, PREPARE_LOCI.out.loci)

    // Emitted by their bare names: Nextflow 25.04 with the strict parser does not see others.
    elements = BUILD_ELEMENTS.out.elements
    loci = PREPARE_LOCI.out.loci
    failed = PREPARE_LOCI.out.failed.mix(BUILD_ELEMENTS.out.failed)
    ris = channel.empty()
    if (!run.plan_only) {
        SCORE_LOCI(run, elements, loci, ch_names, ch_reference, PLAN_SCORING.out.allowed)
        ris = SCORE_LOCI.out.ris
        failed = failed.mix(SCORE_LOCI.out.failed)
    }

    emit:
    elements // value: elements.parquet
    loci // value: loci.tsv
    ris // value: ris.parquet; empty where nothing is scored
    failed // tables of loci and scoring tasks that failed
}

/** One column of a TSV with a header, as a list. */
def column(table, name) {
    table.splitCsv(header: true, sep: '\t').collect { row -> row[name] }
}
