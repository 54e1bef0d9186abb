// Bind the sections into one report.
process MULTIQC {
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/multiqc.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path sections, stageAs: 'sections/*'
    // Settings; where there are several, later ones come before earlier ones.
    path config
    // YAML of the software versions so far.
    val versions

    output:
    path 'report/report.html', emit: report
    path 'report/report_data', emit: data, type: 'dir'
    // A topic of its own: this process reads what the other one collects, and would wait for itself.
    tuple val("${task.process}"), val('multiqc'), eval("multiqc --version | sed 's/.* //'"), topic: report_versions

    script:
    def args = task.ext.args ?: ''
    def configs = [config].flatten().collect { settings -> "--config ${settings}" }.join(' ')
    """
    cat > sections/darkregulome_mqc_versions.yml <<'END_VERSIONS'
    ${versions.trim().replace('\n', '\n    ')}
    END_VERSIONS

    multiqc ${configs} --outdir report sections ${args}
    """

    stub:
    """
    mkdir -p report/report_data
    touch report/report.html
    """
}
