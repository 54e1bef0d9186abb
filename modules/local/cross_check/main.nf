// Check the scores against one kind of outside data: eQTLs or conservation.
process CROSS_CHECK {
    tag "${check}"
    label 'process_low'

    conda "${moduleDir}/environment.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    tuple val(check), path(data)
    path elements
    path ris
    path loci
    val code

    output:
    path 'cross_checks/cross_check_*.json', emit: json
    path 'cross_checks/figures', emit: figures, type: 'dir'
    path 'cross_checks/*.tsv*', emit: tables
    tuple val("${task.process}"), val('darkregulome'), eval("cross_check.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def outside = [eqtl: "--loci ${loci} --eqtl ${data}", conservation: "--bigwig ${data}"]
    """
    cross_check.py ${check} \\
        --elements ${elements} \\
        --ris ${ris} \\
        ${outside[check]} \\
        --outdir cross_checks \\
        ${args}
    """

    stub:
    """
    mkdir -p cross_checks/figures
    touch cross_checks/cross_check_${check}.tsv
    echo '{"check": "${check}", "claims": []}' > cross_checks/cross_check_${check}.json
    """
}
