//
// Score variants: scattered over parts of the file, gathered in order, and judged where there is something to judge by.
//

include { SCORE_VARIANTS  } from '../modules/local/score_variants'
include { GATHER_VARIANTS } from '../modules/local/gather_variants'
include { EVALUATE_SCORES } from '../modules/local/evaluate_scores'
include { REPORT_VARIANTS } from '../modules/local/report_variants'
include { MULTIQC         } from '../modules/local/multiqc'
include { versions_yaml   } from '../subworkflows/local/versions'

workflow VARIANTS {
    take:
    inputs // map of files: variants, loci, variant_truth, conservation; absent ones are []
    reference // value: [fasta, [fai, gzi]]
    ch_models // [name, folder], as they are ready
    registry // file: models.yml
    device // string: auto, cpu, cuda, cuda:INDEX
    shards // integer: parts of the file, one task each and model
    format // string: vcf.gz, parquet, tsv.gz
    multiqc_configs // list of files
    code // string: SHA-256 of the scripts and the package

    main:
    ch_tasks = ch_models
        .combine(channel.fromList((1..shards).toList()))
        .map { name, folder, shard -> [[id: name, model: name, shard: shard, shards: shards], folder] }
    SCORE_VARIANTS(ch_tasks, inputs.variants, reference, inputs.loci, registry, device, format, code)

    ch_parts = SCORE_VARIANTS.out.scored
        .map { meta, part -> [meta.model, [meta.shard, part]] }
        .groupTuple(size: shards)
        .map { model, parts -> [[id: model, model: model], parts.sort { pair -> pair[0] }.collect { pair -> pair[1] }] }

    GATHER_VARIANTS(ch_parts, format, code)

    // Sorted by name, so that the report is the same whichever model was ready first.
    ch_evaluations = channel.value([])
    if (inputs.variant_truth) {
        EVALUATE_SCORES(GATHER_VARIANTS.out.scored, inputs.variant_truth, inputs.conservation, code)
        ch_evaluations = EVALUATE_SCORES.out.evaluation.map { _meta, folder -> folder }.toSortedList { one, two -> one.name <=> two.name }
    }
    ch_scored = GATHER_VARIANTS.out.scored.map { _meta, file -> file }.toSortedList { one, two -> one.name <=> two.name }

    REPORT_VARIANTS(ch_scored, ch_evaluations, code)

    ch_versions = channel.topic('versions').unique().toList().map { rows -> versions_yaml(rows) }
    MULTIQC(REPORT_VARIANTS.out.sections, multiqc_configs, ch_versions)

    scored = GATHER_VARIANTS.out.scored
    report = MULTIQC.out.report
    versions = ch_versions.combine(MULTIQC.out.versions.toList().map { rows -> versions_yaml(rows) })

    emit:
    scored // [meta, file]
    report // report.html
    versions // YAML texts
}
