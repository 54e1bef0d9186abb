//
// The report of any workflow: its sections, bound by MultiQC, with the versions of the software.
//

include { REPORT_SECTIONS } from '../../../modules/local/report_sections'
include { MULTIQC         } from '../../../modules/local/multiqc'
include { versions_yaml   } from '../versions'

workflow REPORT {
    take:
    kind // string: subcommand of report.py
    parts // [option of report.py, file], as they are ready; with 'sections' for option, files that are sections already

    main:
    ch_parts = parts.branch { option, _file ->
        sections: option == 'sections'
        results: true
    }

    // Sorted, so that the report is the same whichever part was ready first.
    ch_results = ch_parts.results
        .toSortedList { left, right -> part_name(left) <=> part_name(right) }
        .filter { sorted -> sorted }
        .map { sorted -> sorted.transpose() }
    REPORT_SECTIONS(kind, ch_results)

    ch_sections = REPORT_SECTIONS.out.sections
        .mix(ch_parts.sections.map { _option, file -> file })
        .flatten()
        .toSortedList { left, right -> left.name <=> right.name }
        .filter { sorted -> sorted }

    // Other reports than the main one have its settings with another opening.
    def opening = [regulome: [], training: ['multiqc_training.yml']].getOrDefault(kind, ['multiqc_instruments.yml'])
    def settings = (['multiqc_config.yml'] + opening).collect { name -> file("${projectDir}/assets/${name}", checkIfExists: true) }

    MULTIQC(ch_sections, settings, channel.topic('versions').unique().toList().map { rows -> versions_yaml(rows) })
}

/** By option, name and folder: folders of figures have one name. */
def part_name(part) {
    "${part[0]}\t${part[1].name}\t${part[1].parent.name}".toString()
}
