//
// Score variants: scattered over parts of the file, gathered in order, and judged where there is something to judge by.
//

include { INDEX_FASTA     } from '../modules/local/index_fasta'
include { SCORE_VARIANTS  } from '../modules/local/score_variants'
include { GATHER_VARIANTS } from '../modules/local/gather_variants'
include { EVALUATE_SCORES } from '../modules/local/evaluate_scores'
include { versions_yaml   } from '../subworkflows/local/versions'

workflow VARIANTS {
    take:
    inputs // map of files: variants, fasta, loci, variant_truth; absent ones are []
    models // list of maps: name, weights (a folder, or [])
    registry // file: models.yml
    device // string: auto, cpu, cuda, cuda:INDEX
    shards // integer: parts of the file, one task each and model
    format // string: vcf.gz, parquet, tsv.gz
    code // string: SHA-256 of the scripts and the package

    main:
    def wanted = inputs.fasta.name.endsWith('.gz') ? ['.fai', '.gzi'] : ['.fai']
    def indices = wanted.collect { suffix -> file("${inputs.fasta}${suffix}") }
    reference = channel.value([inputs.fasta, indices])
    if (!indices.every { index -> index.exists() }) {
        INDEX_FASTA(inputs.fasta)
        reference = INDEX_FASTA.out.index.map { index -> [inputs.fasta, [index].flatten()] }
    }

    def tasks = models.collectMany { model ->
        (1..shards).collect { shard -> [[id: model.name, model: model.name, shard: shard, shards: shards], model.weights] }
    }
    SCORE_VARIANTS(channel.fromList(tasks), inputs.variants, reference, inputs.loci, registry, device, format, code)

    ch_parts = SCORE_VARIANTS.out.scored
        .map { meta, part -> [meta.model, [meta.shard, part]] }
        .groupTuple(size: shards)
        .map { model, parts -> [[id: model, model: model], parts.sort { pair -> pair[0] }.collect { pair -> pair[1] }] }

    GATHER_VARIANTS(ch_parts, format, code)
    if (inputs.variant_truth) {
        EVALUATE_SCORES(GATHER_VARIANTS.out.scored, inputs.variant_truth, code)
    }

    scored = GATHER_VARIANTS.out.scored
    versions = channel.topic('versions').unique().toList().map { rows -> versions_yaml(rows) }

    emit:
    scored // [meta, file]
    versions // YAML text
}
