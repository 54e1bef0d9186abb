// Write the sections of the report: verdicts first, planted against found, figures, what failed.
process REPORT_SECTIONS {
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path diagnosis
    path decomposition
    path cross_checks
    path figures, stageAs: 'figures/??/*'
    path truth
    path cards, stageAs: 'cards/??/*'
    path failed, stageAs: 'failed/??/*'
    // Locus and model of each scoring task that failed, as maps with id and model.
    val failed_scores
    val code

    output:
    path 'sections/*_mqc.*', emit: sections
    path 'failed_scores.tsv', emit: failed, optional: true
    tuple val("${task.process}"), val('darkregulome'), eval("report.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def options = [
        [cross_checks].flatten().collect { file -> "--cross-checks ${file}" },
        [figures].flatten().collect { folder -> "--figures ${folder}" },
        [cards].flatten().collect { card -> "--model-cards ${card}" },
        truth ? "--truth ${truth}" : [],
        [failed].flatten().collect { table -> "--failed ${table}" },
        failed_scores ? '--failed failed_scores.tsv' : [],
    ]
    def reason = 'scoring failed; its log is in the work folder named in pipeline_info/trace.txt'
    def rows = failed_scores.collect { pair -> "printf '%s\\t%s\\tscore_elements\\t%s\\n' '${pair.id}' '${pair.model}' '${reason}' >> failed_scores.tsv" }
    """
    ${failed_scores ? "printf 'locus\\tmodel\\tstage\\treason\\n' > failed_scores.tsv" : ''}
    ${rows.join('\n    ')}
    report.py regulome \\
        --diagnosis ${diagnosis} \\
        --decomposition ${decomposition} \\
        ${options.flatten().join(' ')} \\
        --outdir sections \\
        ${args}
    """

    stub:
    """
    mkdir sections
    echo '{}' > sections/stub_mqc.json
    """
}
