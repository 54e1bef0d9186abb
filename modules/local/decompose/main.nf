// Split what the models share from what each keeps: rank agreement, list overlaps, layers.
process DECOMPOSE {
    label 'process_low'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path elements
    // The score table, alone or followed by model_card.json of its models.
    path ris, stageAs: 'scores/??/*'

    output:
    path 'decomposition/decomposition.json', emit: decomposition
    path 'decomposition/figures', emit: figures, type: 'dir'
    path 'decomposition/*.tsv*', emit: tables
    tuple val("${task.process}"), val('darkregulome'), eval("decompose.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def tables = [ris].flatten()
    def cards = tables.tail().collect { card -> "--model-cards ${card}" }
    """
    decompose.py \\
        --elements ${elements} \\
        --ris ${tables.head()} \\
        ${cards.join(' ')} \\
        --outdir decomposition \\
        ${args}
    """

    stub:
    """
    mkdir -p decomposition/figures
    touch decomposition/pairs.tsv decomposition/overlaps.tsv decomposition/layers.tsv.gz
    echo '{"version": 2, "parameters": {}, "claims": []}' > decomposition/decomposition.json
    """
}
