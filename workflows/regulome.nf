//
// The main job up to its scores: the dark genome around the loci, by every model. What they are worth says JUDGE_SCORES.
//

include { PREPARE_INPUTS } from '../subworkflows/local/prepare_inputs'
include { PLAN_SCORING   } from '../subworkflows/local/plan_scoring'
include { SCORE_LOCI     } from '../subworkflows/local/score_elements'

workflow REGULOME {
    take:
    inputs // map of files: fasta, gtf, loci, regulatory, repeats, conserved, class_map, conservation, eqtl; absent ones are []
    models // list of maps: name, weights (a folder, or []), hub
    ch_models // [name, folder], as they are ready
    registry // file: models.yml
    device // string: auto, cpu, cuda, cuda:INDEX
    loci_per_task // integer: loci that one scoring task takes
    limits // map: hours and money that scoring may take, by the estimate; null where it may take any
    plan_only // boolean: stop when the cost is known
    code // string: SHA-256 of the scripts and the package

    main:
    PREPARE_INPUTS(inputs, models, registry, device, code)

    PLAN_SCORING(
        PREPARE_INPUTS.out.elements,
        PREPARE_INPUTS.out.loci,
        models.collect { model -> model.name },
        ch_models,
        registry,
        device,
        loci_per_task,
        limits,
        plan_only,
        code,
    )

    ris = channel.empty()
    failed_scores = channel.empty()
    if (!plan_only) {
        SCORE_LOCI(
            PREPARE_INPUTS.out.elements,
            PREPARE_INPUTS.out.loci,
            PREPARE_INPUTS.out.names,
            PREPARE_INPUTS.out.reference,
            ch_models,
            registry,
            device,
            loci_per_task,
            PLAN_SCORING.out.allowed,
            code,
        )
        ris = SCORE_LOCI.out.ris
        failed_scores = SCORE_LOCI.out.failed
    }

    // Emitted by their bare names: Nextflow 25.04 with the strict parser does not see others.
    elements = PREPARE_INPUTS.out.elements
    loci = PREPARE_INPUTS.out.loci
    failed = PREPARE_INPUTS.out.failed
    allowed = PLAN_SCORING.out.allowed

    emit:
    elements // value: elements.parquet
    ris // value: ris.parquet; empty where nothing is scored
    loci // value: loci.tsv
    failed // [failed_loci.tsv, failed_elements.tsv]
    failed_scores // value: list of meta maps of the scoring tasks that failed
    allowed // value: true; empty where the estimate is above a limit
}
