//
// Train a language model on any genome, and say whether it has learnt more than counting would.
//

include { TRAIN_LM } from '../modules/local/train_lm'

workflow PRETRAIN {
    take:
    run // map: parameters by their types (main.nf)

    main:
    ch_model = channel.value([[id: run.lm_name, architecture: run.lm_architecture], run.lm_config])
    TRAIN_LM(ch_model, run.fasta, run.lm_start, run.training_state, run.device)

    parts = TRAIN_LM.out.checkpoint.map { _meta, folder -> ['checkpoint', folder] }

    emit:
    parts // for REPORT
}
