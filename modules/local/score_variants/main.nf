// Score one part of the variants with one model.
process SCORE_VARIANTS {
    tag "${meta.model} ${meta.shard}/${meta.shards}"
    label 'process_medium'
    label 'process_gpu'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container { "docker.io/darkregulome/darkregulome:0.1.0${task.accelerator ? '-gpu' : ''}" }

    input:
    tuple val(meta), path(weights, stageAs: 'weights/*')
    path(variants, stageAs: 'variants/*')
    tuple path(fasta), path(index)
    path loci
    path registry
    val device
    val format

    output:
    tuple val(meta), path("${prefix}.${format}"), emit: scored
    tuple val("${task.process}"), val('darkregulome'), eval("score_variants.py --version | sed 's/.* //'"), topic: versions
    tuple val("${task.process}"), val('torch'), eval("python3 -c 'from importlib.metadata import version; print(version(\"torch\"))'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.model}.${meta.shard}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    def source = variants.name ==~ /.*\.bed(\.gz)?/ ? '--bed' : '--vcf'
    def processor = device == 'auto' && task.accelerator ? 'cuda' : device
    """
    score_variants.py \\
        ${source} ${variants} \\
        --fasta ${fasta} \\
        --model '${meta.model}' \\
        ${weights ? "--weights ${weights}" : ''} \\
        ${loci ? "--loci ${loci}" : ''} \\
        --registry ${registry} \\
        --shard ${meta.shard}/${meta.shards} \\
        --device ${processor} \\
        --threads ${task.cpus} \\
        --no-progress \\
        --out '${prefix}.${format}' \\
        ${args}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.model}.${meta.shard}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    touch '${prefix}.${format}'
    """
}
