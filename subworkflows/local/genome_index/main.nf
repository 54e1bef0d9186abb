//
// A genome that can be read at random: compressed again where it is gzipped, indexed where it has no index.
//

include { COMPRESS_FASTA } from '../../../modules/local/compress_fasta'
include { INDEX_FASTA    } from '../../../modules/local/index_fasta'

workflow GENOME_INDEX {
    take:
    fasta // file, or []
    wanted // boolean: make what is missing

    main:
    def suffixes = fasta && fasta.name.endsWith('.gz') ? ['.fai', '.gzi'] : ['.fai']
    def indices = suffixes.collect { suffix -> fasta ? file("${fasta.toUriString()}${suffix}") : [] }.findAll { index -> index && index.exists() }

    reference = channel.value([fasta, indices])
    if (wanted && is_gzipped_only(fasta)) {
        COMPRESS_FASTA(fasta)
        reference = COMPRESS_FASTA.out.reference
    }
    else if (wanted && indices.size() < suffixes.size()) {
        INDEX_FASTA(fasta)
        reference = INDEX_FASTA.out.index.map { index -> [fasta, [index].flatten()] }
    }

    emit:
    reference // value: [fasta, [fai, gzi]], as far as they are there
}

/** True for gzip that is not bgzip (whose first block has an extra field called BC), and so cannot be read at random. */
def is_gzipped_only(fasta) {
    if (!fasta.name.endsWith('.gz')) {
        return false
    }
    def header = fasta.withInputStream { stream -> stream.readNBytes(14) }
    header.size() == 14 && header[0] == (0x1f as byte) && header[1] == (0x8b as byte) && !(header[12] == 0x42 && header[13] == 0x43)
}
