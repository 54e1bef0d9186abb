//
// One task a locus and model; a task that fails is reported and does not take the others with it.
//

include { ESTIMATE_COST  } from '../../../modules/local/estimate_cost'
include { SCORE_ELEMENTS } from '../../../modules/local/score_elements'
include { POOL_RIS       } from '../../../modules/local/pool_ris'

workflow SCORE_LOCI {
    take:
    elements // value: elements.parquet
    loci // value: loci.tsv
    names // name of each locus to score
    reference // value: [fasta, [fai, gzi]]
    models // list of maps: name, weights
    registry // file: models.yml
    device // string
    code // string

    main:
    ESTIMATE_COST(elements, models.collect { model -> model.name }, registry, device, code)

    ch_tasks = names
        .combine(channel.fromList(models))
        .map { locus, model -> [[id: locus, model: model.name], model.weights] }

    SCORE_ELEMENTS(ch_tasks, elements, loci, reference, registry, device, code)

    // Sorted, so that the order in which tasks end changes nothing.
    ch_scores = SCORE_ELEMENTS.out.scores
        .toSortedList { left, right -> task_name(left[0]) <=> task_name(right[0]) }

    failed = ch_tasks
        .map { meta, _weights -> [task_name(meta), meta] }
        .join(SCORE_ELEMENTS.out.scores.map { meta, _effects, _reference -> [task_name(meta), true] }, remainder: true)
        .filter { _name, _meta, scored -> !scored }
        .map { _name, meta, _scored -> meta }
        .toSortedList { left, right -> task_name(left) <=> task_name(right) }

    POOL_RIS(
        elements,
        ch_scores.map { scores -> scores.collect { score -> score[1] } },
        ch_scores.map { scores -> scores.collect { score -> score[2] } },
        reference.map { _fasta, index -> index.find { file -> file.name.endsWith('.fai') } },
        code,
    )

    ris = POOL_RIS.out.ris

    emit:
    ris // value: ris.parquet
    failed // value: list of meta maps of the tasks that failed
}

def task_name(meta) {
    "${meta.id}\t${meta.model}".toString()
}
