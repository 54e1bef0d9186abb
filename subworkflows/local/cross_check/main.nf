//
// The scores against outside data, one task a kind of data that was given.
//

include { CROSS_CHECK } from '../../../modules/local/cross_check'

workflow CROSS_CHECKS {
    take:
    outside // map of files: conservation, eqtl, ld_blocks, repeats, network, network_info, pairs; absent ones are []
    elements // value: elements.parquet
    ris // value: ris.parquet, alone or followed by model cards
    loci // value: loci.tsv
    code // string

    main:
    // Without a list of pairs, the strongest links of the network are the pairs. Families are named by the repeats.
    ch_given = channel
        .of(
            ['conservation', outside.conservation, []],
            ['eqtl', outside.eqtl, outside.ld_blocks],
            ['network', outside.network, outside.network_info],
            outside.pairs ? ['pairs', outside.pairs, []] : ['linked_pairs', outside.network, outside.network_info],
        )
        .filter { _check, data, _beside -> data }
    ch_families = channel.of(['families', [], []]).filter { outside.repeats }

    CROSS_CHECK(ch_given.mix(ch_families), elements, ris, loci, code)

    json = CROSS_CHECK.out.json.toSortedList { left, right -> left.name <=> right.name }
    figures = CROSS_CHECK.out.figures.toSortedList { left, right -> left.name <=> right.name }

    emit:
    json
    figures
}
