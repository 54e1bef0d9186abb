// Fetch the checkpoint of one model at its pinned commit, verified; a cache outside the task keeps what is there.
process FETCH_WEIGHTS {
    tag "${model}"
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    val model
    path registry
    val cache

    output:
    tuple val(model), path("weights/${model}"), emit: weights
    tuple val("${task.process}"), val('darkregulome'), eval("fetch_weights.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    fetch_weights.py \\
        --models '${model}' \\
        --registry ${registry} \\
        ${cache ? "--cache '${cache}'" : ''} \\
        --outdir weights \\
        --no-progress \\
        ${args}
    """

    stub:
    """
    mkdir -p 'weights/${model}'
    echo '{}' > 'weights/${model}/config.json'
    touch 'weights/${model}/model.safetensors' 'weights/${model}/fetched.json'
    """
}
