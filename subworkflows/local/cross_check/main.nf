//
// The scores against outside data, one task a kind of data that was given.
//

include { CROSS_CHECK } from '../../../modules/local/cross_check'

workflow CROSS_CHECKS {
    take:
    outside // map of files: conservation, eqtl; absent ones are []
    elements // value: elements.parquet
    ris // value: ris.parquet
    loci // value: loci.tsv
    code // string

    main:
    ch_checks = channel
        .of(['conservation', outside.conservation], ['eqtl', outside.eqtl])
        .filter { _check, data -> data }

    CROSS_CHECK(ch_checks, elements, ris, loci, code)

    json = CROSS_CHECK.out.json.toSortedList { left, right -> left.name <=> right.name }
    figures = CROSS_CHECK.out.figures.toSortedList { left, right -> left.name <=> right.name }

    emit:
    json
    figures
}
