// Write the sections of a report, which MULTIQC binds.
process REPORT_SECTIONS {
    tag "${kind}"
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    // Subcommand of report.py.
    val kind
    // Its options, each followed by its file.
    tuple val(options), path(files, stageAs: 'files/??/*')

    output:
    path 'sections/*_mqc.*', emit: sections
    tuple val("${task.process}"), val('darkregulome'), eval("report.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def words = [options, [files].flatten()].transpose().collect { option, file -> "--${option} ${file}" }
    """
    report.py '${kind}' \\
        ${words.join(' ')} \\
        --outdir sections \\
        ${args}
    """

    stub:
    """
    mkdir sections
    echo '{}' > sections/stub_mqc.json
    """
}
