#!/usr/bin/env nextflow
//
// darkregulome: which part of an in-silico mutagenesis score is regulation, and which is only predictability
//

include { REGULOME                   } from './workflows/regulome'
include { DIAGNOSE_SCORES            } from './workflows/diagnose'
include { VARIANTS                   } from './workflows/variants'
include { DEPENDENCIES               } from './workflows/dependencies'
include { EMBEDDINGS                 } from './workflows/embeddings'
include { FETCH_MODELS               } from './subworkflows/local/fetch_models'
include { PRETRAIN                   } from './workflows/pretrain'
include { SEQ2EXP                    } from './workflows/seq2exp'
include { JUDGE_SCORES               } from './subworkflows/local/judge_scores'
include { REFERENCE                  } from './subworkflows/local/reference'
include { with_genome                } from './subworkflows/local/genomes'
include { check_parameters; help_text } from './subworkflows/local/parameters'
include { versions_yaml              } from './subworkflows/local/versions'
include { models_of; model_cards; code_hash } from './subworkflows/local/code_and_models'
include { record_parameters; write_crate } from './subworkflows/local/provenance'

workflow {
    main:
    def schema = "${projectDir}/nextflow_schema.json"
    if (params.help.toString() == 'true') {
        log.info(help_text(schema))
    }
    else {
        // From here on `given`: the handler at the end does not see `params` either.
        def given = with_genome(params)
        check_parameters(given, schema)
        record_parameters(given, given.outdir)

        def inputs = files_of(given)
        def own = params.workflow == 'diagnose'
        def plan_only = params.plan_only.toString() == 'true'
        def learning = params.workflow in ['pretrain', 'seq2exp']
        def state = params.training_state ? file(params.training_state).toAbsolutePath().toString() : ''
        def models = own || learning ? [] : models_of(params.models, params.weights, params.registry, "${projectDir}/assets/models")
        def code = code_hash("${projectDir}/bin")

        // Other reports than the main one: its settings, with another opening.
        def own_settings = learning ? 'multiqc_training.yml' : 'multiqc_instruments.yml'
        def report_configs = ['multiqc_config.yml', own_settings].collect { name ->
            file("${projectDir}/assets/${name}", checkIfExists: true)
        }

        ch_models = channel.empty()
        if (!own && !learning) {
            def cache = params.weights_cache ? file(params.weights_cache).toString() : ''
            FETCH_MODELS(models, file(params.registry, checkIfExists: true), cache, code)
            ch_models = FETCH_MODELS.out.ready
        }

        if (params.workflow == 'variants') {
            REFERENCE(inputs.fasta, code)
            VARIANTS(
                inputs,
                REFERENCE.out.reference,
                ch_models,
                file(params.registry, checkIfExists: true),
                params.device,
                params.shards as Integer,
                params.variants_format,
                report_configs,
                code,
            )
            VARIANTS.out.versions
                .map { stages, report -> stages + report }
                .collectFile(name: 'software_versions.yml', storeDir: "${params.outdir}/pipeline_info")
        }
        else if (params.workflow == 'dependencies') {
            ch_reference = channel.value([inputs.fasta, []])
            if (inputs.map_regions) {
                REFERENCE(inputs.fasta, code)
                ch_reference = REFERENCE.out.reference
            }
            DEPENDENCIES(
                inputs.map_regions,
                ch_reference,
                ch_models,
                file(params.registry, checkIfExists: true),
                params.device,
                params.map_controls.toString() == 'true',
                report_configs,
                code,
            )
            DEPENDENCIES.out.versions
                .map { stages, report -> stages + report }
                .collectFile(name: 'software_versions.yml', storeDir: "${params.outdir}/pipeline_info")
        }
        else if (params.workflow == 'embeddings') {
            REFERENCE(inputs.fasta, code)
            EMBEDDINGS(
                inputs,
                REFERENCE.out.reference,
                ch_models,
                file(params.registry, checkIfExists: true),
                params.device,
                report_configs,
                code,
            )
            EMBEDDINGS.out.versions
                .map { stages, report -> stages + report }
                .collectFile(name: 'software_versions.yml', storeDir: "${params.outdir}/pipeline_info")
        }
        else if (params.workflow == 'pretrain') {
            PRETRAIN(
                inputs,
                [id: params.lm_name, architecture: params.lm_architecture],
                state,
                params.device,
                report_configs,
                code,
            )
            PRETRAIN.out.versions
                .map { stages, report -> stages + report }
                .collectFile(name: 'software_versions.yml', storeDir: "${params.outdir}/pipeline_info")
        }
        else if (params.workflow == 'seq2exp') {
            REFERENCE(inputs.fasta, code)
            SEQ2EXP(
                inputs,
                REFERENCE.out.reference,
                named_files(params.signals),
                [
                    models: params.seq2exp_models.tokenize(',').unique(),
                    folds: params.folds as Integer,
                    seeds: params.training_seeds as Integer,
                    first_seed: params.seed as Integer,
                ],
                state,
                params.device,
                report_configs,
                code,
            )
            SEQ2EXP.out.versions
                .map { stages, report -> stages + report }
                .collectFile(name: 'software_versions.yml', storeDir: "${params.outdir}/pipeline_info")
        }
        else {
            ch_elements = channel.empty()
            ch_ris = channel.empty()
            ch_loci = channel.empty()
            ch_failed = channel.value([])
            ch_failed_scores = channel.value([])
            ch_allowed = channel.value(true)
            if (own) {
                DIAGNOSE_SCORES(params.scores, inputs, code)
                ch_elements = DIAGNOSE_SCORES.out.elements
                ch_ris = DIAGNOSE_SCORES.out.ris
                ch_loci = DIAGNOSE_SCORES.out.loci
            }
            else {
                REGULOME(
                    inputs,
                    models,
                    ch_models,
                    file(params.registry, checkIfExists: true),
                    params.device,
                    params.loci_per_task as Integer,
                    [hours: params.max_device_hours as BigDecimal, money: params.max_cost as BigDecimal],
                    plan_only,
                    code,
                )
                ch_elements = REGULOME.out.elements
                ch_ris = REGULOME.out.ris
                ch_loci = REGULOME.out.loci
                ch_failed = REGULOME.out.failed
                ch_failed_scores = REGULOME.out.failed_scores
                ch_allowed = REGULOME.out.allowed
            }

            if (plan_only) {
                channel
                    .topic('versions')
                    .unique()
                    .toList()
                    .map { rows -> versions_yaml(rows) }
                    .collectFile(name: 'software_versions.yml', storeDir: "${params.outdir}/pipeline_info")
            }
            else {
                JUDGE_SCORES(
                    inputs,
                    ch_elements,
                    ch_ris,
                    ch_loci,
                    model_cards(models),
                    (params.calibration ?: '').tokenize(',').collect { path -> file(path, checkIfExists: true) },
                    ch_failed,
                    ch_failed_scores,
                    file("${projectDir}/assets/multiqc_config.yml", checkIfExists: true),
                    code,
                )

                // A run that was refused is torn down at once: a file that is being written then would be a second error.
                JUDGE_SCORES.out.versions
                    .combine(ch_allowed)
                    .map { stages, report, _allowed -> stages + report }
                    .collectFile(name: 'software_versions.yml', storeDir: "${params.outdir}/pipeline_info")
            }
        }

        workflow.onComplete {
            write_crate(given, inputs, given.outdir)
        }
    }
}

/** Every file that the run was given, by parameter; [] where it was not. */
def files_of(given) {
    def genome = ['fasta', 'gtf', 'loci', 'regulatory', 'repeats', 'conserved', 'class_map']
    def own = ['elements', 'score_intervals', 'score_variants']
    def outside = ['conservation', 'eqtl', 'ld_blocks', 'network', 'network_info', 'pairs', 'truth', 'variants', 'variant_truth', 'map_regions']
    def embedded = ['windows', 'annotation', 'logo_regions']
    def learned = ['lm_config', 'lm_start', 'expression', 'peaks', 'recipe']
    (genome + own + outside + embedded + learned).collectEntries { name -> [name, given[name] ? file(given[name], checkIfExists: true) : []] }
}

/** Files by name, from NAME=FILE,NAME=FILE. */
def named_files(given) {
    (given ?: '').tokenize(',').collectEntries { pair ->
        def parts = pair.split('=', 2).toList()
        [parts[0], file(parts[1], checkIfExists: true)]
    }
}
