// Embed windows with one model, map them, and compare their clusters with annotation.
process EMBED_WINDOWS {
    tag "${meta.model}"
    label 'process_medium'
    label 'process_gpu'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container { "docker.io/darkregulome/darkregulome:0.1.0${task.accelerator ? '-gpu' : ''}" }

    input:
    tuple val(meta), path(weights, stageAs: 'weights/*')
    path windows, stageAs: 'windows/*'
    tuple path(fasta), path(index)
    path annotation, stageAs: 'annotation/*'
    path registry
    val device

    output:
    tuple val(meta), path("embeddings/${prefix}", type: 'dir'), emit: embeddings
    tuple val("${task.process}"), val('darkregulome'), eval("embed_windows.py --version | sed 's/.* //'"), topic: versions
    tuple val("${task.process}"), val('torch'), eval("python3 -c 'from importlib.metadata import version; print(version(\"torch\"))'"), topic: versions
    tuple val("${task.process}"), val('umap-learn'), eval("python3 -c 'from importlib.metadata import version; print(version(\"umap-learn\"))'"), topic: versions
    tuple val("${task.process}"), val('leidenalg'), eval("python3 -c 'from importlib.metadata import version; print(version(\"leidenalg\"))'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.model}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    def processor = device == 'auto' && task.accelerator ? 'cuda' : device
    """
    # In a read-only image there is no other place for what numba compiles.
    export NUMBA_CACHE_DIR="\$PWD/.numba"

    embed_windows.py \\
        --windows ${windows} \\
        --fasta ${fasta} \\
        --model '${meta.model}' \\
        ${weights ? "--weights ${weights}" : ''} \\
        ${annotation ? "--annotation ${annotation}" : ''} \\
        --registry ${registry} \\
        --device ${processor} \\
        --threads ${task.cpus} \\
        --no-progress \\
        --outdir 'embeddings/${prefix}' \\
        ${args}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.model}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    mkdir -p 'embeddings/${prefix}'
    touch 'embeddings/${prefix}/embeddings.parquet'
    """
}
