// Estimate forwards, operations, hours, memory and money of the scoring before it starts, and list its tasks.
process ESTIMATE_COST {
    tag "${models.collect { model -> model.name }.join(',')}"
    label 'process_single'
    label 'error_ignore'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path elements
    path loci
    tuple val(models), path(weights, stageAs: 'weights/??/*')
    path registry
    val device
    val loci_per_task

    output:
    path 'cost.json', emit: cost
    path 'cost.txt', emit: table
    path 'plan.tsv', emit: plan
    tuple val("${task.process}"), val('darkregulome'), eval("estimate_cost.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def staged = models.findAll { model -> model.staged }
    def folders = [staged, [weights].flatten()].transpose().collect { model, folder -> "--weights '${model.name}'=${folder}" }
    """
    estimate_cost.py \\
        --elements ${elements} \\
        --loci ${loci} \\
        --models '${models.collect { model -> model.name }.join(',')}' \\
        ${folders.join(' ')} \\
        --registry ${registry} \\
        --device ${device} \\
        --loci-per-task '${loci_per_task}' \\
        --out cost.json \\
        --plan-out plan.tsv \\
        > cost.txt \\
        ${args}
    cat cost.txt
    """

    stub:
    """
    echo '{}' > cost.json
    touch cost.txt plan.tsv
    """
}
