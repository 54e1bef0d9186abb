//
// From scores to verdicts: every claim rung by rung, the layers, the checks against outside data.
//

include { DIAGNOSE    } from '../../../modules/local/diagnose'
include { DECOMPOSE   } from '../../../modules/local/decompose'
include { CROSS_CHECK } from '../../../modules/local/cross_check'

workflow JUDGE_SCORES {
    take:
    run // map: models, calibration, truth, and the outside data; absent files are []
    elements // value: elements.parquet
    ris // value: ris.parquet
    loci // value: loci.tsv
    failed // tables of loci and scoring tasks that failed

    main:
    def cards = run.models
        .findAll { model -> model.weights != [] }
        .collect { model -> model.weights.resolve('model_card.json') }
        .findAll { card -> card.exists() }
    ch_scores = ris.map { table -> [table] + cards }

    DIAGNOSE(elements, ch_scores)
    DECOMPOSE(elements, ch_scores)

    // Without a list of pairs, the strongest links of the network are the pairs. Families are named by the repeats.
    def checks = [
        ['conservation', run.conservation, []],
        ['eqtl', run.eqtl, []],
        ['intervals', run.intervals, []],
        ['network', run.network, run.network_info],
        run.pairs ? ['pairs', run.pairs, []] : ['linked_pairs', run.network, run.network_info],
    ].findAll { _check, data, _names -> data } + (run.repeats ? [['families', [], []]] : [])
    CROSS_CHECK(channel.fromList(checks), elements, ch_scores, loci)

    parts = DIAGNOSE.out.diagnosis
        .map { file -> ['diagnosis', file] }
        .mix(
            DECOMPOSE.out.decomposition.map { file -> ['decomposition', file] },
            CROSS_CHECK.out.json.map { file -> ['cross-checks', file] },
            DIAGNOSE.out.figures.mix(DECOMPOSE.out.figures, CROSS_CHECK.out.figures).map { folder -> ['figures', folder] },
            failed.map { table -> ['failed', table] },
            channel.fromList(cards.collect { card -> ['model-cards', card] }),
            channel.fromList(['truth', 'calibration'].findAll { name -> run[name] }.collect { name -> [name, run[name]] }),
        )

    emit:
    parts // [option of report.py, file], as they are ready
}
