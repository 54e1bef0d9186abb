//
// Embed windows: each model's map of them, its clusters against their classes, and logos of chosen regions.
//

include { EMBED_WINDOWS } from '../modules/local/embed_windows'
include { DRAW_LOGOS    } from '../modules/local/draw_logos'

workflow EMBEDDINGS {
    take:
    run // map: parameters by their types, reference and checkpoints (main.nf)

    main:
    ch_models = run.checkpoints.map { name, folder -> [[id: name, model: name], folder] }

    EMBED_WINDOWS(ch_models, run.windows, run.reference, run.annotation, run.registry, run.device)
    parts = EMBED_WINDOWS.out.embeddings.map { _meta, folder -> ['embeddings', folder] }

    if (run.logo_regions) {
        DRAW_LOGOS(ch_models, run.logo_regions, run.reference, run.loci, run.registry, run.device)
        parts = parts.mix(DRAW_LOGOS.out.logos.map { _meta, folder -> ['logos', folder] })
    }

    emit:
    parts // for REPORT
}
