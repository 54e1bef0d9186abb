#!/usr/bin/env nextflow
//
// darkregulome: which part of an in-silico mutagenesis score is regulation, and which is only predictability
//

include { REGULOME                   } from './workflows/regulome'
include { check_parameters; help_text } from './subworkflows/local/parameters'
include { models_of; code_hash       } from './subworkflows/local/code_and_models'

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
    }
}

/** What the run was given, as JSON, for whoever wants to repeat it. */
def record_parameters(given, outdir) {
    def shown = given.findAll { name, _value -> name != 'help' }.sort()
    def record = file("${outdir}/pipeline_info/params.json")
    record.parent.mkdirs()
    record.text = groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(shown)) + '\n'
}
