// Measures of all trainings in one table, with every model against the first.
process GATHER_SEQ2EXP {
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path metrics, stageAs: 'parts/*'
    val first

    output:
    path 'seq2exp/metrics.tsv', emit: metrics
    path 'seq2exp/metrics.json', emit: summary
    tuple val("${task.process}"), val('darkregulome'), eval("gather.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    gather.py seq2exp ${metrics} \\
        --first '${first}' \\
        --outdir seq2exp \\
        ${args}
    """

    stub:
    """
    mkdir seq2exp
    touch seq2exp/metrics.tsv seq2exp/metrics.json
    """
}
