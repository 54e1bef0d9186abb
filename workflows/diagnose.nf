//
// Bring your own scores: any tool's, made into elements and RIS. JUDGE_SCORES judges them as it does ours.
//

include { CONVERT_SCORES } from '../modules/local/convert_scores'

workflow DIAGNOSE_SCORES {
    take:
    run // map: parameters by their types, and reference (main.nf)

    main:
    CONVERT_SCORES(
        sources_of(run.scores),
        run.elements,
        run.score_intervals,
        run.score_variants,
        run.reference,
        run.gtf,
        run.loci,
        run.repeats,
        run.class_map,
    )

    elements = CONVERT_SCORES.out.elements
    loci = CONVERT_SCORES.out.loci
    ris = CONVERT_SCORES.out.ris

    emit:
    elements // value: elements.parquet
    loci // value: loci.tsv
    ris // value: ris.parquet
}

/** Names of the models and their files, as two lists. A file without a name gives its own. */
def sources_of(scores) {
    scores
        .tokenize(',')
        .collect { word -> word.contains('=') ? word.split('=', 2).toList() : [file(word).simpleName, word] }
        .collect { name, path -> [name, file(path, checkIfExists: true)] }
        .transpose()
}
