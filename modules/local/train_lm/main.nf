// Train a language model on a genome.
process TRAIN_LM {
    tag "${meta.id}"
    label 'process_medium'
    label 'process_gpu'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container { "docker.io/darkregulome/darkregulome:0.1.0${task.accelerator ? '-gpu' : ''}" }

    input:
    tuple val(meta), path(config)
    path fasta, stageAs: 'genome/*'
    path start, stageAs: 'start/*'
    val state
    val device

    output:
    tuple val(meta), path("${prefix}", type: 'dir'), emit: checkpoint
    tuple val("${task.process}"), val('darkregulome'), eval("train_lm.py --version | sed 's/.* //'"), topic: versions
    tuple val("${task.process}"), val('torch'), eval("python3 -c 'from importlib.metadata import version; print(version(\"torch\"))'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    def processor = device == 'auto' && task.accelerator ? 'cuda' : device
    """
    train_lm.py \\
        --fasta ${fasta} \\
        --architecture '${meta.architecture}' \\
        --config ${config} \\
        ${start ? "--start ${start}" : ''} \\
        ${state ? "--state '${state}/${prefix}.state'" : ''} \\
        --device ${processor} \\
        --threads ${task.cpus} \\
        --outdir '${prefix}' \\
        ${args}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    mkdir '${prefix}'
    touch '${prefix}/config.json' '${prefix}/model.safetensors' '${prefix}/model_card.json' '${prefix}/training_curve.json'
    """
}
