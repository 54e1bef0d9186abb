//
// One task per model and `loci_per_task` loci; a task that fails is reported and does not take the others with it.
//

include { SCORE_ELEMENTS } from '../../../modules/local/score_elements'
include { POOL_RIS       } from '../../../modules/local/pool_ris'

workflow SCORE_LOCI {
    take:
    run // map: checkpoints ([name, folder], as they are ready), loci_per_task, registry, device
    elements // value: elements.parquet
    loci // value: loci.tsv
    names // name of each locus to score
    reference // value: [fasta, [fai, gzi]]
    allowed // value: true, as soon as scoring may begin

    main:
    ch_tasks = names
        .collate(run.loci_per_task)
        .map { group -> [group] }
        .combine(run.checkpoints)
        .combine(allowed)
        .map { group, model, folder, _allowed -> [[id: group_name(group), loci: group, model: model], folder] }

    SCORE_ELEMENTS(ch_tasks, elements, loci, reference, run.registry, run.device)

    // Sorted, so that the order in which tasks end changes nothing.
    ch_scores = SCORE_ELEMENTS.out.scores
        .toSortedList { left, right -> task_name(left[0]) <=> task_name(right[0]) }

    ch_failed = ch_tasks
        .map { meta, _weights -> [task_name(meta), meta] }
        .join(SCORE_ELEMENTS.out.scores.map { meta, _effects, _reference -> [task_name(meta), true] }, remainder: true)
        .filter { _name, _meta, scored -> !scored }
        .flatMap { _name, meta, _scored -> meta.loci.collect { locus -> [id: locus, model: meta.model] } }
        .toSortedList { left, right -> task_name(left) <=> task_name(right) }

    POOL_RIS(
        elements,
        ch_scores.map { scores -> scores.collect { score -> score[1] } },
        ch_scores.map { scores -> scores.collect { score -> score[2] } },
        reference.map { _fasta, index -> index.find { file -> file.name.endsWith('.fai') } },
        ch_failed,
    )

    ris = POOL_RIS.out.ris
    failed = POOL_RIS.out.failed

    emit:
    ris // value: ris.parquet
    failed // value: failed_scores.tsv, one row per locus of a task that failed; empty where none did
}

/** A group of loci by its first and last. */
def group_name(group) {
    group.size() == 1 ? group[0] : "${group[0]}..${group[-1]}".toString()
}

def task_name(meta) {
    "${meta.id}\t${meta.model}".toString()
}
