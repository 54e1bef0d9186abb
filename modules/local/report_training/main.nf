// Write the sections of the report on trained models: curves, losses beside counting, measures by model.
process REPORT_TRAINING {
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path checkpoints, stageAs: 'checkpoints/*'
    path metrics
    path overlap
    val code

    output:
    path 'sections/*_mqc.json', emit: sections
    tuple val("${task.process}"), val('darkregulome'), eval("report.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def folders = [checkpoints].flatten().collect { folder -> "--checkpoint ${folder}" }
    """
    report.py training \\
        ${folders.join(' ')} \\
        ${metrics ? "--metrics ${metrics}" : ''} \\
        ${overlap ? "--overlap ${overlap}" : ''} \\
        --outdir sections \\
        ${args}
    """

    stub:
    """
    mkdir sections
    echo '{}' > sections/stub_mqc.json
    """
}
