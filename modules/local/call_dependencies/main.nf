// Call motifs, blocks and stems in the maps of all models, compare the models, and write the sections of the report.
process CALL_DEPENDENCIES {
    label 'process_low'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path maps, stageAs: 'maps/*'
    path controls, stageAs: 'controls/*'

    output:
    path 'dependencies', emit: calls, type: 'dir'
    path 'dependencies/sections/*_mqc.json', emit: sections
    tuple val("${task.process}"), val('darkregulome'), eval("call_dependencies.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def options = [maps].flatten().collect { folder -> "--maps ${folder}" } +
        [controls].flatten().collect { folder -> "--controls ${folder}" }
    """
    call_dependencies.py \\
        ${options.join(' ')} \\
        --no-progress \\
        --outdir dependencies \\
        ${args}
    """

    stub:
    """
    mkdir -p dependencies/sections
    echo '{}' > dependencies/sections/stub_mqc.json
    """
}
