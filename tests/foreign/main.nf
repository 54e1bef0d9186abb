#!/usr/bin/env nextflow
//
// Somebody else's pipeline: it includes three modules of darkregulome, and has channels, parameters and containers of its own.
//

include { SCORE_ELEMENTS } from '../../modules/local/score_elements'
include { SCORE_VARIANTS } from '../../modules/local/score_variants'
include { DIAGNOSE } from '../../modules/local/diagnose'
include { DIAGNOSE as DIAGNOSE_WITH_CARDS } from '../../modules/local/diagnose'

workflow {
    main:
    def data = file(params.theirs)
    def genome = [data.resolve('genome.fa.gz'), [data.resolve('genome.fa.gz.fai'), data.resolve('genome.fa.gz.gzi')]]
    def registry = file(params.models_of_theirs)
    def weights = data.resolve('demo-hyena')

    ch_samples = channel.of([id: 'ours', loci: ['ALPHA'], model: 'demo-hyena'])
        .map { meta -> [meta, weights] }
    ch_parts = channel.of([id: 'ours', model: 'demo-hyena', shard: 1, shards: 1])
        .map { meta -> [meta, weights] }

    SCORE_ELEMENTS(ch_samples, data.resolve('elements.parquet'), data.resolve('loci.tsv'), genome, registry, 'cpu')
    SCORE_VARIANTS(ch_parts, data.resolve('variants.vcf'), genome, [], registry, 'cpu', 'tsv')
    DIAGNOSE(data.resolve('elements.parquet'), data.resolve('ris.parquet'))

    def cards = ['a', 'b'].collect { folder -> data.resolve('cards').resolve(folder).resolve('model_card.json') }
    DIAGNOSE_WITH_CARDS(data.resolve('elements.parquet'), [data.resolve('ris.parquet')] + cards)
    DIAGNOSE_WITH_CARDS.out.diagnosis.collectFile(storeDir: params.into) { result -> ['with_cards.json', result] }

    SCORE_ELEMENTS.out.scores.map { _meta, effects, _reference -> effects }
        .mix(SCORE_VARIANTS.out.scored.map { _meta, table -> table }, DIAGNOSE.out.diagnosis)
        .collectFile(storeDir: params.into) { result -> [result.name, result] }
}
