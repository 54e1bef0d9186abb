//
// Nucleotide dependencies: maps by every model, what is called in them, and whether the models agree.
//

include { MAP_DEPENDENCIES  } from '../modules/local/map_dependencies'
include { CALL_DEPENDENCIES } from '../modules/local/call_dependencies'
include { MULTIQC           } from '../modules/local/multiqc'
include { versions_yaml     } from '../subworkflows/local/versions'

workflow DEPENDENCIES {
    take:
    regions // file: BED, or [] where the FASTA holds the sequences themselves
    reference // value: [fasta, indices]
    ch_models // [name, folder], as they are ready
    registry // file: models.yml
    device // string: auto, cpu, cuda, cuda:INDEX
    with_controls // boolean: map shuffled sequences too, to call against
    multiqc_configs // list of files
    code // string: SHA-256 of the scripts and the package

    main:
    ch_tasks = ch_models.flatMap { name, folder ->
        (with_controls ? [false, true] : [false]).collect { shuffled ->
            [[id: shuffled ? "${name}.shuffled".toString() : name, model: name, shuffled: shuffled], folder]
        }
    }
    MAP_DEPENDENCIES(ch_tasks, regions, reference, registry, device, code)

    // Sorted by name, so that the report is the same whichever model was ready first.
    ch_maps = MAP_DEPENDENCIES.out.maps
        .filter { meta, _folder -> !meta.shuffled }
        .map { _meta, folder -> folder }
        .toSortedList { one, two -> one.name <=> two.name }
    ch_controls = channel.value([])
    if (with_controls) {
        ch_controls = MAP_DEPENDENCIES.out.maps
            .filter { meta, _folder -> meta.shuffled }
            .map { _meta, folder -> folder }
            .toSortedList { one, two -> one.name <=> two.name }
    }

    CALL_DEPENDENCIES(ch_maps, ch_controls, code)

    ch_versions = channel.topic('versions').unique().toList().map { rows -> versions_yaml(rows) }
    MULTIQC(CALL_DEPENDENCIES.out.sections, multiqc_configs, ch_versions)

    calls = CALL_DEPENDENCIES.out.calls
    report = MULTIQC.out.report
    versions = ch_versions.combine(MULTIQC.out.versions.toList().map { rows -> versions_yaml(rows) })

    emit:
    calls // dependencies/
    report // report.html
    versions // YAML texts
}
