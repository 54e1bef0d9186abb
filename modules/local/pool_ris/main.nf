// Pool the effects of each element and model into its regulatory influence score (RIS).
process POOL_RIS {
    label 'process_low'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path elements
    path effects, stageAs: 'effects/??/*'
    path reference, stageAs: 'reference/??/*'
    path fai, stageAs: 'genome/*'
    // Locus and model of each scoring task that failed, as maps with id and model.
    val failed

    output:
    path 'ris/ris.parquet', emit: ris
    path 'ris/ris.tsv.gz', emit: table
    path 'ris/*.bw', emit: bigwig, optional: true
    path 'report/failed_scores.tsv', emit: failed, optional: true
    tuple val("${task.process}"), val('darkregulome'), eval("pool_ris.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def scores = [effects].flatten().collect { table -> "--effects ${table}" }
    def predictions = [reference].flatten().collect { table -> "--reference ${table}" }
    if (!scores) {
        error('No locus could be scored by any model; see the errors of SCORE_ELEMENTS in pipeline_info/trace.txt and .nextflow.log.')
    }
    def reason = 'scoring failed; its log is in the work folder named in pipeline_info/trace.txt'
    def rows = failed.collect { pair -> "printf '%s\\t%s\\tscore_elements\\t%s\\n' '${pair.id}' '${pair.model}' '${reason}' >> report/failed_scores.tsv" }
    """
    ${failed ? "mkdir report; printf 'locus\\tmodel\\tstage\\treason\\n' > report/failed_scores.tsv" : ''}
    ${rows.join('\n    ')}
    pool_ris.py \\
        --elements ${elements} \\
        ${scores.join(' ')} \\
        ${predictions.join(' ')} \\
        ${fai ? "--fai ${fai}" : ''} \\
        --outdir ris \\
        ${args}
    """

    stub:
    """
    mkdir ris
    touch ris/ris.parquet ris/stub.bw
    echo | gzip -n > ris/ris.tsv.gz
    """
}
