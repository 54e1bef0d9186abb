// Join the parts of a model's scored variants, in order.
process GATHER_VARIANTS {
    tag "${meta.model}"
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    tuple val(meta), path(parts, stageAs: 'parts/*')
    val format

    output:
    tuple val(meta), path("variants/*.${format}"), emit: scored
    path 'variants/*.{tbi,csi}', emit: index, optional: true
    tuple val("${task.process}"), val('darkregulome'), eval("gather.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.model}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    gather.py variants ${parts} --out 'variants/${prefix}.${format}' ${args}
    """

    stub:
    def prefix = task.ext.prefix ?: "${meta.model}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    mkdir variants
    touch 'variants/${prefix}.${format}'
    """
}
