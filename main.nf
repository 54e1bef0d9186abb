#!/usr/bin/env nextflow
//
// darkregulome: which part of an in-silico mutagenesis score is regulation, and which is only predictability
//

include { REGULOME          } from './workflows/regulome'
include { DIAGNOSE_SCORES   } from './workflows/diagnose'
include { VARIANTS          } from './workflows/variants'
include { DEPENDENCIES      } from './workflows/dependencies'
include { EMBEDDINGS        } from './workflows/embeddings'
include { PRETRAIN          } from './workflows/pretrain'
include { SEQ2EXP           } from './workflows/seq2exp'
include { GENOME_INDEX      } from './subworkflows/local/genome_index'
include { MODELS; models_of } from './subworkflows/local/models'
include { JUDGE_SCORES      } from './subworkflows/local/judge_scores'
include { REPORT            } from './subworkflows/local/report'
include { with_genome       } from './subworkflows/local/genomes'
include { check_parameters; help_text; typed_parameters } from './subworkflows/local/parameters'
include { record_parameters; record_versions; write_crate } from './subworkflows/local/provenance'

workflow {
    main:
    def schema = "${projectDir}/nextflow_schema.json"
    if (params.help.toString() == 'true') {
        log.info(help_text(schema))
    }
    else {
        // From here on `given` and `run`: the handler at the end does not see `params`.
        def given = with_genome(params)
        check_parameters(given, schema)
        record_parameters(given, given.outdir)
        def settings = typed_parameters(given, schema)

        // What several workflows need is called here: Nextflow 25.04 with the strict parser lets only one file include a subworkflow.
        def with_models = settings.workflow in ['regulome', 'variants', 'dependencies', 'embeddings']
        def with_index = settings.workflow in ['regulome', 'variants', 'embeddings', 'seq2exp'] || settings.map_regions
        def models = with_models ? models_of(settings, "${projectDir}/assets/models") : []
        MODELS(models, settings)
        GENOME_INDEX(settings.fasta, with_index)
        def run = settings + [models: models, checkpoints: MODELS.out.checkpoints, reference: GENOME_INDEX.out.reference]

        if (run.workflow == 'regulome') {
            REGULOME(run)
            if (!run.plan_only) {
                JUDGE_SCORES(run, REGULOME.out.elements, REGULOME.out.ris, REGULOME.out.loci, REGULOME.out.failed)
                REPORT('regulome', JUDGE_SCORES.out.parts)
            }
        }
        else if (run.workflow == 'diagnose') {
            DIAGNOSE_SCORES(run)
            JUDGE_SCORES(run, DIAGNOSE_SCORES.out.elements, DIAGNOSE_SCORES.out.ris, DIAGNOSE_SCORES.out.loci, channel.empty())
            REPORT('regulome', JUDGE_SCORES.out.parts)
        }
        else if (run.workflow == 'variants') {
            VARIANTS(run)
            REPORT('variants', VARIANTS.out.parts)
        }
        else if (run.workflow == 'dependencies') {
            DEPENDENCIES(run)
            REPORT('dependencies', DEPENDENCIES.out.parts)
        }
        else if (run.workflow == 'embeddings') {
            EMBEDDINGS(run)
            REPORT('embeddings', EMBEDDINGS.out.parts)
        }
        else if (run.workflow == 'pretrain') {
            PRETRAIN(run)
            REPORT('training', PRETRAIN.out.parts)
        }
        else if (run.workflow == 'seq2exp') {
            SEQ2EXP(run)
            REPORT('training', SEQ2EXP.out.parts)
        }

        def versions = []
        channel.topic('versions').mix(channel.topic('report_versions')).unique().subscribe { row -> versions << row }
        workflow.onComplete {
            record_versions(versions, given.outdir)
            write_crate(given, settings.findAll { _name, value -> value == [] || value instanceof java.nio.file.Path }, given.outdir)
        }
    }
}
