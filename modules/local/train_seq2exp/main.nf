// Train Seq2Exp, or what it is compared with, on one fold with one seed.
process TRAIN_SEQ2EXP {
    tag "${meta.id}"
    label 'process_medium'
    label 'process_gpu'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container { "docker.io/darkregulome/darkregulome:0.1.0${task.accelerator ? '-gpu' : ''}" }

    input:
    val meta
    path expression
    tuple path(fasta), path(index)
    path signals, stageAs: 'signals??/*'
    val names
    path peaks, stageAs: 'peaks/*'
    path recipe, stageAs: 'recipe/*'
    val state
    val device

    output:
    tuple val(meta), path("${prefix}", type: 'dir'), emit: checkpoint
    path "${prefix}.metrics.tsv", emit: metrics
    tuple val("${task.process}"), val('darkregulome'), eval("train_seq2exp.py --version | sed 's/.* //'"), topic: versions
    tuple val("${task.process}"), val('torch'), eval("python3 -c 'from importlib.metadata import version; print(version(\"torch\"))'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    def signal_options = [names, [signals].flatten()].transpose().collect { name, file -> "--signal '${name}'=${file}" }.join(' ')
    // A folder for each model, but none for the recipe's own.
    def trained = "${meta.model == 'config' ? '' : "${meta.model}/"}fold${meta.fold}_seed${meta.seed}"
    def processor = device == 'auto' && task.accelerator ? 'cuda' : device
    """
    train_seq2exp.py \\
        --fasta ${fasta} \\
        --expression ${expression} \\
        ${signal_options} \\
        ${peaks ? "--peaks ${peaks}" : ''} \\
        ${recipe ? "--config ${recipe}" : ''} \\
        --variant '${meta.model}' \\
        --fold '${meta.fold}' \\
        --seed '${meta.seed}' \\
        ${state ? "--state '${state}/${prefix}'" : ''} \\
        --device ${processor} \\
        --threads ${task.cpus} \\
        --outdir trained \\
        ${args}
    mv 'trained/${trained}' '${prefix}'
    mv trained/metrics.tsv '${prefix}.metrics.tsv'
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}".replaceAll(/[^A-Za-z0-9._-]/, '_')
    """
    mkdir '${prefix}'
    touch '${prefix}/config.json' '${prefix}/model.safetensors' '${prefix}/model_card.json' '${prefix}.metrics.tsv'
    """
}
