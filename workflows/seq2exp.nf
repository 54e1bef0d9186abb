//
// Masks of regulatory elements, learnt from expression: one training a model, fold and seed; gathered, applied, reported.
//

include { TRAIN_SEQ2EXP   } from '../modules/local/train_seq2exp'
include { GATHER_SEQ2EXP  } from '../modules/local/gather_seq2exp'
include { APPLY_SEQ2EXP   } from '../modules/local/apply_seq2exp'
include { REPORT_TRAINING } from '../modules/local/report_training'
include { MULTIQC         } from '../modules/local/multiqc'
include { versions_yaml   } from '../subworkflows/local/versions'

workflow SEQ2EXP {
    take:
    inputs // map of files: expression, peaks, recipe, regulatory; absent ones are []
    reference // value: [fasta, [fai, gzi]]
    signals // map: name of the signal to its file
    plan // map: models (list; masks are those of the first), folds, seeds, first_seed
    state // string: folder of the state files, or ''
    device // string: auto, cpu, cuda, cuda:INDEX
    multiqc_configs // list of files
    code // string: SHA-256 of the scripts and the package

    main:
    def names = signals.keySet().toList()
    def files = signals.values().toList()
    def tasks = [plan.models, (0..<plan.folds), (0..<plan.seeds)]
        .combinations()
        .collect { model, fold, number ->
            def seed = plan.first_seed + number
            [id: "${model}_fold${fold}_seed${seed}", model: model, fold: fold, seed: seed]
        }
    TRAIN_SEQ2EXP(
        channel.fromList(tasks),
        inputs.expression,
        reference,
        files,
        names,
        inputs.peaks,
        inputs.recipe,
        state,
        device,
        code,
    )

    // Sorted by name, so that results are the same whichever training was ready first.
    ch_metrics = TRAIN_SEQ2EXP.out.metrics.toSortedList { one, two -> one.name <=> two.name }
    ch_checkpoints = TRAIN_SEQ2EXP.out.checkpoint.toSortedList { one, two -> one[0].id <=> two[0].id }
    GATHER_SEQ2EXP(ch_metrics, plan.models[0], code)

    ch_first = ch_checkpoints.map { rows -> rows.findAll { row -> row[0].model == plan.models[0] }.collect { row -> row[1] } }
    APPLY_SEQ2EXP(ch_first, inputs.expression, reference, files, names, inputs.peaks, inputs.regulatory, code)

    ch_folders = ch_checkpoints.map { rows -> rows.collect { row -> row[1] } }
    REPORT_TRAINING(ch_folders, GATHER_SEQ2EXP.out.summary, APPLY_SEQ2EXP.out.overlap.ifEmpty([]), code)

    ch_versions = channel.topic('versions').unique().toList().map { rows -> versions_yaml(rows) }
    MULTIQC(REPORT_TRAINING.out.sections, multiqc_configs, ch_versions)

    metrics = GATHER_SEQ2EXP.out.metrics
    masks = APPLY_SEQ2EXP.out.results
    report = MULTIQC.out.report
    versions = ch_versions.combine(MULTIQC.out.versions.toList().map { rows -> versions_yaml(rows) })

    emit:
    metrics // metrics.tsv
    masks // mask.bw, elements.bed.gz, predictions.tsv, overlap.json
    report // report.html
    versions // YAML texts
}
