// Check the scores against one kind of outside data: eQTLs, intervals, conservation, a network, families of TEs, pairs of genes.
process CROSS_CHECK {
    tag "${check}"
    label 'process_low'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    tuple val(check), path(data, stageAs: 'data/*'), path(names, stageAs: 'names/*')
    path elements
    // The score table, alone or followed by model_card.json of its models.
    path ris, stageAs: 'scores/??/*'
    path loci

    output:
    path 'cross_checks/cross_check_*.json', emit: json
    // A folder of its own: one that is published takes the place of one of the same name.
    path "cross_checks/figures/${check}", emit: figures, type: 'dir'
    path 'cross_checks/*.tsv*', emit: tables
    tuple val("${task.process}"), val('darkregulome'), eval("cross_check.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def tables = [ris].flatten()
    def cards = tables.tail().collect { card -> "--model-cards ${card}" }
    def info = names ? "--network-info ${names}" : ''
    def outside = [
        eqtl: "--loci ${loci} --eqtl ${data} ${task.ext.eqtl_args ?: ''}",
        intervals: "--bed ${data}",
        conservation: "--bigwig ${data}",
        families: '',
        network: "--loci ${loci} --network ${data} ${info} ${task.ext.network_args ?: ''}",
        linked_pairs: "--loci ${loci} --network ${data} ${info}",
        pairs: "--loci ${loci} --pairs ${data}",
    ]
    """
    cross_check.py ${check == 'linked_pairs' ? 'pairs' : check} \\
        --elements ${elements} \\
        --ris ${tables.head()} \\
        ${cards.join(' ')} \\
        ${outside[check]} \\
        --outdir cross_checks \\
        ${args}
    mkdir -p cross_checks/figures/${check}
    for figure in cross_checks/figures/*.*; do
        [ ! -f "\$figure" ] || mv "\$figure" cross_checks/figures/${check}
    done
    """

    stub:
    def name = check == 'linked_pairs' ? 'pairs' : check
    """
    mkdir -p cross_checks/figures/${check}
    touch cross_checks/cross_check_${name}.tsv cross_checks/${name}_elements.tsv.gz
    echo '{"version": 2, "check": "${name}", "parameters": {}, "claims": []}' > cross_checks/cross_check_${name}.json
    """
}
