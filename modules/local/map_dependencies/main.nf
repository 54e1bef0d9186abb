// Map the dependencies of every sequence with one model.
process MAP_DEPENDENCIES {
    tag "${meta.id}"
    label 'process_medium'
    label 'process_gpu'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container { "docker.io/darkregulome/darkregulome:0.1.0${task.accelerator ? '-gpu' : ''}" }

    input:
    tuple val(meta), path(weights, stageAs: 'weights/*')
    path(regions, stageAs: 'regions/*')
    tuple path(fasta), path(index)
    path registry
    val device

    output:
    tuple val(meta), path("${prefix}", type: 'dir'), emit: maps
    tuple val("${task.process}"), val('darkregulome'), eval("map_dependencies.py --version | sed 's/.* //'"), topic: versions
    tuple val("${task.process}"), val('torch'), eval("python3 -c 'from importlib.metadata import version; print(version(\"torch\"))'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    def processor = device == 'auto' && task.accelerator ? 'cuda' : device
    """
    map_dependencies.py \\
        ${regions ? "--bed ${regions}" : ''} \\
        --fasta ${fasta} \\
        --model '${meta.model}' \\
        ${weights ? "--weights ${weights}" : ''} \\
        ${meta.shuffled ? '--shuffle' : ''} \\
        --registry ${registry} \\
        --device ${processor} \\
        --threads ${task.cpus} \\
        --no-progress \\
        --outdir '${prefix}' \\
        ${args}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    mkdir -p '${prefix}/maps.zarr'
    touch '${prefix}/maps.tsv'
    """
}
