// Masks, elements and predictions of the trained models; each speaks only of genes on contigs that it was tested on.
process APPLY_SEQ2EXP {
    label 'process_low'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path models, stageAs: 'models/*'
    path expression
    tuple path(fasta), path(index)
    path signals, stageAs: 'signals??/*'
    val names
    path peaks, stageAs: 'peaks/*'
    path ccres, stageAs: 'ccres/*'

    output:
    path 'seq2exp/{mask.bw,elements.bed.gz,elements.bed.gz.tbi,predictions.tsv}', emit: results
    path 'seq2exp/overlap.json', emit: overlap, optional: true
    tuple val("${task.process}"), val('darkregulome'), eval("apply_seq2exp.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def folders = [models].flatten().collect { folder -> "--checkpoint ${folder}" }.join(' ')
    def signal_options = [names, [signals].flatten()].transpose().collect { name, file -> "--signal '${name}'=${file}" }.join(' ')
    """
    apply_seq2exp.py \\
        ${folders} \\
        --fasta ${fasta} \\
        --expression ${expression} \\
        ${signal_options} \\
        ${peaks ? "--peaks ${peaks}" : ''} \\
        ${ccres ? "--ccres ${ccres}" : ''} \\
        --threads ${task.cpus} \\
        --no-progress \\
        --outdir seq2exp \\
        ${args}
    """

    stub:
    """
    mkdir seq2exp
    touch seq2exp/mask.bw seq2exp/elements.bed.gz seq2exp/elements.bed.gz.tbi seq2exp/predictions.tsv
    """
}
