//
// From what the user gave to elements: everything is checked before anything is computed.
//

include { COMPRESS_FASTA } from '../../../modules/local/compress_fasta'
include { CHECK_INPUTS   } from '../../../modules/local/check_inputs'
include { INDEX_FASTA    } from '../../../modules/local/index_fasta'
include { PREPARE_LOCI   } from '../../../modules/local/prepare_loci'
include { BUILD_ELEMENTS } from '../../../modules/local/build_elements'
include { is_gzipped_only } from '../fasta'

workflow PREPARE_INPUTS {
    take:
    inputs // map of files: fasta, gtf, loci, regulatory, repeats, conserved, class_map, conservation, eqtl; absent ones are []
    models // list of maps: name, weights (a folder, or []), hub
    registry // file: models.yml
    device // string: auto, cpu, cuda, cuda:INDEX
    code // string: SHA-256 of the scripts and the package

    main:
    def wanted = inputs.fasta.name.endsWith('.gz') ? ['.fai', '.gzi'] : ['.fai']
    def indices = wanted.collect { suffix -> file("${inputs.fasta.toUriString()}${suffix}") }
    def gzipped = is_gzipped_only(inputs.fasta)
    def indexed = !gzipped && indices.every { index -> index.exists() }

    ch_given = channel.value([inputs.fasta, indexed ? indices : []])
    if (gzipped) {
        COMPRESS_FASTA(inputs.fasta, code)
        ch_given = COMPRESS_FASTA.out.reference
    }

    // A model that is fetched is checked by the task that fetches it.
    def at_hand = models.findAll { model -> !model.hub }
    CHECK_INPUTS(
        ch_given,
        inputs.gtf,
        inputs.loci,
        inputs.regulatory,
        inputs.repeats,
        inputs.conserved,
        inputs.class_map,
        inputs.conservation,
        inputs.eqtl,
        registry,
        at_hand.collect { model -> [name: model.name, staged: model.weights != []] },
        at_hand.collect { model -> model.weights }.findAll { weights -> weights != [] },
        device,
        code,
    )

    // The rest waits for the check, but does not depend on its output: another model must not rebuild the elements.
    ch_fasta = CHECK_INPUTS.out.checked.map { _checked -> inputs.fasta }
    reference = ch_fasta.map { fasta -> [fasta, indices] }
    if (gzipped) {
        reference = CHECK_INPUTS.out.checked.combine(COMPRESS_FASTA.out.reference).map { _checked, fasta, index -> [fasta, index] }.first()
    }
    else if (!indexed) {
        INDEX_FASTA(ch_fasta)
        reference = INDEX_FASTA.out.index.map { index -> [inputs.fasta, [index].flatten()] }
    }

    PREPARE_LOCI(inputs.loci, inputs.gtf, reference, code)

    BUILD_ELEMENTS(
        PREPARE_LOCI.out.loci,
        reference,
        inputs.gtf,
        inputs.regulatory,
        inputs.repeats,
        inputs.conserved,
        inputs.class_map,
        code,
    )

    names = PREPARE_LOCI.out.loci
        .combine(BUILD_ELEMENTS.out.failed)
        .flatMap { placed, empty -> column(placed, 'locus') - column(empty, 'locus') }

    // Emitted by their bare names: Nextflow 25.04 with the strict parser does not see others.
    loci = PREPARE_LOCI.out.loci
    failed = PREPARE_LOCI.out.failed.combine(BUILD_ELEMENTS.out.failed)
    elements = BUILD_ELEMENTS.out.elements

    emit:
    reference // value: [fasta, [fai, gzi]]
    loci // value: loci.tsv
    failed // [failed_loci.tsv, failed_elements.tsv]
    names // name of each locus that has elements
    elements // value: elements.parquet
}

/** One column of a TSV with a header, as a list. */
def column(table, name) {
    table.splitCsv(header: true, sep: '\t').collect { row -> row[name] }
}
