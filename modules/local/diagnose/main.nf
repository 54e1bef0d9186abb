// Test each claim raw and on residual RIS against its null, and give the verdict.
process DIAGNOSE {
    label 'process_medium'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path elements
    // The score table, alone or followed by model_card.json of its models.
    path ris, stageAs: 'scores/??/*'
    path calibration, stageAs: 'calibration/??/*'

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
    def powers = [calibration].flatten().collect { json -> "--calibration ${json}" }
    """
    diagnose.py \\
        --elements ${elements} \\
        --ris ${tables.head()} \\
        ${cards.join(' ')} \\
        ${powers.join(' ')} \\
        --outdir diagnosis \\
        ${args}
    """

    stub:
    """
    mkdir -p diagnosis/figures
    echo '{"parameters": {}, "models": {}, "claims": []}' > diagnosis/diagnosis.json
    touch diagnosis/claims.tsv diagnosis/residuals.parquet
    """
}
