//
// Masks of regulatory elements, learnt from expression: one training per model, fold and seed; gathered, applied, reported.
//

include { TRAIN_SEQ2EXP  } from '../modules/local/train_seq2exp'
include { GATHER_SEQ2EXP } from '../modules/local/gather_seq2exp'
include { APPLY_SEQ2EXP  } from '../modules/local/apply_seq2exp'

workflow SEQ2EXP {
    take:
    run // map: parameters by their types, and reference (main.nf)

    main:
    def signals = (run.signals ?: '').tokenize(',').collect { pair -> pair.split('=', 2).toList() }
    def names = signals.collect { name, _path -> name }
    def files = signals.collect { _name, path -> file(path, checkIfExists: true) }

    // Masks are those of the first model.
    def models = run.seq2exp_models.tokenize(',').unique()
    def tasks = [models, (0..<run.folds), (0..<run.training_seeds)]
        .combinations()
        .collect { model, fold, number ->
            def seed = run.seed + number
            [id: "${model}_fold${fold}_seed${seed}", model: model, fold: fold, seed: seed]
        }
    TRAIN_SEQ2EXP(
        channel.fromList(tasks),
        run.expression,
        run.reference,
        files,
        names,
        run.peaks,
        run.recipe,
        run.training_state,
        run.device,
    )

    // Sorted by name, so that results are the same whichever training was ready first.
    ch_metrics = TRAIN_SEQ2EXP.out.metrics.toSortedList { left, right -> left.name <=> right.name }
    GATHER_SEQ2EXP(ch_metrics, models[0])

    ch_first = TRAIN_SEQ2EXP.out.checkpoint
        .filter { meta, _folder -> meta.model == models[0] }
        .toSortedList { left, right -> left[0].id <=> right[0].id }
        .map { rows -> rows.collect { row -> row[1] } }
    APPLY_SEQ2EXP(ch_first, run.expression, run.reference, files, names, run.peaks, run.regulatory)

    parts = TRAIN_SEQ2EXP.out.checkpoint
        .map { _meta, folder -> ['checkpoint', folder] }
        .mix(
            GATHER_SEQ2EXP.out.summary.map { file -> ['metrics', file] },
            APPLY_SEQ2EXP.out.overlap.map { file -> ['overlap', file] },
        )

    emit:
    parts // for REPORT
}
