// Write the sections of the report on variants: evaluation, statuses, distributions of scores.
process REPORT_VARIANTS {
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path scored, stageAs: 'scored/*'
    path evaluations, stageAs: 'evaluation/*'
    val code

    output:
    path 'sections/*_mqc.json', emit: sections
    tuple val("${task.process}"), val('darkregulome'), eval("report.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def options = [scored].flatten().collect { file -> "--scored ${file}" } +
        [evaluations].flatten().collect { folder -> "--evaluation ${folder}" }
    """
    report.py variants \\
        ${options.join(' ')} \\
        --outdir sections \\
        ${args}
    """

    stub:
    """
    mkdir sections
    echo '{}' > sections/stub_mqc.json
    """
}
