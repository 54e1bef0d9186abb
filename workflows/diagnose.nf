//
// Bring your own scores: any tool's, made into elements and RIS. JUDGE_SCORES judges them as it does ours.
//

include { CONVERT_SCORES } from '../modules/local/convert_scores'

workflow DIAGNOSE_SCORES {
    take:
    scores // string: FILE or NAME=FILE, comma-separated
    inputs // map of files: elements, score_intervals, score_variants, fasta, gtf, loci, repeats, class_map; absent ones are []
    code // string: SHA-256 of the scripts and the package

    main:
    def indices = ['.fai', '.gzi']
        .collect { suffix -> file("${inputs.fasta}${suffix}") }
        .findAll { index -> inputs.fasta && index.exists() }

    CONVERT_SCORES(
        sources_of(scores),
        inputs.elements,
        inputs.score_intervals,
        inputs.score_variants,
        [inputs.fasta, indices],
        inputs.gtf,
        inputs.loci,
        inputs.repeats,
        inputs.class_map,
        code,
    )

    elements = CONVERT_SCORES.out.elements
    ris = CONVERT_SCORES.out.ris
    loci = CONVERT_SCORES.out.loci

    emit:
    elements // value: elements.parquet
    ris // value: ris.parquet
    loci // value: loci.tsv
}

/** Names of the models and their files, as two lists. A file without a name gives its own. */
def sources_of(scores) {
    scores
        .tokenize(',')
        .collect { word -> word.contains('=') ? word.split('=', 2).toList() : [file(word).simpleName, word] }
        .collect { name, path -> [name, file(path, checkIfExists: true)] }
        .transpose()
}
