//
// A genome that can be read at random: compressed again where it is gzipped, indexed where it has no index.
//

include { COMPRESS_FASTA  } from '../../../modules/local/compress_fasta'
include { INDEX_FASTA     } from '../../../modules/local/index_fasta'
include { is_gzipped_only } from '../fasta'

workflow REFERENCE {
    take:
    fasta // file
    code // string: SHA-256 of the scripts and the package

    main:
    def wanted = fasta.name.endsWith('.gz') ? ['.fai', '.gzi'] : ['.fai']
    def indices = wanted.collect { suffix -> file("${fasta.toUriString()}${suffix}") }
    reference = channel.value([fasta, indices])
    if (is_gzipped_only(fasta)) {
        COMPRESS_FASTA(fasta, code)
        reference = COMPRESS_FASTA.out.reference
    }
    else if (!indices.every { index -> index.exists() }) {
        INDEX_FASTA(fasta)
        reference = INDEX_FASTA.out.index.map { index -> [fasta, [index].flatten()] }
    }

    emit:
    reference // value: [fasta, [fai, gzi]]
}
