//
// Score variants: scattered over parts of the file, gathered in order, and judged where there is something to judge by.
//

include { SCORE_VARIANTS  } from '../modules/local/score_variants'
include { GATHER_VARIANTS } from '../modules/local/gather_variants'
include { EVALUATE_SCORES } from '../modules/local/evaluate_scores'

workflow VARIANTS {
    take:
    run // map: parameters by their types, reference and checkpoints (main.nf)

    main:
    ch_tasks = run.checkpoints
        .combine(channel.fromList((1..run.shards).toList()))
        .map { name, folder, shard -> [[id: name, model: name, shard: shard, shards: run.shards], folder] }
    SCORE_VARIANTS(ch_tasks, run.variants, run.reference, run.loci, run.registry, run.device, run.variants_format)

    ch_parts = SCORE_VARIANTS.out.scored
        .map { meta, part -> [meta.model, [meta.shard, part]] }
        .groupTuple(size: run.shards)
        .map { model, parts -> [[id: model, model: model], parts.sort { pair -> pair[0] }.collect { pair -> pair[1] }] }
    GATHER_VARIANTS(ch_parts, run.variants_format)

    parts = GATHER_VARIANTS.out.scored.map { _meta, file -> ['scored', file] }
    if (run.variant_truth) {
        EVALUATE_SCORES(GATHER_VARIANTS.out.scored, run.variant_truth, run.conservation)
        parts = parts.mix(EVALUATE_SCORES.out.evaluation.map { _meta, folder -> ['evaluation', folder] })
    }

    emit:
    parts // for REPORT
}
