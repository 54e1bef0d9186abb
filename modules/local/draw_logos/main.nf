// Logos of what one model predicts, and of ISM, for the regions of a BED.
process DRAW_LOGOS {
    tag "${meta.model}"
    label 'process_medium'
    label 'process_gpu'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container { "docker.io/darkregulome/darkregulome:0.1.0${task.accelerator ? '-gpu' : ''}" }

    input:
    tuple val(meta), path(weights, stageAs: 'weights/*')
    path regions, stageAs: 'regions/*'
    tuple path(fasta), path(index)
    path loci
    path registry
    val device

    output:
    tuple val(meta), path("logos/${prefix}", type: 'dir'), emit: logos
    tuple val("${task.process}"), val('darkregulome'), eval("draw_logos.py --version | sed 's/.* //'"), topic: versions
    tuple val("${task.process}"), val('torch'), eval("python3 -c 'from importlib.metadata import version; print(version(\"torch\"))'"), topic: versions
    tuple val("${task.process}"), val('logomaker'), eval("python3 -c 'from importlib.metadata import version; print(version(\"logomaker\"))'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.model}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    def processor = device == 'auto' && task.accelerator ? 'cuda' : device
    """
    draw_logos.py \\
        --bed ${regions} \\
        --fasta ${fasta} \\
        --model '${meta.model}' \\
        ${weights ? "--weights ${weights}" : ''} \\
        ${loci ? "--loci ${loci}" : ''} \\
        --registry ${registry} \\
        --device ${processor} \\
        --threads ${task.cpus} \\
        --no-progress \\
        --outdir 'logos/${prefix}' \\
        ${args}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.model}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    mkdir -p 'logos/${prefix}'
    touch 'logos/${prefix}/logos.tsv.gz'
    """
}
