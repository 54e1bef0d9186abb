#!/usr/bin/env nextflow
//
// darkregulome: which part of an in-silico mutagenesis score is regulation, and which is only predictability
//

include { REGULOME                   } from './workflows/regulome'
include { check_parameters; help_text } from './subworkflows/local/parameters'
include { models_of; code_hash       } from './subworkflows/local/code_and_models'
include { record_parameters; write_crate } from './subworkflows/local/provenance'

workflow {
    main:
    def schema = "${projectDir}/nextflow_schema.json"
    if (params.help.toString() == 'true') {
        log.info(help_text(schema))
    }
    else {
        check_parameters(params, schema)
        record_parameters(params, params.outdir)

        def inputs = ['fasta', 'gtf', 'loci', 'regulatory', 'repeats', 'conserved', 'class_map', 'conservation', 'eqtl', 'truth']
            .collectEntries { name -> [name, params[name] ? file(params[name], checkIfExists: true) : []] }

        REGULOME(
            inputs,
            models_of(params.models, params.weights, params.registry, "${projectDir}/assets/models"),
            file(params.registry, checkIfExists: true),
            file("${projectDir}/assets/multiqc_config.yml", checkIfExists: true),
            params.device,
            params.loci_per_task as Integer,
            code_hash("${projectDir}/bin"),
        )

        REGULOME.out.versions
            .map { stages, report -> stages + report }
            .collectFile(name: 'software_versions.yml', storeDir: "${params.outdir}/pipeline_info")

        // The handler does not see `params`.
        def given = params
        workflow.onComplete {
            write_crate(given, inputs, given.outdir)
        }
    }
}
