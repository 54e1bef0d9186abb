//
// Nucleotide dependencies: maps by every model, what is called in them, and whether the models agree.
//

include { MAP_DEPENDENCIES  } from '../modules/local/map_dependencies'
include { CALL_DEPENDENCIES } from '../modules/local/call_dependencies'

workflow DEPENDENCIES {
    take:
    run // map: parameters by their types, reference and checkpoints (main.nf)

    main:
    // With controls, shuffled sequences are mapped too, and calls are made against them.
    ch_tasks = run.checkpoints.flatMap { name, folder ->
        (run.map_controls ? [false, true] : [false]).collect { shuffled ->
            [[id: shuffled ? "${name}.shuffled".toString() : name, model: name, shuffled: shuffled], folder]
        }
    }
    MAP_DEPENDENCIES(ch_tasks, run.map_regions, run.reference, run.registry, run.device)

    // Sorted by name, so that the report is the same whichever model was ready first.
    ch_maps = MAP_DEPENDENCIES.out.maps
        .toList()
        .map { maps -> maps.sort { left, right -> left[1].name <=> right[1].name }.split { meta, _folder -> !meta.shuffled } }
        .map { maps, controls -> [maps, controls].collect { rows -> rows.collect { row -> row[1] } } }
    CALL_DEPENDENCIES(ch_maps.map { maps, _controls -> maps }, ch_maps.map { _maps, controls -> controls })

    parts = CALL_DEPENDENCIES.out.sections.flatten().map { file -> ['sections', file] }

    emit:
    parts // for REPORT
}
