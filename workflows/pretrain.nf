//
// Train a language model on any genome, and say whether it has learnt more than counting would.
//

include { TRAIN_LM        } from '../modules/local/train_lm'
include { REPORT_TRAINING } from '../modules/local/report_training'
include { MULTIQC         } from '../modules/local/multiqc'
include { versions_yaml   } from '../subworkflows/local/versions'

workflow PRETRAIN {
    take:
    inputs // map of files: fasta, lm_config, lm_start; an absent one is []
    meta // map: id (name of the model), architecture
    state // string: folder of the state files, or ''
    device // string: auto, cpu, cuda, cuda:INDEX
    multiqc_configs // list of files
    code // string: SHA-256 of the scripts and the package

    main:
    TRAIN_LM(channel.value([meta, inputs.lm_config]), inputs.fasta, inputs.lm_start, state, device, code)

    ch_checkpoints = TRAIN_LM.out.checkpoint.map { _meta, folder -> folder }.toList()
    REPORT_TRAINING(ch_checkpoints, [], [], code)

    ch_versions = channel.topic('versions').unique().toList().map { rows -> versions_yaml(rows) }
    MULTIQC(REPORT_TRAINING.out.sections, multiqc_configs, ch_versions)

    checkpoint = TRAIN_LM.out.checkpoint
    report = MULTIQC.out.report
    versions = ch_versions.combine(MULTIQC.out.versions.toList().map { rows -> versions_yaml(rows) })

    emit:
    checkpoint // [meta, folder]
    report // report.html
    versions // YAML texts
}
