//
// What kind of file a FASTA is. In a file of its own: the strict parser takes a file with includes only once.
//

/** True for gzip that is not bgzip (whose first block has an extra field called BC), and so cannot be read at random. */
def is_gzipped_only(fasta) {
    if (!fasta.name.endsWith('.gz')) {
        return false
    }
    def header = fasta.withInputStream { stream -> stream.readNBytes(14) }
    header.size() == 14 && header[0] == (0x1f as byte) && header[1] == (0x8b as byte) && !(header[12] == 0x42 && header[13] == 0x43)
}
