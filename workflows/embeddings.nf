//
// Embed windows: each model's map of them, its clusters against their classes, and logos of chosen regions.
//

include { EMBED_WINDOWS     } from '../modules/local/embed_windows'
include { DRAW_LOGOS        } from '../modules/local/draw_logos'
include { REPORT_EMBEDDINGS } from '../modules/local/report_embeddings'
include { MULTIQC           } from '../modules/local/multiqc'
include { versions_yaml     } from '../subworkflows/local/versions'

workflow EMBEDDINGS {
    take:
    inputs // map of files: windows, annotation, logo_regions, loci; absent ones are []
    reference // value: [fasta, [fai, gzi]]
    ch_checkpoints // [name, folder], as they are ready
    registry // file: models.yml
    device // string: auto, cpu, cuda, cuda:INDEX
    multiqc_configs // list of files
    code // string: SHA-256 of the scripts and the package

    main:
    ch_models = ch_checkpoints.map { name, folder -> [[id: name, model: name], folder] }

    EMBED_WINDOWS(ch_models, inputs.windows, reference, inputs.annotation, registry, device, code)
    // Sorted by name, so that the report is the same whichever model was ready first.
    ch_embeddings = EMBED_WINDOWS.out.embeddings.map { _meta, folder -> folder }.toSortedList { one, two -> one.name <=> two.name }

    ch_logos = channel.value([])
    if (inputs.logo_regions) {
        DRAW_LOGOS(ch_models, inputs.logo_regions, reference, inputs.loci, registry, device, code)
        ch_logos = DRAW_LOGOS.out.logos.map { _meta, folder -> folder }.toSortedList { one, two -> one.name <=> two.name }
    }

    REPORT_EMBEDDINGS(ch_embeddings, ch_logos, code)

    ch_versions = channel.topic('versions').unique().toList().map { rows -> versions_yaml(rows) }
    MULTIQC(REPORT_EMBEDDINGS.out.sections, multiqc_configs, ch_versions)

    embeddings = EMBED_WINDOWS.out.embeddings
    report = MULTIQC.out.report
    versions = ch_versions.combine(MULTIQC.out.versions.toList().map { rows -> versions_yaml(rows) })

    emit:
    embeddings // [meta, folder]
    report // report.html
    versions // YAML texts
}
