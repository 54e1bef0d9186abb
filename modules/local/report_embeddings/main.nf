// Write the sections of the report on embeddings and logos.
process REPORT_EMBEDDINGS {
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path embeddings, stageAs: 'embeddings/*'
    path logos, stageAs: 'logos/*'
    val code

    output:
    path 'sections/*_mqc.json', emit: sections
    tuple val("${task.process}"), val('darkregulome'), eval("report.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def options = [embeddings].flatten().collect { folder -> "--embeddings ${folder}" } +
        [logos].flatten().collect { folder -> "--logos ${folder}" }
    """
    report.py embeddings \\
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
