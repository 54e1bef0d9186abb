//
// From scores to the report: every claim raw and residual, the layers, the checks against outside data.
//

include { CROSS_CHECKS    } from '../cross_check'
include { DIAGNOSE        } from '../../../modules/local/diagnose'
include { DECOMPOSE       } from '../../../modules/local/decompose'
include { REPORT_SECTIONS } from '../../../modules/local/report_sections'
include { MULTIQC         } from '../../../modules/local/multiqc'
include { versions_yaml   } from '../versions'

workflow JUDGE_SCORES {
    take:
    inputs // map of files: the outside data of CROSS_CHECKS, and truth; absent ones are []
    elements // value: elements.parquet
    ris // value: ris.parquet
    loci // value: loci.tsv
    cards // list of files: model_card.json
    calibration // list of files: calibration.json
    failed // value: tables of loci that failed, or []
    failed_scores // value: list of meta maps of the scoring tasks that failed
    multiqc_config // file
    code // string: SHA-256 of the scripts and the package

    main:
    ch_scores = ris.map { table -> [table] + cards }
    DIAGNOSE(elements, ch_scores, calibration, code)
    DECOMPOSE(elements, ch_scores, code)
    CROSS_CHECKS(inputs, elements, ch_scores, loci, code)

    ch_figures = DIAGNOSE.out.figures
        .concat(DECOMPOSE.out.figures, CROSS_CHECKS.out.figures.flatMap())
        .toList()

    REPORT_SECTIONS(
        DIAGNOSE.out.diagnosis,
        DECOMPOSE.out.decomposition,
        CROSS_CHECKS.out.json,
        ch_figures,
        inputs.truth,
        cards,
        failed,
        failed_scores,
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
