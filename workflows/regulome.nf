//
// The main job: score the dark genome around the loci, then say which part of the scores is regulation.
//

include { PREPARE_INPUTS  } from '../subworkflows/local/prepare_inputs'
include { SCORE_LOCI      } from '../subworkflows/local/score_elements'
include { CROSS_CHECKS    } from '../subworkflows/local/cross_check'
include { DIAGNOSE        } from '../modules/local/diagnose'
include { DECOMPOSE       } from '../modules/local/decompose'
include { REPORT_SECTIONS } from '../modules/local/report_sections'
include { MULTIQC         } from '../modules/local/multiqc'

workflow REGULOME {
    take:
    inputs // map of files: fasta, gtf, loci, regulatory, repeats, conserved, class_map, conservation, eqtl, truth; absent ones are []
    models // list of maps: name, weights (a folder, or [])
    registry // file: models.yml
    multiqc_config // file
    device // string: auto, cpu, cuda, cuda:INDEX
    loci_per_task // integer: loci that one scoring task takes
    code // string: SHA-256 of the scripts and the package

    main:
    PREPARE_INPUTS(inputs, models, registry, device, code)
    ch_elements = PREPARE_INPUTS.out.elements

    SCORE_LOCI(
        ch_elements,
        PREPARE_INPUTS.out.loci,
        PREPARE_INPUTS.out.names,
        PREPARE_INPUTS.out.reference,
        models,
        registry,
        device,
        loci_per_task,
        code,
    )
    ch_ris = SCORE_LOCI.out.ris

    DIAGNOSE(ch_elements, ch_ris, code)
    DECOMPOSE(ch_elements, ch_ris, code)
    CROSS_CHECKS(inputs, ch_elements, ch_ris, PREPARE_INPUTS.out.loci, code)

    ch_figures = DIAGNOSE.out.figures
        .concat(DECOMPOSE.out.figures, CROSS_CHECKS.out.figures.flatMap())
        .toList()

    REPORT_SECTIONS(
        DIAGNOSE.out.diagnosis,
        DECOMPOSE.out.decomposition,
        CROSS_CHECKS.out.json,
        ch_figures,
        inputs.truth,
        model_cards(models),
        PREPARE_INPUTS.out.failed,
        SCORE_LOCI.out.failed,
        code,
    )

    ch_versions = channel.topic('versions').unique().toList().map { rows -> versions_yaml(rows) }
    MULTIQC(REPORT_SECTIONS.out.sections, multiqc_config, ch_versions)

    report = MULTIQC.out.report
    diagnosis = DIAGNOSE.out.diagnosis
    versions = ch_versions.combine(MULTIQC.out.versions.toList().map { rows -> versions_yaml(rows) })

    emit:
    report // report.html
    diagnosis // diagnosis.json
    versions // YAML texts
}

/** The cards of the models that have one. */
def model_cards(models) {
    models
        .findAll { model -> model.weights != [] }
        .collect { model -> model.weights.resolve('model_card.json') }
        .findAll { card -> card.exists() }
}

/** Versions of the software, as YAML by process, sorted. */
def versions_yaml(versions) {
    versions
        .groupBy { process, _tool, _version -> process.tokenize(':').last() }
        .sort()
        .collect { process, rows ->
            "${process}:\n" + rows.collect { _process, tool, version -> "  ${tool}: \"${version}\"\n" }.sort().join('')
        }
        .join('')
}
