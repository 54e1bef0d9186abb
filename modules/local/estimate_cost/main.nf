// Estimate forwards, operations, hours and memory of the scoring before it starts.
process ESTIMATE_COST {
    tag "${models.join(',')}"
    label 'process_single'
    label 'error_ignore'

    conda "${moduleDir}/environment.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path elements
    val models
    path registry
    val device
    val code

    output:
    path 'cost.json', emit: cost
    path 'cost.txt', emit: table
    tuple val("${task.process}"), val('darkregulome'), eval("estimate_cost.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    estimate_cost.py \\
        --elements ${elements} \\
        --models '${models.join(',')}' \\
        --registry ${registry} \\
        --device ${device} \\
        --out cost.json \\
        ${args} | tee cost.txt
    """

    stub:
    """
    echo '{}' > cost.json
    touch cost.txt
    """
}
