// Test each claim raw, given the trivial features and given the full ones, and give one of six verdicts.
process DIAGNOSE {
    label 'process_medium'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path elements
    // The score table, alone or followed by model_card.json of its models.
    path ris, stageAs: 'scores/??/*'

    output:
    path 'diagnosis/diagnosis.json', emit: diagnosis
    path 'diagnosis/residuals.parquet', emit: residuals
    path 'diagnosis/figures', emit: figures, type: 'dir'
    path 'diagnosis/*.tsv*', emit: tables
    tuple val("${task.process}"), val('darkregulome'), eval("diagnose.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def tables = [ris].flatten()
    def cards = tables.tail().collect { card -> "--model-cards ${card}" }
    """
    diagnose.py \\
        --elements ${elements} \\
        --ris ${tables.head()} \\
        ${cards.join(' ')} \\
        --outdir diagnosis \\
        ${args}
    """

    stub:
    """
    mkdir -p diagnosis/figures
    echo '{"version": 2, "parameters": {}, "models": {}, "claims": []}' > diagnosis/diagnosis.json
    touch diagnosis/claims.tsv diagnosis/distance_profile.tsv diagnosis/residuals.parquet
    """
}
