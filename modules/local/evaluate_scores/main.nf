// Judge a model's scores of variants by labels or measurements.
process EVALUATE_SCORES {
    tag "${meta.model}"
    label 'process_low'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    tuple val(meta), path(scored)
    path truth
    path conservation, stageAs: 'conservation/*'

    output:
    tuple val(meta), path('evaluation/*', type: 'dir'), emit: evaluation
    tuple val("${task.process}"), val('darkregulome'), eval("evaluate_scores.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.model}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    evaluate_scores.py \\
        --scores ${scored} \\
        --truth ${truth} \\
        --outdir 'evaluation/${prefix}' \\
        ${args}
    """

    stub:
    def prefix = task.ext.prefix ?: "${meta.model}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    mkdir -p 'evaluation/${prefix}'
    touch 'evaluation/${prefix}/evaluation.json'
    """
}
