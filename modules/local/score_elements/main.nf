// Edit the elements of one or more loci in silico, and read the effects from one model.
process SCORE_ELEMENTS {
    tag "${meta.id} ${meta.model}"
    label 'process_medium'
    label 'process_gpu'
    label 'error_ignore'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container { "docker.io/darkregulome/darkregulome:0.1.0${task.accelerator ? '-gpu' : ''}" }

    input:
    tuple val(meta), path(weights, stageAs: 'weights/*')
    path elements
    path loci
    tuple path(fasta), path(index)
    path registry
    val device

    output:
    tuple val(meta), path("*.effects.parquet"), path("*.reference.parquet"), emit: scores
    tuple val("${task.process}"), val('darkregulome'), eval("score_elements.py --version | sed 's/.* //'"), topic: versions
    tuple val("${task.process}"), val('torch'), eval("python3 -c 'from importlib.metadata import version; print(version(\"torch\"))'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.id}.${meta.model}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    def processor = device == 'auto' && task.accelerator ? 'cuda' : device
    """
    score_elements.py \\
        --elements ${elements} \\
        --loci ${loci} \\
        --fasta ${fasta} \\
        --locus '${meta.loci.join(',')}' \\
        --model '${meta.model}' \\
        ${weights ? "--weights ${weights}" : ''} \\
        --registry ${registry} \\
        --device ${processor} \\
        --threads ${task.cpus} \\
        --no-progress \\
        --out '${prefix}.effects.parquet' \\
        --reference-out '${prefix}.reference.parquet' \\
        ${args}
    """

    stub:
    def prefix = task.ext.prefix ?: "${meta.id}.${meta.model}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    touch '${prefix}.effects.parquet' '${prefix}.reference.parquet'
    """
}
